"""
Load of CSV files: put them into the bucket that ODP imports from, then record them in the ledger.

*Delivered* here means that a file is in the bucket. What ODP makes of it is in its Activity Log, which has no API.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odp.core.bodies import ItemState
from odp.core.deliver import Fates
from odp.core.event_claims import ClaimKey, EventClaims
from odp.core.exceptions import BucketError, BucketUnknownOutcomeError
from odp.core.import_bucket import RECORD_END, ImportBucket, import_file, is_file
from odp.core.ledger import Ledger
from odp.core.staging import Staging, read_frames

log = logging.getLogger(__name__)

EVENTS_PATH = "/events"


@dataclass
class _Events:
    """Some of a file's events: their positions in it, and their states."""

    positions: set[int] = field(default_factory=set)
    states: bytearray = field(default_factory=bytearray)

    def add(self, positions: Iterable[int], states: bytes) -> None:
        self.positions.update(positions)
        self.states += states


class FileLoader:
    """
    Uploads the CSV files of a part.

    :param bucket: where ODP imports from.
    :param ledger: the export's ledger.
    :param staging: the run's folder.
    :param run_id: the run.
    :param part: the part.
    :param repeated: whether an earlier try may have uploaded some of it: records that it has are not uploaded again.
    """

    def __init__(self, bucket: ImportBucket, ledger: Ledger, staging: Staging, run_id: str, part: int, *, repeated: bool) -> None:
        self._bucket = bucket
        self._ledger = ledger
        self._claims = EventClaims(ledger)
        self._staging = staging
        self._run_id = run_id
        self._part = part
        self._repeated = repeated
        self.files: list[str] = []

    def load(self, uploads: Sequence[Mapping[str, Any]]) -> Fates:
        """
        Upload all CSV files of a part.

        :param uploads: the part's uploads, as transform listed them; those that are no files are left alone.
        :raises BucketError: if a file did not arrive; the task may be retried.
        """
        files = [upload for upload in uploads if is_file(upload)]
        events = [upload for upload in files if upload["path"] == EVENTS_PATH]
        fates = self._load_records([upload for upload in files if upload["path"] != EVENTS_PATH])
        for upload in events:
            fates.add(self._load_events(upload))
        return fates

    def _load_records(self, uploads: Sequence[Mapping[str, Any]]) -> Fates:
        """Upload the files of objects or profiles, the one with all records first; twice does no harm."""
        if not uploads:
            return Fates()
        with self._staging.read(uploads[0]["states"]) as file:
            blocks = list(read_frames(file))
        if self._repeated and all(map(self._is_confirmed, blocks)):
            return Fates()
        for upload in uploads:
            with (
                self._staging.read(upload["bodies"]) as staged,
                import_file(upload, self._run_id, self._part, read_frames(staged)) as file_,
            ):
                self._bucket.put(file_.name, file_.content, repeatable=True)
                self.files.append(file_.name)
        # Only now: a record may have columns in each of the files.
        self._ledger.confirm_records(self._run_id, self._part, b"".join(blocks), uploads[0]["rows"])
        return Fates()

    def _is_confirmed(self, block: bytes) -> bool:
        """Whether this run has uploaded records as they are before."""
        states = ItemState.read(block)
        known = self._ledger.acknowledged([state.key_hash for state in states])
        delivered = {(key, payload) for key, payload, run_id in known.iter_rows() if run_id == self._run_id}
        return all((state.key_hash, state.payload_hash) in delivered for state in states)

    def _load_events(self, upload: Mapping[str, Any]) -> Fates:
        """Claim the events of a file, upload it, and confirm them; if it did not arrive, give the claims up."""
        fates = Fates()
        free, left_open = self._claim(upload, fates)
        if left_open.states:
            self._settle(upload, left_open, fates)
        if free.states:
            self._upload(upload, free, fates)
        return fates

    def _claim(self, upload: Mapping[str, Any], fates: Fates) -> tuple[_Events, _Events]:
        """Claim a file's events; return those that are ours now, and those that an earlier try of this task left open."""
        free, left_open = _Events(), _Events()
        first = 0
        with self._staging.read(upload["states"]) as file:
            for block in read_frames(file):
                states = ItemState.read(block)
                if self._claims.claim_all(block, len(states), self._run_id, self._part):
                    free.add(range(first, first + len(states)), block)
                else:
                    self._claim_each(first, states, free, left_open, fates)
                first += len(states)
        return free, left_open

    def _claim_each(self, first: int, states: Sequence[ItemState], free: _Events, left_open: _Events, fates: Fates) -> None:
        got = self._claims.claim([(s.record_key, s.action, s.payload_hash) for s in states], self._run_id, self._part)
        taken = self._claims.find([s.record_key for s in states if _key(s) not in got])
        for at, state in enumerate(states, first):
            claim = taken.get(_key(state))
            if _key(state) in got:
                free.add([at], ItemState.write([state]))
            elif claim is None:
                fates.uncertain.append(state)  # its claim has been given up a moment ago: a later run looks again
            elif (claim.run_id, claim.part) == (self._run_id, self._part):
                if claim.state != "delivered":
                    left_open.add([at], ItemState.write([state]))
            elif claim.state == "delivered" and claim.payload_hash == state.payload_hash:
                fates.unchanged += 1
            else:  # another run is at it, or has sent another state of the order: a later run looks again
                fates.uncertain.append(state)

    def _records(self, upload: Mapping[str, Any], events: _Events) -> Iterator[bytes]:
        """Read the records of events out of a staged file."""
        first = 0
        with self._staging.read(upload["bodies"]) as file:
            for block in read_frames(file):
                records = block.split(RECORD_END)[:-1]
                yield b"".join(record for at, record in enumerate(records, first) if at in events.positions)
                first += len(records)

    def _settle(self, upload: Mapping[str, Any], events: _Events, fates: Fates) -> None:
        """Confirm events that an earlier try has uploaded; hold them if that cannot be seen, as ODP may have taken the file."""
        with import_file(upload, self._run_id, self._part, self._records(upload, events)) as file:
            if self._bucket.has(file.name):
                self._confirm(file.name, events)
            else:
                self._hold(events, fates)

    def _upload(self, upload: Mapping[str, Any], events: _Events, fates: Fates) -> None:
        with import_file(upload, self._run_id, self._part, self._records(upload, events)) as file:
            try:
                self._bucket.put(file.name, file.content, repeatable=False)
            except BucketUnknownOutcomeError as error:
                log.warning("%s; looking whether %s is there", error, file.name)
                if not self._is_there(file.name):
                    self._hold(events, fates)
                    return
            except BucketError:
                self._claims.release(map(_key, ItemState.read(bytes(events.states))))
                raise
            self._confirm(file.name, events)

    def _is_there(self, name: str) -> bool:
        try:
            return self._bucket.has(name)
        except BucketError as error:
            log.warning("The bucket cannot be asked: %s", error)
            return False

    def _confirm(self, name: str, events: _Events) -> None:
        with self._ledger.connection.transaction():
            self._claims.confirm(bytes(events.states), self._run_id)
            self._ledger.count_delivered(self._run_id, self._part, len(events.positions))
        self.files.append(name)

    def _hold(self, events: _Events, fates: Fates) -> None:
        states = ItemState.read(bytes(events.states))
        self._claims.mark_uncertain(map(_key, states))
        fates.uncertain += states


def _key(state: ItemState) -> ClaimKey:
    return state.record_key, state.action
