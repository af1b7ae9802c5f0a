"""The rate limit of one family of calls."""

from __future__ import annotations


class RateLimit:
    """
    A token bucket, as gateways have it: it holds one second's requests, and refills evenly.

    A bucket rather than a window: requests paced exactly at the limit must pass although their arrivals jitter.
    """

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._filled = 0.0

    def admit(self, now: float, per_second: float) -> bool:
        """
        Tell whether a request may pass.

        :param now: monotonic time of its arrival.
        :param per_second: requests per second; 0 lets everything pass.
        """
        if not per_second:
            return True
        room = max(per_second, 1.0)
        held = room if self._tokens is None else self._tokens
        held = min(room, held + (now - self._filled) * per_second)
        self._filled = now
        self._tokens = held - 1 if held >= 1 else held
        return held >= 1

    def reset(self) -> None:
        """Forget what passed so far."""
        self._tokens = None
