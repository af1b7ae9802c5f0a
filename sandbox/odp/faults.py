"""Misbehaviour on order: the next requests fail, stall, or lose their connection."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.odp.answers import Answer

_MESSAGES = {
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Endpoint request timed out",
}

Mode = Literal["fail", "store_then_fail", "store_then_drop", "drop", "delay"]


class Fault(BaseModel):
    """
    What happens to the next matching requests.

    :param path: start of the path; every path of the API by default.
    :param method: only requests with this method.
    :param count: how many requests it hits.
    :param after: how many matching requests it lets through first.
    :param status: status of the answer, for the modes that fail.
    :param delay: seconds to wait before anything happens; with neither mode nor status, the only thing that happens.
    :param retry_after: seconds for a Retry-After header.
    :param mode: `fail` answers without storing; `store_then_fail` stores, then answers; `drop` closes the connection
        without an answer; `store_then_drop` stores, then does so; `delay` only waits, then answers as usual.
    :param body: body of the answer: text is sent as plain text, an object as JSON.
    """

    model_config = ConfigDict(extra="forbid")

    path: str = "/v3"
    method: str | None = None
    count: int = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    delay: float = Field(default=0, ge=0)
    retry_after: float | None = None
    mode: Mode | None = None
    body: Any = None

    @property
    def effective_mode(self) -> Mode:
        """The mode, guessed from the other values when none was given."""
        if self.mode is not None:
            return self.mode
        return "delay" if self.delay and self.status is None and self.body is None else "fail"

    def answer(self) -> Answer:
        """Return the answer of the modes that fail."""
        status = self.status or 503
        body = {"message": _MESSAGES.get(status, "Fault")} if self.body is None else self.body
        headers = None if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return Answer(status, body, headers)


class Faults:
    """The faults that still wait for a request, in the order they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """
        Set a fault.

        :param fault: it hits requests after those already set are used up.
        """
        self._waiting.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """
        Return the fault that hits a request, None for a request that goes well.

        :param method: method of the request.
        :param path: its path.
        """
        for fault in self._waiting:
            if not path.startswith(fault.path) or (fault.method and fault.method.upper() != method):
                continue
            if fault.after:
                fault.after -= 1
                return None
            fault.count -= 1
            if not fault.count:
                self._waiting.remove(fault)
            return fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """Return what is still to come."""
        return [fault.model_dump(exclude_none=True) for fault in self._waiting]

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()
