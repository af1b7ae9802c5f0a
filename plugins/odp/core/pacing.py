"""Pacing of requests to the rate limit of an ODP API family."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from odp.core.ledger import Ledger

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


class LedgerPacer:
    """
    Spaces the requests of all tasks and workers of an account evenly: each reserves the next slot in the ledger.

    This is the generic cell rate algorithm with one row per account and API family. Slots are a hundredth further apart than the
    limit asks, since requests do not arrive exactly as evenly as they are sent.

    :param ledger: the ledger of any export of the account.
    :param family: the API family.
    :param requests_per_second: the rate of the whole account, above 0.
    """

    def __init__(self, ledger: Ledger, family: str, requests_per_second: float) -> None:
        self._ledger = ledger
        self._parameters = {"account": ledger.account, "family": family, "interval": 1.01 / requests_per_second}

    def wait(self) -> None:
        """Block until the next request may be sent."""
        row = self._ledger.connection.execute(
            "INSERT INTO pacing AS p (account, family, next_at)"
            " VALUES (%(account)s, %(family)s, clock_timestamp() + make_interval(secs => %(interval)s))"
            " ON CONFLICT (account, family) DO UPDATE"
            " SET next_at = greatest(p.next_at, clock_timestamp()) + make_interval(secs => %(interval)s)"
            " RETURNING extract(epoch FROM next_at - clock_timestamp()) - %(interval)s",
            self._parameters,
        ).fetchone()
        if row and row[0] > 0:
            time.sleep(float(row[0]))
