"""Which values a field keeps: rows are checked against the fields of their object."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

#: Longest text a field holds.
TEXT_LIMIT = 1024

#: (object, field, reason) of a value that was not kept
Drop = tuple[str, str, str]

UNKNOWN_FIELD = "unknown field"
WRONG_TYPE = "wrong type"
TOO_LONG = "too long"

# The two kinds of text come first: telling them from the rest is one comparison.
_TEXT, _ID, _NUMBER, _BOOLEAN, _TIMESTAMP = range(5)
_KINDS = {"string": _TEXT, "identifier": _ID, "number": _NUMBER, "boolean": _BOOLEAN, "timestamp": _TIMESTAMP}

#: Epoch seconds of the years 1 to 9999; milliseconds of our time lie beyond, so they count as a wrong value.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,]\d+)?\s?(?:Z|[+-]([01]\d|2[0-3]):?(?:[0-5]\d)?)?)?",
    re.ASCII,
)


class ItemError(ValueError):
    """One item of a batch cannot be accepted; the text is the message its answer carries."""


def is_timestamp(value: object) -> bool:
    """
    Tell whether a value is a timestamp: epoch seconds or ISO 8601.

    :param value: what the row carries.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _FIRST_SECOND <= value <= _LAST_SECOND
    if not isinstance(value, str):
        return False
    match = _ISO_8601.fullmatch(value)
    if match is None:
        return False
    date, minutes, seconds = match.group(1, 2, 3)
    try:
        datetime.fromisoformat(f"{date}T{minutes or '00:00'}{seconds or ''}")
    except ValueError:
        return False
    return True


class RowChecker:
    """
    Checks rows of one object; made once per schema change, so that a row costs little.

    :param name: name of the object.
    :param fields: field definitions of the object.
    """

    def __init__(self, name: str, fields: Iterable[dict[str, Any]]) -> None:
        self._object = name
        self._kinds: dict[str, int] = {}
        for field in fields:
            key, kind = field["name"], _KINDS[field["type"]]
            # Ids often arrive as numbers (the published product sample does it): those become text, other text does not.
            if kind == _TEXT and (field.get("primary") or key.endswith("_id")):
                kind = _ID
            self._kinds[key] = kind

    def knows(self, name: str) -> bool:
        """
        Tell whether the object has a field.

        :param name: name of the field.
        """
        return name in self._kinds

    def check(self, row: dict[str, Any], drops: list[Drop], *, truncate: bool = False) -> dict[str, Any]:
        """
        Return the row without what its object cannot keep; the same row when nothing has to change.

        :param row: as received; None stands for 'clear this field' and stays.
        :param drops: receives each dropped value.
        :param truncate: cut long text instead of dropping it.
        """
        kinds = self._kinds
        changes: dict[str, Any] | None = None
        for name, value in row.items():
            kind = kinds.get(name)
            given = type(value)
            if given is str:
                if kind is not None and kind <= _ID and len(value) <= TEXT_LIMIT:
                    continue
            elif given is int or given is float:
                if kind == _NUMBER:
                    continue
            elif given is bool:
                if kind == _BOOLEAN:
                    continue
            elif value is None and kind is not None:
                continue
            if kind == _TIMESTAMP and is_timestamp(value):
                continue
            if changes is None:
                changes = {}
            if kind is None:
                drops.append((self._object, name, UNKNOWN_FIELD))
                changes[name] = _DROPPED
                continue
            changes[name], reason = _converted(kind, value, truncate=truncate)
            if reason:
                drops.append((self._object, name, reason))
        if changes is None:
            return row
        merged = {**row, **changes}
        return {name: value for name, value in merged.items() if value is not _DROPPED}


_DROPPED = object()


def _converted(kind: int, value: object, *, truncate: bool) -> tuple[object, str]:
    """Return the value to keep, or a marker and the reason why nothing is kept."""
    if kind == _ID and isinstance(value, int) and not isinstance(value, bool):
        return str(value), ""
    if kind == _BOOLEAN and isinstance(value, int) and value in {0, 1}:
        return bool(value), ""
    if kind in {_TEXT, _ID} and isinstance(value, str):
        return (value[:TEXT_LIMIT], "") if truncate else (_DROPPED, TOO_LONG)
    return _DROPPED, WRONG_TYPE
