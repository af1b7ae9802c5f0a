"""Odd values in a replica's columns end up in the output, or as null; no query fails of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from odp.core.commerce import READS, TABLES
from odp.core.replica import Absences, describe, stream_rows
from tests.sql.replica import DEFAULTS, Replica, sql_text

FILES = [file for file in READS if file != "order_status_mapping.sql"]
NOTHING_ABSENT = Absences((), (), ())

# One value for each type; every column of every table gets it, so that all rows refer to each other.
ODD_VALUES: dict[str, dict[str, Any]] = {
    "null": {},
    "not a number": {"numeric": "NaN", "double precision": "NaN"},
    "infinity": {"numeric": "Infinity", "double precision": "Infinity", "timestamptz": "infinity"},
    "minus infinity": {"numeric": "-Infinity", "double precision": "-Infinity", "timestamptz": "-infinity"},
    "largest": {
        "numeric": "9" * 13 + ".99999",
        "double precision": 1.7e308,
        "integer": 2**31 - 1,
        "timestamptz": "294276-12-31T23:59:59Z",
    },
    "earliest": {"integer": -(2**31), "timestamptz": "4713-01-01 00:00:00 BC"},
    "zero": {"numeric": 0, "double precision": 0, "integer": 0, "boolean": True},
    "empty text": {"text": ""},
    "awkward text": {"text": "\\ \"quoted\", {a,b} NULL '%s' %(ids)s %\n\t \u2028 \u001f %%zürich 東京 \U0001f600"},
}


def add_odd_rows(replica: Replica, values: dict[str, Any]) -> None:
    """Add to every table two rows whose columns all hold the value of their type, but for their Ids."""
    for number in (1, 2):
        for table in TABLES.values():
            row = {column.name: values.get(column.type) for column in table.columns}
            row |= {column.name: UUID(int=1) for column in table.columns if column.type == "uuid" and values}
            row |= {"Id": UUID(int=number)}
            if table.name == "OrderLine":
                row["QtyOrdered"] = values.get("numeric") or 1
            replica.add(table.name, **row)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ODD_VALUES)
def test_no_value_makes_a_query_fail(replica: Replica, file: str, kind: str) -> None:
    add_odd_rows(replica, ODD_VALUES[kind])
    connection = replica.connection
    if file == "order_history.sql":  # it leaves out what has the same number there
        connection.execute("DELETE FROM CustomerOrder")

    for email_mode, conversion in (("unique", ("", "")), ("non_unique", ("USD", "divide")), ("unique", ("USD", "multiply"))):
        to, by = conversion
        parameters = DEFAULTS | {"email_mode": email_mode, "site_url": "", "convert_to": to, "convert_by": by}
        columns = describe(connection, sql_text(file), parameters, NOTHING_ABSENT)
        rows = list(stream_rows(connection, sql_text(file), parameters, NOTHING_ABSENT, columns))
        assert len(rows) == (2 if file != "user_events.sql" else 6 if "timestamptz" in ODD_VALUES[kind] else 4)
    replica.rows(file, everything=False, numbers=[ODD_VALUES[kind].get("text", "x")], all_ids=False)


@pytest.mark.parametrize("file", FILES)
def test_values_bound_by_the_server_give_the_same_rows(full_database: str, replica: Replica, file: str) -> None:
    add_odd_rows(replica, ODD_VALUES["zero"])
    expected = replica.connection.execute(sql_text(file), DEFAULTS).fetchall()

    with psycopg.Cursor(replica.connection) as cursor:
        rows = cursor.execute(sql_text(file), DEFAULTS).fetchall()

    assert [tuple(row.values()) if isinstance(row, dict) else row for row in rows] == [tuple(row.values()) for row in expected]
    assert len(rows) == (4 if file == "user_events.sql" else 2)


@pytest.mark.parametrize("file", READS)
def test_a_percent_sign_is_always_a_known_placeholder(file: str) -> None:
    text = sql_text(file)
    for name in DEFAULTS:
        text = text.replace(f"%({name})s", "")
    assert "%" not in text
