"""
Claims on events: an event is written down before it is sent, so that it is never sent twice.

A claim is *claimed* while its event is on the way, *delivered* once ODP acknowledged it, and *uncertain* when nobody knows
(a worker died, a connection broke after the request). An open claim is never sent again blindly: see ``odp.core.uncertain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from odp.core.bodies import ItemState
from odp.core.ledger import Ledger, hash_text
from odp.core.run_history import keep_abandoned

ClaimKey = tuple[str, str]
"""Record key and action of an event."""


@dataclass(frozen=True)
class Claim:
    """
    A claim that is in the ledger.

    :param record_key: key of the record, such as an order number.
    :param action: the event's action.
    :param state: ``claimed``, ``delivered`` or ``uncertain``.
    :param run_id: the run that made it.
    :param part: the part of that run.
    :param claimed_at: when.
    :param payload_hash: hash of the event's content.
    """

    record_key: str
    action: str
    state: str
    run_id: str
    part: int
    claimed_at: datetime
    payload_hash: str

    @property
    def key(self) -> ClaimKey:
        """Record key and action."""
        return self.record_key, self.action


class EventClaims:
    """
    The claims of one export.

    :param ledger: the export's ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find(self, record_keys: Sequence[str]) -> dict[ClaimKey, Claim]:
        """
        Look up the claims of records.

        :param record_keys: keys of the records.
        """
        rows = self._ledger.connection.execute(
            f"SELECT {_COLUMNS} FROM event_delivery WHERE scope_id = %(scope_id)s AND record_key = ANY(%(keys)s)",
            {**self._ledger.scope, "keys": list(record_keys)},
        )
        return {(row[0], row[1]): Claim(*row) for row in rows}

    def open_keys(self) -> list[str]:
        """List the records that have an event which is not known to be delivered."""
        rows = self._ledger.connection.execute(
            "SELECT DISTINCT record_key FROM event_delivery WHERE scope_id = %(scope_id)s AND state <> 'delivered'",
            self._ledger.scope,
        )
        return [row[0] for row in rows]

    def claim_all(self, states: bytes, count: int, run_id: str, part: int) -> bool:
        """
        Claim all events of a body before they are sent, or none; committed at once.

        :param states: the states of the body's items.
        :param count: how many there are.
        :param run_id: the run that is going to send them.
        :param part: its part.
        :return: whether all were free.
        """
        with self._ledger.connection.transaction() as transaction:
            self._ledger.copy_states(states)
            claimed = self._ledger.connection.execute(
                f"{_CLAIM} SELECT %(scope_id)s::integer, record_key, action, 'claimed', payload_hash, %(run_id)s, %(part)s"
                " FROM item ORDER BY record_key, action ON CONFLICT DO NOTHING",
                {**self._ledger.scope, "run_id": run_id, "part": part},
            ).rowcount
            if claimed != count:
                raise psycopg.Rollback(transaction)
        return claimed == count

    def claim(self, events: Iterable[tuple[str, str, str]], run_id: str, part: int) -> set[ClaimKey]:
        """
        Claim events before they are sent; committed at once.

        :param events: record key, action and payload hash of each.
        :param run_id: the run that is going to send them.
        :param part: its part.
        :return: the claims that were free. The others are somebody's already.
        """
        # Sorted, so that two tasks that claim the same events wait for each other instead of deadlocking.
        ordered = sorted(events)
        rows = self._ledger.connection.execute(
            f"{_CLAIM} SELECT %(scope_id)s::integer, k, a, 'claimed', h, %(run_id)s, %(part)s"
            " FROM unnest(%(keys)s::text[], %(actions)s::text[], %(hashes)s::uuid[]) AS e(k, a, h)"
            " ON CONFLICT DO NOTHING RETURNING record_key, action",
            {
                **self._ledger.scope,
                "run_id": run_id,
                "part": part,
                "keys": [key for key, _, _ in ordered],
                "actions": [action for _, action, _ in ordered],
                "hashes": [payload_hash for _, _, payload_hash in ordered],
            },
        )
        return {(row[0], row[1]) for row in rows}

    def confirm(self, states: bytes, run_id: str) -> None:
        """
        Record that ODP has events, and what it thereby holds of their orders; part of the caller's transaction, if there is one.

        :param states: the states of the events.
        :param run_id: the run that sent them.
        """
        with self._ledger.connection.transaction():
            self._ledger.copy_states(states)
            actions = self._ledger.connection.execute("SELECT DISTINCT action FROM item ORDER BY action").fetchall()
            for (action,) in actions:
                self._ledger.connection.execute(
                    "UPDATE event_delivery d SET state = 'delivered', delivered_at = now() WHERE d.scope_id = %(scope_id)s"
                    f" AND d.action = %(action)s AND {_OPEN}"
                    " AND d.record_key = ANY(ARRAY(SELECT record_key FROM item WHERE action = %(action)s ORDER BY record_key))",
                    {**self._ledger.scope, "action": action},
                )
            self._ledger.confirm_copied(run_id)

    def mark_uncertain(self, keys: Iterable[ClaimKey]) -> None:
        """
        Record that nobody knows whether ODP has events.

        :param keys: their claims.
        """
        # From now on, since the request that carried it may have been sent long after it was claimed.
        self._update("state = 'uncertain', claimed_at = CASE d.state WHEN 'claimed' THEN now() ELSE d.claimed_at END", keys)

    def settle(self, claims: Iterable[Claim]) -> None:
        """
        Record that ODP has events that earlier runs left open, and the content it thereby holds of their orders.

        :param claims: their claims.
        """
        by_run: dict[str, list[Claim]] = {}
        for claim in sorted(claims, key=lambda claim: claim.action, reverse=True):
            by_run.setdefault(claim.run_id, []).append(claim)
        for run_id, of_run in by_run.items():
            # Of a purchase and its cancel, the cancel comes last and says what the order has become.
            last = {claim.record_key: claim for claim in of_run}
            states = ItemState.write(
                ItemState(key, hash_text(key), claim.payload_hash, claim.action, True, "") for key, claim in last.items()
            )
            with self._ledger.connection.transaction():
                # The row counts for no part any more: were its load repeated, it would find it sent by another run.
                self._update("state = 'delivered', delivered_at = now(), part = -1", [claim.key for claim in of_run])
                self._ledger.confirm_in_transaction(run_id, states)

    def take_over(self, claims: Iterable[Claim], run_id: str, part: int) -> set[ClaimKey]:
        """
        Claim events anew that ODP is known not to have.

        :param claims: their old claims.
        :param run_id: the run that is going to send them.
        :param part: its part.
        :return: those that nobody else has touched meanwhile.
        """
        rows = self._if_unchanged(
            "UPDATE event_delivery d SET state = 'claimed', claimed_at = now(), run_id = %(run_id)s, part = %(part)s FROM",
            claims,
            run_id=run_id,
            part=part,
        )
        return {claim.key for claim in rows}

    def release_abandoned(self, claims: Iterable[Claim]) -> list[Claim]:
        """
        Give up claims that earlier runs left open, as ODP is known not to have their events.

        Their orders become rejects in the same transaction, so that whatever happens, a later run reads them again.

        :param claims: the claims.
        :return: those that nobody else has touched meanwhile.
        """
        with self._ledger.connection.transaction():
            released = self._if_unchanged("DELETE FROM event_delivery d USING", claims)
            keep_abandoned(self._ledger, {claim.record_key: claim.run_id for claim in released})
        return released

    def release(self, keys: Iterable[ClaimKey]) -> None:
        """
        Give claims up: ODP refused the events, or is known not to have them.

        :param keys: their claims.
        """
        self._change("DELETE FROM event_delivery d", keys)

    def open_claims(self, *, limit: int = 10_000) -> list[Claim]:
        """
        List claims whose event is not known to be delivered, oldest first.

        :param limit: at most so many.
        """
        rows = self._ledger.connection.execute(
            f"SELECT {_COLUMNS} FROM event_delivery WHERE scope_id = %(scope_id)s AND state <> 'delivered'"
            " ORDER BY claimed_at LIMIT %(limit)s",
            {**self._ledger.scope, "limit": limit},
        )
        return [Claim(*row) for row in rows]

    def _if_unchanged(self, change: str, claims: Iterable[Claim], **parameters: Any) -> list[Claim]:
        by_key = {claim.key: claim for claim in claims}
        ordered = sorted(by_key)
        rows = self._ledger.connection.execute(
            f"{change} unnest(%(keys)s::text[], %(actions)s::text[], %(times)s::timestamptz[]) AS e(k, a, t)"
            " WHERE d.scope_id = %(scope_id)s AND d.record_key = ANY(%(keys)s::text[])"
            " AND d.record_key = e.k AND d.action = e.a AND d.claimed_at = e.t"
            f" AND {_OPEN} RETURNING d.record_key, d.action",
            {
                **self._ledger.scope,
                **parameters,
                "keys": [key for key, _ in ordered],
                "actions": [action for _, action in ordered],
                "times": [by_key[key].claimed_at for key in ordered],
            },
        )
        return [by_key[row[0], row[1]] for row in rows]

    def _update(self, assignment: str, keys: Iterable[ClaimKey]) -> None:
        self._change(f"UPDATE event_delivery d SET {assignment}", keys)

    def _change(self, change: str, keys: Iterable[ClaimKey]) -> None:
        by_action: dict[str, list[str]] = {}
        for record_key, action in sorted(keys):
            by_action.setdefault(action, []).append(record_key)
        # Action by action, because a list of keys is looked up in the primary key; a join with one might read the whole table.
        for action, record_keys in sorted(by_action.items()):
            self._ledger.connection.execute(
                f"{change} WHERE d.scope_id = %(scope_id)s AND d.record_key = ANY(%(keys)s::text[])"
                f" AND d.action = %(action)s AND {_OPEN}",
                {**self._ledger.scope, "keys": record_keys, "action": action},
            )


_CLAIM = "INSERT INTO event_delivery (scope_id, record_key, action, state, payload_hash, run_id, part)"
# Not "<>": that would let the planner choose the index of open claims, which grows with each confirmed one until it is vacuumed.
_OPEN = "d.state IS DISTINCT FROM 'delivered'"
_COLUMNS = "record_key, action, state, run_id, part, claimed_at, replace(payload_hash::text, '-', '')"
