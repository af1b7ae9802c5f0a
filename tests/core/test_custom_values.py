"""Custom values, as people, .NET, Python and polars write them, become the text that contracts read."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl  # noqa: TID253
import pytest

from odp.core.custom_values import read_text, text_of, texts_of
from odp.core.exceptions import CustomPropertyError

MAY_FIRST = "1714521600"


def read(text: str | None, kind: str) -> str | None:
    return pl.DataFrame({"x": [text]}, schema={"x": pl.String}).select(read_text(pl.col("x"), kind)).item()


@pytest.mark.parametrize("text", ["", "  ", None])
@pytest.mark.parametrize("kind", ["text", "number", "boolean", "timestamp"])
def test_blank_is_no_value(text: str | None, kind: str) -> None:
    assert read(text, kind) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [(" True ", "true"), ("FALSE", "false"), ("Yes", "true"), ("n", "false"), ("1", "1"), ("perhaps", "perhaps")],
)
def test_truth_values(text: str, value: str) -> None:
    assert read(text, "boolean") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-05-01", MAY_FIRST),
        ("20240501", MAY_FIRST),
        ("2024-05-01T02:00:00+02:00", MAY_FIRST),
        ("2024-05-01T00:00:00.1234567Z", MAY_FIRST),
        ("2024-05-01 00:00", MAY_FIRST),
        ("5/1/2024", MAY_FIRST),
        ("05/01/2024 00:00:00", MAY_FIRST),
        ("5/1/2024 12:00:00 AM", MAY_FIRST),
        (MAY_FIRST, MAY_FIRST),
        ("1969-12-31T23:59:59Z", "-1"),
        ("0001-01-01", "-62135596800"),
        ("31/12/2024", "31/12/2024"),
        ("1/2/24", "1/2/24"),
        ("soon", "soon"),
    ],
)
def test_times(text: str, value: str) -> None:
    assert read(text, "timestamp") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (float("nan"), None),
        ("x", "x"),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        (Decimal("10.50"), "10.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2024, 5, 1), "2024-05-01T00:00:00+00:00"),
        (datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2024-05-01T02:00:00+02:00"),
    ],
)
def test_python_values(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", object()])
def test_python_values_without_a_field_type(value: Any) -> None:
    with pytest.raises(TypeError, match=f"holds a {type(value).__name__}, which ODP has no field type for"):
        text_of(value)


@pytest.mark.parametrize(
    ("column", "kind", "texts"),
    [
        (pl.Series([1.5, float("nan"), None]), "number", ["1.5", None, None]),
        (pl.Series([1, 2]), "number", ["1", "2"]),
        (pl.Series(["1.50"]).cast(pl.Decimal(10, 2)), "number", ["1.50"]),
        (pl.Series([True, None]), "boolean", ["true", None]),
        (pl.Series([" No "]), "boolean", ["false"]),
        (pl.Series(["a ", ""]).cast(pl.Categorical), "text", ["a", None]),
        (pl.Series([date(2024, 5, 1)]), "timestamp", [MAY_FIRST]),
        (pl.Series([datetime(2024, 5, 1)]), "timestamp", [MAY_FIRST]),
        (pl.Series([datetime(2024, 5, 1)]).dt.replace_time_zone("Europe/Berlin"), "timestamp", [str(int(MAY_FIRST) - 7200)]),
        (pl.Series([None]), "text", [None]),
    ],
)
def test_polars_columns(column: pl.Series, kind: str, texts: list[str | None]) -> None:
    assert texts_of(column.alias("x"), kind, "f").to_list() == texts


@pytest.mark.parametrize("column", [pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([timedelta(1)])])
def test_polars_columns_without_a_field_type(column: pl.Series) -> None:
    with pytest.raises(CustomPropertyError, match="f gives x as .*, which ODP has no field type for"):
        texts_of(column.alias("x"), "text", "f")
