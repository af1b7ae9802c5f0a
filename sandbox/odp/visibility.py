"""Uploads become readable a while after their 202: until then readers see what was there before."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

Document = dict[str, Any] | None


class Visibility:
    """Remembers, for every change younger than the delay, what readers still see in its place."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, ...], deque[tuple[float, Document]]] = {}

    def hide(self, key: tuple[str, ...], before: Document, delay: float) -> None:
        """
        Keep the present document in view while its replacement is not visible yet.

        :param key: what is about to change.
        :param before: the document as it is stored now.
        :param delay: seconds until the change may be seen.
        """
        entries = self._before.setdefault(key, deque())
        entries.append((time.monotonic() + delay, before))

    def seen(self, key: tuple[str, ...], stored: Document) -> Document:
        """
        Return the document that a reader sees now.

        :param key: what is read.
        :param stored: the document as it is stored.
        """
        entries = self._before.get(key)
        if entries is None:
            return stored
        now = time.monotonic()
        while entries and entries[0][0] <= now:
            entries.popleft()
        if not entries:
            del self._before[key]
            return stored
        return entries[0][1]

    def show_all(self) -> None:
        """Make every change visible at once."""
        self._before.clear()
