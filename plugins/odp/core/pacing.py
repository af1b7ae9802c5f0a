"""Pacing of requests to the rate limit of an ODP API family."""

from __future__ import annotations

import threading
import time
from typing import Protocol

REQUESTS_PER_SECOND = {"profiles": 10.0}
"""Limits ODP publishes for uploads ("Rate limits"): profiles 10 requests a second, events and objects none."""


class Pacer(Protocol):
    """Something that lets requests through at a permitted rate."""

    def wait(self) -> None:
        """Block until the next request may be sent."""


class LocalPacer:
    """
    Spaces the requests of one process evenly.

    :param requests_per_second: the rate; 0 for no limit.
    """

    def __init__(self, requests_per_second: float) -> None:
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Block until the next request may be sent."""
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next)
            self._next = slot + self._interval
        time.sleep(slot - now)
