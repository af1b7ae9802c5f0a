"""
Load of objects and profiles: send bodies to ODP, then record in the ledger what it acknowledged.

They may be sent twice without harm. Events may not: see ``odp.core.deliver_events``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from odp.core.bodies import Body, ItemState
from odp.core.client import OdpClient
from odp.core.ledger import Ledger
from odp.core.run_history import KeptReject

CONFIRM_ROWS = 20_000
CONFIRM_SECONDS = 5.0
"""Acknowledged objects and profiles are recorded this often: what a killed task sends again at most."""


@dataclass
class Fates:
    """
    What became of the rows of one or more bodies, other than delivered, which the ledger counts.

    :param rejects: items that ODP refused.
    :param rejected: number of rows they stand for.
    :param unchanged: number of rows whose event another run has sent meanwhile.
    :param uncertain: states of rows with an event whose fate is unknown.
    """

    rejects: list[KeptReject] = field(default_factory=list)
    rejected: int = 0
    unchanged: int = 0
    uncertain: list[ItemState] = field(default_factory=list)

    def add(self, other: Fates) -> None:
        """Add the fates of other rows."""
        self.rejects += other.rejects
        self.rejected += other.rejected
        self.unchanged += other.unchanged
        self.uncertain += other.uncertain


def kept_reject(state: ItemState, item: Any, reason: str) -> KeptReject:
    """
    Return an item that ODP refused as the ledger keeps it.

    :param state: which record it is.
    :param item: the item.
    :param reason: ODP's words.
    """
    return KeptReject(state.entity_id, state.record_key, reason, item, reason)


class RecordLoader:
    """
    Sends objects or profiles.

    :param client: the account.
    :param ledger: the export's ledger.
    :param run_id: the run.
    :param part: the part.
    :param repeated: whether an earlier try may have delivered some of it: that is not sent again.
    :param began: when the run began, if other runs of the export may deliver at the same time: what they have delivered since
        is newer, and stays.
    """

    def __init__(
        self, client: OdpClient, ledger: Ledger, run_id: str, part: int, *, repeated: bool, began: datetime | None = None
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._run_id = run_id
        self._part = part
        self._repeated = repeated
        self._began = began

    def load(self, path: str, bodies: Iterable[Body]) -> Fates:
        """
        Send bodies.

        :param path: upload path.
        :param bodies: the bodies.
        """
        fates = Fates()
        # Filled where the requests are made: after an error, too, nothing that ODP has acknowledged is left out.
        acknowledged: deque[tuple[bytes, int]] = deque()

        def send(body: Body) -> tuple[int, Fates]:
            states, sent_rows, refused = self._send(path, body)
            acknowledged.append((states, sent_rows))
            return sent_rows, refused

        def confirm() -> None:
            # Each once only: were the answer to the first attempt lost, a second would count its rows twice.
            taken = [acknowledged.popleft() for _ in range(len(acknowledged))]
            if taken:
                states, their_rows = zip(*taken, strict=True)
                self._ledger.confirm_records(self._run_id, self._part, b"".join(states), sum(their_rows))

        with ThreadPoolExecutor(1, thread_name_prefix="confirm") as confirmer:
            confirming: Future[None] | None = None
            rows, last = 0, time.monotonic()
            try:
                for sent_rows, refused in self._client.each(bodies, send):
                    rows += sent_rows
                    fates.add(refused)
                    if rows >= CONFIRM_ROWS or time.monotonic() - last >= CONFIRM_SECONDS:
                        if confirming is not None:
                            confirming.result()
                        confirming = confirmer.submit(confirm)  # while the next requests are under way
                        rows, last = 0, time.monotonic()
            finally:
                confirmer.submit(confirm).result()
        if confirming is not None:
            confirming.result()
        return fates

    def _send(self, path: str, body: Body) -> tuple[bytes, int, Fates]:
        if self._repeated:
            body = self._without_delivered(body)
        rows = body.rows
        if self._began is not None:
            body = self._without_newer(body, self._began)
        fates = Fates(unchanged=rows - body.rows)
        if not body.items:
            return b"", 0, fates
        rejected = self._client.deliver(path, body)
        if not rejected:
            return body.states, body.rows, fates
        states = ItemState.read(body.states)
        refused = {item.position for item in rejected}
        kept = [kept_reject(states[item.position], item.item, item.reason) for item in rejected]
        accepted = [state for position, state in enumerate(states) if position not in refused]
        fates.add(Fates(kept, len(kept)))
        return ItemState.write(accepted), len(accepted), fates

    def _without_delivered(self, body: Body) -> Body:
        states = ItemState.read(body.states)
        known = self._ledger.acknowledged([state.key_hash for state in states])
        delivered = {(key, payload) for key, payload, run_id in known.iter_rows() if run_id == self._run_id}
        return _only(body, states, lambda state: (state.key_hash, state.payload_hash) not in delivered)

    def _without_newer(self, body: Body, began: datetime) -> Body:
        states = ItemState.read(body.states)
        newer = self._ledger.delivered_by_others(self._run_id, began, [state.key_hash for state in states])
        return _only(body, states, lambda state: state.key_hash not in newer)


def _only(body: Body, states: Sequence[ItemState], wanted: Callable[[ItemState], bool]) -> Body:
    """Return a body with some of its items."""
    kept = [at for at, state in enumerate(states) if wanted(state)]
    if len(kept) == len(states):
        return body
    items = orjson.loads(body.content)
    return Body(len(kept), orjson.dumps([items[at] for at in kept]), ItemState.write(states[at] for at in kept), len(kept))
