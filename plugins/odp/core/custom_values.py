"""
Values of custom properties as the text that contracts read.

They come as people and .NET write them (``True``, ``5/1/2024 12:00:00 AM``), as Python objects, or as polars columns. What cannot
be read stays as it is, so that the contract rejects the row and names the field.
"""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from numbers import Number
from typing import Any
from uuid import UUID

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.exceptions import CustomPropertyError
from odp.core.fields import BOOLEAN, TIMESTAMP

_TIMES = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    # What .NET writes in its invariant and in its American culture.
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y",
)
_TIMES_WITH_ZONE = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
_HAS_FOUR_DIGITS_OF_YEAR = r"^(\d{4}-|\d{8}$|\d{1,2}/\d{1,2}/\d{4})"

_NO_FIELD_TYPE = "which ODP has no field type for: give text, a number, a truth value or a time"


def read_text(text: pl.Expr, kind: str) -> pl.Expr:
    """
    Turn text as people write it into text as a contract reads it.

    :param text: column of text.
    :param kind: name of the field's kind (``odp.core.fields``).
    """
    trimmed = text.str.strip_chars().replace("", None)
    if kind == BOOLEAN.name:
        word = trimmed.str.to_lowercase()
        return word.replace({"yes": "true", "y": "true", "no": "false", "n": "false"})
    if kind == TIMESTAMP.name:
        # "2024-05-01 10:00" is ISO 8601 to people, if not to the standard.
        iso = trimmed.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        times = [iso.str.to_datetime(form, strict=False, time_unit="us") for form in _TIMES]
        times += [
            iso.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None)
            for form in _TIMES_WITH_ZONE
        ]
        seconds = pl.when(iso.str.contains(_HAS_FOUR_DIGITS_OF_YEAR)).then(pl.coalesce(times).dt.epoch("s"))
        return pl.coalesce(seconds.cast(pl.String), trimmed)
    return trimmed


def text_of(value: Any) -> str | None:
    """
    Write a Python value as text.

    :param value: text, a number, a truth value, a time (UTC, if it has no zone), a UUID, or nothing: ``None`` or pandas' NaN.
    :raises TypeError: if it is something else, such as a list.
    """
    if value is None or (isinstance(value, (float, datetime)) and value != value):  # noqa: PLR0124 - NaN and NaT
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).isoformat()
    if isinstance(value, (Number, UUID)):
        return str(value)
    raise TypeError(f"holds a {type(value).__name__}, {_NO_FIELD_TYPE}")


def texts_of(column: pl.Series, kind: str, origin: str) -> pl.Series:
    """
    Write a polars column as text, as a contract reads it.

    :param column: the column; times without zone are UTC.
    :param kind: name of the field's kind.
    :param origin: who made the column, for the message.
    :raises CustomPropertyError: if it holds lists, structs or the like.
    """
    dtype = column.dtype
    if isinstance(dtype, (pl.Datetime, pl.Date)):
        return column.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.String)
    if dtype.is_float():
        return column.fill_nan(None).cast(pl.String)
    if dtype == pl.Boolean or dtype == pl.Null or dtype.is_numeric():
        return column.cast(pl.String)
    if dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String).to_frame().select(read_text(pl.col(column.name), kind)).to_series()
    raise CustomPropertyError(f"{origin} gives {column.name} as {dtype}, {_NO_FIELD_TYPE}.")
