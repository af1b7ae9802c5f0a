"""
The kinds of field a record has: how each is written in a CSV column, checked, and typed in ODP.

A kind is one definition with two readers. pydantic uses it through the annotated types below (one row at a time, with a
message for people), and ``odp.core.transform`` derives polars expressions from it (a whole column at a time). Both read the
same text: trimmed, with empty text turned into "not given".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

MAX_TEXT = 1024
"""Characters a text value of ODP holds (ODP documentation, "Objects and fields")."""

FIRST_SECOND = -62_135_596_800
"""Epoch second of 0001-01-01T00:00:00Z, the first instant Commerce can store."""

LAST_SECOND = 253_402_300_799
"""Epoch second of 9999-12-31T23:59:59Z. Later numbers are milliseconds by mistake, which ODP does not document."""


@dataclass(frozen=True)
class Kind:
    """
    One kind of field.

    :param name: the word used in messages and in the documentation.
    :param odp_type: the type in ODP's schema API: string, number, boolean or timestamp.
    :param pattern: what the text of a value must match as a whole; valid in Python's and in Rust's regular expressions.
    :param requirement: what a value must be, as the end of the sentence "price ...".
    """

    name: str
    odp_type: str
    pattern: str
    requirement: str


TEXT = Kind("text", "string", r"(?s).*", f"must be text of at most {MAX_TEXT} characters")
IDENTIFIER = Kind("identifier", "string", rf"(?s).{{1,{MAX_TEXT}}}", f"must be text of 1 to {MAX_TEXT} characters")
EMAIL = Kind("email", "string", r"[^@\x00-\x20]{1,255}@[^@\x00-\x20]{1,255}", "must be an e-mail address such as ana@example.com")
NUMBER = Kind("number", "number", r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", "must be a finite number")
BOOLEAN = Kind("boolean", "boolean", r"(?:t|true|1|f|false|0)", "must be true or false")
TIMESTAMP = Kind(
    "timestamp", "timestamp", r"-?[0-9]{1,12}", "must be a time between the years 1 and 9999, in whole epoch seconds"
)

KINDS = {kind.name: kind for kind in (TEXT, IDENTIFIER, EMAIL, NUMBER, BOOLEAN, TIMESTAMP)}
TRUE_WORDS = ("t", "true", "1")


def _wrong(kind: Kind) -> PydanticCustomError:
    return PydanticCustomError("odp_" + kind.name, "{requirement}", {"requirement": kind.requirement})


def _parser(kind: Kind) -> BeforeValidator:
    """Return the validator that reads a value of this kind from its text in a CSV column."""
    matches = re.compile(kind.pattern).fullmatch

    def parse(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str) or not matches(value):
            raise _wrong(kind)
        if kind is NUMBER:
            number = float(value)
            if not math.isfinite(number):
                raise _wrong(kind)
            return number
        if kind is BOOLEAN:
            return value in TRUE_WORDS
        if kind is TIMESTAMP:
            second = int(value)
            if not FIRST_SECOND <= second <= LAST_SECOND:
                raise _wrong(kind)
            return second
        return value

    return BeforeValidator(parse)


Text = Annotated[str, TEXT, _parser(TEXT)]
"""Optional text. Longer text is cut to ``MAX_TEXT`` characters before it meets the contract, and counted."""

Identifier = Annotated[str, IDENTIFIER, _parser(IDENTIFIER)]
"""Text that identifies something (a key, a reference). It is never cut: a longer one is rejected."""

Email = Annotated[str, EMAIL, _parser(EMAIL)]
"""An e-mail address used as an identifier, in lower case."""

Number = Annotated[float, NUMBER, _parser(NUMBER)]
Boolean = Annotated[bool, BOOLEAN, _parser(BOOLEAN)]
Timestamp = Annotated[int, TIMESTAMP, _parser(TIMESTAMP)]
"""Epoch seconds in UTC: the form ODP documents for timestamps. SQL selects a timestamptz; extract turns it into seconds."""


def read_from(source: str) -> Any:
    """
    Declare an optional field of a record.

    :param source: the Commerce columns it is read from, in words and ``Table.Column`` names; shown in the field table of
        the DAG's documentation and used to tell which fields a missing table or column costs.
    """
    return Field(default=None, json_schema_extra={"source": source})


def required_from(source: str) -> Any:
    """
    Declare a field without which a record cannot be sent.

    :param source: as in :func:`read_from`.
    """
    return Field(json_schema_extra={"source": source})
