"""A Commerce replica made of hand-written rows, and the mapping files run on it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from odp.core.commerce import TABLES

SQL_FOLDER = Path(__file__).resolve().parents[2] / "include" / "sql"

NOW = datetime(2025, 6, 15, 12, tzinfo=timezone.utc)
"""What the queries take for now."""

DEFAULTS: dict[str, Any] = {
    "everything": True,
    "window_start": "-infinity",
    "window_end": "infinity",
    "all_ids": True,
    "ids": [],
    "numbers": [],
    "as_of": NOW,
    "all_websites": True,
    "website_ids": [],
    "email_mode": "unique",
    "convert_to": "",
    "convert_by": "",
    "site_url": "https://shop.example.com",
    "user_events": ["register", "login", "storefront"],
}

Row = dict[str, Any]


class Replica:
    """
    A replica, as one connection sees it.

    :param connection: binds values into the query's text, as COPY demands.
    """

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection

    def add(self, table: str, **values: Any) -> UUID:
        """
        Insert one row and return its Id; columns without a value are null.

        :param table: name of a Commerce table.
        """
        row = {"Id": uuid4(), **values}
        names = ", ".join(row)
        places = ", ".join(f"%({name})s" for name in row)
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)
        return row["Id"]

    def rows(self, file: str, **parameters: Any) -> list[Row]:
        """Run a mapping file and return its rows, without the ids by which rejects are read again."""
        found = self.connection.execute(sql_text(file), DEFAULTS | parameters).fetchall()
        assert all(row.pop("entity_id", None) for row in found if file != "order_status_mapping.sql")
        return found

    def row(self, file: str, **parameters: Any) -> Row:
        """Run a mapping file that must return exactly one row."""
        rows = self.rows(file, **parameters)
        assert len(rows) == 1
        return rows[0]

    def plan(self, file: str, **parameters: Any) -> str:
        """Return the plan of a mapping file as text."""
        lines = self.connection.execute("EXPLAIN (COSTS OFF) " + sql_text(file), DEFAULTS | parameters).fetchall()
        return "\n".join(line["QUERY PLAN"] for line in lines)


def sql_text(file: str) -> str:
    """Return the text of a file of include/sql."""
    return (SQL_FOLDER / file).read_text(encoding="utf-8")


def create_tables(connection: psycopg.Connection[Any], *, optional: bool = True) -> None:
    """
    Create the tables of the catalogue, with nothing but primary keys as indexes.

    :param optional: whether optional tables and columns are created, too.
    """
    for table in TABLES.values():
        if table.required or optional:
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns if column.required or optional)
            connection.execute(f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY (Id))")


def connect(dsn: str, **options: Any) -> psycopg.Connection[Row]:
    """Connect so that values are bound into the query's text."""
    return psycopg.connect(dsn, row_factory=dict_row, cursor_factory=psycopg.ClientCursor, **options)
