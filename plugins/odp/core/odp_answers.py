"""What ODP says in its answers. Error bodies need not be JSON, and nothing in them can be relied on to be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import urllib3


@dataclass(frozen=True)
class Answer:
    """
    ODP's answer to an upload.

    :param status: HTTP status.
    :param words: what it says in an error, shortened.
    :param named: for a 400, the positions of the items it names, and why; empty if it names none.
    """

    status: int
    words: str
    named: Mapping[int, str]


def named_items(answer: urllib3.BaseHTTPResponse, count: int) -> dict[int, str]:
    """Read the positions that a 400 names, and why; empty if it names none that can be trusted."""
    try:
        invalids = orjson.loads(answer.data)["detail"]["invalids"]
        named = {entry["event"]: str(entry.get("message", "refused")) for entry in invalids if "event" in entry}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return named if all(isinstance(at, int) and 0 <= at < count for at in named) else {}


def words_of(answer: urllib3.BaseHTTPResponse) -> str:
    """Return what ODP says in an error, shortened; error bodies need not be JSON."""
    try:
        content = orjson.loads(answer.data)
        detail = content.get("detail", content)
        words = detail.get("message") or detail.get("invalids") or detail
    except (orjson.JSONDecodeError, AttributeError):
        words = answer.data.decode(errors="replace").strip()
    return str(words)[:300] or "(no words)"


def retry_after_of(answer: urllib3.BaseHTTPResponse) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait; ``None`` without a whole number of them."""
    value = answer.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None
