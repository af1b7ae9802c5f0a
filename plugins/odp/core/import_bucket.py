"""The bucket that ODP imports files from: what they are called there, and how one is put together."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Protocol

from odp.core.bodies import ItemState
from odp.core.ledger import hash_text
from odp.core.staging import Staging, read_frames

RECORD_END = b"\x1e"
"""After each record of a staged file, which may have several lines: the ASCII record separator. It is not sent."""


class ImportBucket(Protocol):
    """A bucket from which ODP imports what it finds under the prefix of the account."""

    def put(self, name: str, file: IO[bytes], *, repeatable: bool) -> None:
        """
        Upload a file; one of the same name is replaced.

        :param name: the file's name, without the prefix.
        :param file: its content.
        :param repeatable: whether uploading it twice does no harm; if not, nothing is tried again.
        :raises BucketError: if it is not there.
        :raises BucketUnknownOutcomeError: if it may be there.
        """

    def has(self, name: str) -> bool:
        """
        Tell whether a file is there; ODP may have taken one that is not.

        :param name: the file's name, without the prefix.
        :raises BucketError: if the bucket cannot be asked.
        """


@dataclass(frozen=True)
class ImportFile:
    """
    A file as it is uploaded.

    :param name: its name: the same content always has the same name, so that a repeat replaces it.
    :param content: its bytes, on the local disk.
    """

    name: str
    content: IO[bytes]


def is_file(upload: Mapping[str, Any]) -> bool:
    """
    Tell whether an upload is a CSV file; the others are bodies for the REST API.

    :param upload: an upload, as transform listed it.
    """
    return "columns" in upload


def read_records(upload: Mapping[str, Any], staging: Staging, positions: Collection[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Read some records of a staged file, in the form of the REST API as far as they can be looked up by it.

    :param upload: the file, as transform listed it.
    :param staging: the run's folder.
    :param positions: positions of the records.
    :return: record key and item of each; values are text.
    """
    first = 0
    with staging.read(upload["bodies"]) as bodies, staging.read(upload["states"]) as states_file:
        for block, states in zip(read_frames(bodies), read_frames(states_file), strict=True):
            records = block.split(RECORD_END)[:-1]
            chosen = [at for at in range(len(records)) if first + at in positions]
            keys = ItemState.read(states) if chosen else []
            for at in chosen:
                line = next(csv.reader([records[at].partition(b"\n")[0].decode()]))
                row = {name: cell for name, cell in zip(upload["columns"], line, strict=True) if cell}
                yield keys[at].record_key, _as_sent(upload["path"], row)
            first += len(records)


def _as_sent(path: str, row: dict[str, Any]) -> dict[str, Any]:
    if path == "/profiles":
        return {"attributes": row}
    return {"data": {"order": row}} if path == "/events" else row


@contextmanager
def import_file(upload: Mapping[str, Any], run_id: str, part: int, blocks: Iterable[bytes]) -> Iterator[ImportFile]:
    """
    Put a file together from its staged records.

    :param upload: the file, as transform listed it.
    :param run_id: the run.
    :param part: its part.
    :param blocks: the records, each ended by ``RECORD_END``.
    """
    with tempfile.TemporaryFile() as content:
        digest = hashlib.sha256()
        for block in itertools.chain([_header(upload["columns"])], blocks):
            plain = block.replace(RECORD_END, b"")
            digest.update(plain)
            content.write(plain)
        content.seek(0)
        yield ImportFile(f"{_stem(upload, run_id, part)}_{digest.hexdigest()[:12]}.csv", content)


def _header(columns: Sequence[str]) -> bytes:
    return ",".join(columns).encode() + b"\n"


def _stem(upload: Mapping[str, Any], run_id: str, part: int) -> str:
    """Return the beginning of a file's name: ODP's prefix, by which it knows the object, then what people look for."""
    run = re.sub(r"[^A-Za-z0-9]+", "-", run_id).strip("-")[:60]
    return f"zaius_{upload['object']}_{run}_{hash_text(run_id)[:6]}_{part:05d}-{upload['number']:03d}"
