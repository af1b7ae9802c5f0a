"""Every request to the API, for assertions on pacing and retries; keys are never part of it."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

#: A dropped connection has no status; counts call it this.
DROPPED = "dropped"

_KEPT = 100_000


@dataclass
class LoggedRequest:
    """
    One request.

    :param method: HTTP method.
    :param path: path without query: an identifier in a query is personal data.
    :param received: epoch seconds of its arrival.
    """

    method: str
    path: str
    received: float
    status: int | None = None
    items: int | None = None
    bytes: int = 0
    seconds: float = 0.0
    fault: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        moment = datetime.fromtimestamp(self.received, timezone.utc).isoformat(timespec="milliseconds")
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "items": self.items,
            "received": round(self.received, 3),
            "time": moment.replace("+00:00", "Z"),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 4),
            "fault": self.fault,
        }


class RequestLog:
    """The latest requests in the order of their arrival, and how many got which status."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self.statuses: Counter[str] = Counter()

    def start(self, method: str, path: str) -> LoggedRequest:
        """
        Add a request at its arrival.

        :param method: HTTP method.
        :param path: its path.
        """
        entry = LoggedRequest(method, path, time.time())
        self._entries.append(entry)
        return entry

    def finish(self, entry: LoggedRequest) -> None:
        """
        Count a request when it was answered, or dropped.

        :param entry: what `start` returned.
        """
        entry.seconds = time.time() - entry.received
        self.statuses[DROPPED if entry.status is None else str(entry.status)] += 1

    def latest(self, limit: int, path: str = "") -> list[dict[str, Any]]:
        """
        Return the latest requests, oldest first.

        :param limit: how many.
        :param path: only requests whose path starts with this.
        """
        found = [entry for entry in self._entries if entry.path.startswith(path)]
        return [entry.document() for entry in found[-limit:]] if limit > 0 else []

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()
        self.statuses.clear()
