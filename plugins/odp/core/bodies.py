"""Upload bodies: JSON arrays of at most 500 items and 1 MB, built once in transform and sent as they are by load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from odp.core.staging import LineWriter, read_lines

MAX_ITEMS = 500
"""Items ODP takes in one request (ODP documentation, "Batch requests")."""

TARGET_BYTES = 1_000_000
"""Size at which a body is closed. ODP documents no limit; large bodies only make a retry dearer."""

LARGEST_ITEM_BYTES = 9_900_000
"""Largest item that is tried at all: API gateways of the kind ODP runs behind refuse bodies above 10 MB."""


@dataclass(frozen=True)
class Body:
    """
    One request body.

    :param items: number of items in it.
    :param content: the JSON array.
    """

    items: int
    content: bytes


class BodyWriter:
    """
    Pack items into bodies and write one body a line.

    :param lines: where the bodies go.
    :param max_items: most items in a body, 1 to 500.
    """

    def __init__(self, lines: LineWriter, max_items: int = MAX_ITEMS) -> None:
        self._lines = lines
        self._max_items = max_items
        self._items: list[bytes] = []
        self._bytes = 0
        self.bodies = 0
        self.items = 0

    def add(self, item: bytes) -> None:
        """Add one item, in the order in which ODP shall receive it."""
        if self._items and (len(self._items) >= self._max_items or self._bytes + len(item) > TARGET_BYTES):
            self.close()
        self._items.append(item)
        self._bytes += len(item) + 1

    def close(self) -> None:
        """Write what is left."""
        if self._items:
            self._lines.write(b"%d\t[%s]" % (len(self._items), b",".join(self._items)))
            self.bodies += 1
            self.items += len(self._items)
            self._items, self._bytes = [], 0


def read_bodies(file: IO[bytes]) -> Iterator[Body]:
    """
    Read the bodies that a :class:`BodyWriter` wrote, without looking into them.

    :param file: an open binary file.
    """
    for line in read_lines(file):
        count, _, content = line.partition(b"\t")
        yield Body(int(count), content)
