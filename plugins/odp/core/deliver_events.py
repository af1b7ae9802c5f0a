"""
Load of events: each is claimed in the ledger, sent, then confirmed, and never sent twice.

An event whose fate is unknown is looked for in ODP before it is ever sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from odp.core.bodies import Body, ItemState
from odp.core.client import LONGEST_WAIT_SECONDS, OdpClient
from odp.core.deliver import Fates, kept_reject
from odp.core.event_claims import ClaimKey, EventClaims
from odp.core.exceptions import OdpApiError, OdpUnavailableError, OdpUnknownOutcomeError
from odp.core.ledger import Ledger
from odp.core.uncertain import Resolver

log = logging.getLogger(__name__)

_LEDGER_CONNECTIONS = 16
"""Most requests of one load at a time: each claims and confirms through a connection to the ledger of its own."""


class _Tries:
    """
    The repeated attempts to send the same events: growing waits between them, until the retry budget ends.

    :param budget: seconds.
    """

    def __init__(self, budget: float) -> None:
        self._until = time.monotonic() + budget
        self._next = 0.25

    def wait(self) -> bool:
        """Wait before the next attempt; return False, at once, if the budget does not allow it."""
        self._next = min(2 * self._next, LONGEST_WAIT_SECONDS)
        if time.monotonic() + self._next > self._until:
            return False
        time.sleep(self._next)
        return True


class EventLoader:
    """
    Sends events, each at most once.

    :param client: the account.
    :param ledger: the export's ledger.
    :param resolver: finds out whether ODP has an event.
    :param run_id: the run.
    :param part: the part.
    """

    def __init__(self, client: OdpClient, ledger: Ledger, resolver: Resolver, run_id: str, part: int) -> None:
        self._client = client
        self._ledger = ledger
        self._claims = EventClaims(ledger)
        self._resolver = resolver
        self._run_id = run_id
        self._part = part

    def load(self, path: str, bodies: Iterable[Body]) -> Fates:
        """
        Send bodies.

        :param path: upload path.
        :param bodies: the bodies.
        """
        fates = Fates()
        for result in self._client.each(bodies, lambda body: self._send(path, body), at_most=_LEDGER_CONNECTIONS):
            fates.add(result)
        return fates

    def _send(self, path: str, body: Body) -> Fates:
        if self._claims.claim_all(body.states, body.items, self._run_id, self._part):
            return self._post(path, body)
        states = ItemState.read(body.states)
        free = self._claims.claim([(s.record_key, s.action, s.payload_hash) for s in states], self._run_id, self._part)
        fates = Fates()
        taken = self._claims.find([s.record_key for s in states if _key(s) not in free])
        waiting = {key for (key, action), claim in taken.items() if action == "purchase" and claim.state != "delivered"}
        mine: list[tuple[ItemState, Any]] = []
        early: list[ItemState] = []
        left_open: list[tuple[ItemState, Any]] = []
        for state, item in zip(states, orjson.loads(body.content), strict=True):
            claim = taken.get(_key(state))
            by_this_part = claim is not None and (claim.run_id, claim.part) == (self._run_id, self._part)
            if _key(state) in free:
                if state.record_key in waiting:  # a cancel, whose purchase another run is sending
                    early.append(state)
                else:
                    mine.append((state, item))
            elif claim is not None and by_this_part:  # by an earlier try of this task
                if claim.state != "delivered":
                    left_open.append((state, item))
            elif state.closes and claim is not None and claim.state == "delivered" and claim.payload_hash == state.payload_hash:
                fates.unchanged += 1
            elif state.closes:  # another run is at it, or has sent another state of the order: a later run looks again
                fates.uncertain.append(state)
        if early:
            self._claims.release(map(_key, early))
            fates.uncertain += early
        if left_open:
            fates.add(self._resolve(path, [s for s, _ in left_open], [item for _, item in left_open]))
        if mine:
            fates.add(self._post(path, _body(*zip(*mine, strict=True))))
        return fates

    def _post(self, path: str, body: Body, tries: _Tries | None = None) -> Fates:
        """Send claimed events and record what became of them."""
        tries = tries or _Tries(self._client.options.retry_budget)
        try:
            answer = self._client.upload(path, body.content, repeatable=False)
        except OdpUnknownOutcomeError as error:
            log.warning("%s; looking for %s events in ODP", error, body.items)
            states = ItemState.read(body.states)
            self._claims.mark_uncertain(map(_key, states))
            return self._resolve(path, states, orjson.loads(body.content), tries, at_once=error.answered)
        except OdpApiError:
            # ODP has refused the request or was never reached: none of its events exists.
            self._claims.release(map(_key, ItemState.read(body.states)))
            raise
        if answer.status < 300:
            self._confirm(body.states, body.rows)
            return Fates()
        states, items = ItemState.read(body.states), orjson.loads(body.content)
        if answer.named:
            # ODP does not say whether it keeps the other items of a refused request.
            refused = [(states[at], items[at], reason) for at, reason in answer.named.items()]
            self._claims.release(_key(state) for state, _, _ in refused)
            rejects = [kept_reject(state, item, reason) for state, item, reason in refused]
            fates = Fates(rejects, rejected=sum(state.closes for state, _, _ in refused))
            others = [at for at in range(len(states)) if at not in answer.named]
            self._claims.mark_uncertain(_key(states[at]) for at in others)
            fates.add(self._resolve(path, [states[at] for at in others], [items[at] for at in others], tries))
            return fates
        if len(states) == 1:
            self._claims.release([_key(states[0])])
            return Fates([kept_reject(states[0], items[0], answer.words)], int(states[0].closes))
        middle = len(states) // 2  # a request that names no item was not processed at all
        fates = self._post(path, _body(states[:middle], items[:middle]), tries)
        fates.add(self._post(path, _body(states[middle:], items[middle:]), tries))
        return fates

    def _confirm(self, states: bytes, rows: int) -> None:
        with self._ledger.connection.transaction():
            self._claims.confirm(states, self._run_id)
            self._ledger.count_delivered(self._run_id, self._part, rows)

    def _resolve(
        self,
        path: str,
        states: Sequence[ItemState],
        items: Sequence[Any],
        tries: _Tries | None = None,
        *,
        at_once: bool = False,
    ) -> Fates:
        """Look for events in ODP: confirm those that are there, send those that are certainly not, keep the others."""
        if not states:
            return Fates()
        claims = self._claims.find([state.record_key for state in states])
        open_claims = [claims[_key(state)] for state in states if _key(state) in claims]
        found = self._resolver.resolve(open_claims, at_once=at_once)
        there = [state for state in states if found.get(_key(state)) is True]
        absent = {key for key, is_there in found.items() if is_there is False}
        again = self._claims.take_over((claims[key] for key in absent), self._run_id, self._part) if absent else set()
        unknown = [state for state in states if found.get(_key(state)) is not True and _key(state) not in again]
        if there:
            self._confirm(ItemState.write(there), sum(state.closes for state in there))
        self._claims.mark_uncertain(map(_key, unknown))
        fates = Fates(uncertain=[state for state in unknown if state.closes])
        if again:
            sent = [at for at, state in enumerate(states) if _key(state) in again]
            if tries is not None and not tries.wait():
                self._claims.release(again)
                raise OdpUnavailableError(
                    f"ODP did not take {len(again)} events within the retry budget: the connection broke, or it answered with "
                    "errors, and it does not have them. What was acknowledged stays delivered."
                )
            fates.add(self._post(path, _body([states[at] for at in sent], [items[at] for at in sent]), tries))
        return fates


def _body(states: Sequence[ItemState], items: Sequence[Any]) -> Body:
    return Body(len(items), orjson.dumps(items), ItemState.write(states), sum(state.closes for state in states))


def _key(state: ItemState) -> ClaimKey:
    return state.record_key, state.action
