"""The response bodies of the API, in the shapes its documents publish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, NamedTuple

import orjson


class Answer(NamedTuple):
    """A status, a body ready for JSON, and headers beyond the content type."""

    status: int
    body: Any
    headers: dict[str, str] | None = None

    def encoded(self) -> tuple[bytes, str]:
        """Return the body as bytes, with its content type: a plain string stays plain text."""
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return orjson.dumps(self.body), "application/json"


def timestamp() -> str:
    """Return the current time the way live answers carry it: UTC, `Z`, three digits of a second."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _titled(status: int, title: str, detail: dict[str, Any] | None = None) -> Answer:
    body: dict[str, Any] = {"title": title, "status": status, "timestamp": timestamp()}
    if detail is not None:
        body["detail"] = detail
    return Answer(status, body)


def accepted() -> Answer:
    """Return the generic 202 of the uploads: it says 'queued', and nothing about single items."""
    return _titled(202, "Accepted")


def bad_items(invalids: Iterable[tuple[int, str]]) -> Answer:
    """
    Return the 400 of the uploads that names bad items.

    :param invalids: (zero-based position in the batch, message) of each bad item.
    """
    entries = [{"event": position, "message": message} for position, message in invalids]
    return _titled(400, "Bad Request", {"invalids": entries})


def bad_fields(invalids: Iterable[tuple[str, str]]) -> Answer:
    """
    Return the 400 of the schema calls.

    :param invalids: (field, reason) of each problem.
    """
    return _titled(400, "Bad Request", {"invalids": [{"field": field, "reason": reason} for field, reason in invalids]})


def bad_request(message: str) -> Answer:
    """
    Return a 400 that concerns the request as a whole.

    :param message: what is wrong with it.
    """
    return _titled(400, "Bad Request", {"message": message})


def not_found(message: str, *, title: str = "Bad Request") -> Answer:
    """
    Return a 404.

    :param message: what does not exist.
    :param title: the upload documents really publish "Bad Request" here; the schema calls say "Not Found".
    """
    return _titled(404, title, {"message": message})


def forbidden() -> Answer:
    """Return the bare 403 that answers a bad key, a key without the right, and an unknown path alike."""
    return Answer(403, {"message": "Forbidden"})


def too_long() -> Answer:
    """Return the 413 of a body above the limit."""
    return Answer(413, {"message": "Request Too Long"})


def too_many_requests(retry_after: float | None = None) -> Answer:
    """
    Return the 429 of a request above the rate limit.

    :param retry_after: seconds for a Retry-After header; None sends no such header.
    """
    headers = None if retry_after is None else {"Retry-After": f"{max(1, round(retry_after))}"}
    return Answer(429, {"message": "Too Many Requests"}, headers)
