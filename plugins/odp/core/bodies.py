"""
Upload bodies: JSON arrays of at most 500 items and 1 MB, built once in transform and sent as they are by load.

Beside each body lies its *states*: one CSV line per item that says which record the item is and what it holds, as hashes. Load
writes them to the ledger as they are; neither file is looked into unless something goes wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from odp.core.staging import FrameWriter, LineWriter, read_frames, read_lines

MAX_ITEMS = 500
"""Items ODP takes in one request (ODP documentation, "Batch requests")."""

TARGET_BYTES = 1_000_000
"""Size at which a body is closed. ODP documents no limit; large bodies only make a retry dearer."""

LARGEST_ITEM_BYTES = 9_900_000
"""Largest item that is tried at all: API gateways of the kind ODP runs behind refuse bodies above 10 MB."""


@dataclass(frozen=True)
class ItemState:
    """
    Which record an item is.

    :param record_key: key of the record.
    :param key_hash: hash of the key.
    :param payload_hash: hash of the content.
    :param action: the event's action; empty for objects and profiles.
    :param closes: whether the extracted row is dealt with when this item is: an order may need two events.
    :param entity_id: Commerce's id of the entity.
    """

    record_key: str
    key_hash: str
    payload_hash: str
    action: str
    closes: bool
    entity_id: str

    @classmethod
    def read(cls, states: bytes) -> list[ItemState]:
        """Read the states of a body."""
        rows = csv.reader(io.StringIO(states.decode(), newline=""))
        return [cls(row[0], row[1], row[2], row[3], row[4] == "t", row[5]) for row in rows]

    @staticmethod
    def write(states: Iterable[ItemState]) -> bytes:
        """Write states as CSV lines."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for s in states:
            writer.writerow((s.record_key, s.key_hash, s.payload_hash, s.action, "t" if s.closes else "f", s.entity_id))
        return text.getvalue().encode()


@dataclass(frozen=True)
class Body:
    """
    One request body.

    :param items: number of items in it.
    :param content: the JSON array.
    :param states: the states of its items.
    :param rows: number of extracted rows it deals with.
    """

    items: int
    content: bytes
    states: bytes = b""
    rows: int = 0


class BodyWriter:
    """
    Pack items into bodies.

    :param lines: where the bodies go, one a line.
    :param frames: where their states go, one frame a body.
    :param max_items: most items in a body, 1 to 500.
    """

    def __init__(self, lines: LineWriter, frames: FrameWriter, max_items: int = MAX_ITEMS) -> None:
        self._lines = lines
        self._frames = frames
        self._max_items = max_items
        self._items: list[bytes] = []
        self._states: list[bytes] = []
        self._count = 0
        self._bytes = 0
        self.bodies = self.items = self.rows = 0

    def add(self, item: bytes, states: bytes, items: int = 1, *, alone: bool = False) -> None:
        """
        Add what one row is sent as; it stays together, even where a body is to hold one item only.

        :param item: a JSON object, or several with commas between them, in the order in which ODP shall receive them.
        :param states: a CSV line for each object; the last one closes the row.
        :param items: number of objects.
        :param alone: whether they have a body to themselves.
        """
        if self._items and (alone or self._count + items > self._max_items or self._bytes + len(item) > TARGET_BYTES):
            self.close()
        self._items.append(item)
        self._states.append(states)
        self._count += items
        self._bytes += len(item)
        if alone:
            self.close()

    def close(self) -> None:
        """Write what is left."""
        if self._items:
            self._lines.write(b"%d\t%d\t[%s]" % (self._count, len(self._items), b",".join(self._items)))
            self._frames.write(b"".join(self._states))
            self.bodies += 1
            self.items += self._count
            self.rows += len(self._items)
        self._items, self._states, self._count, self._bytes = [], [], 0, 0


def read_bodies(bodies: IO[bytes], states: IO[bytes]) -> Iterator[Body]:
    """
    Read the bodies that a :class:`BodyWriter` wrote, without looking into them.

    :param bodies: the open file of bodies.
    :param states: the open file of their states.
    """
    for line, state in zip(read_lines(bodies), read_frames(states), strict=True):
        items, rows, content = line.split(b"\t", 2)
        yield Body(int(items), content, state, int(rows))
