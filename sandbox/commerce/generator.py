"""
Fills a Commerce replica with any number of customers and orders, the same for the same seed.

The small tables are Python rows written by COPY. Everything that grows is one SQL statement per table and block of
rows, computed inside PostgreSQL from row numbers: an order with its lines has some 300 columns, too many to build as
Python objects when orders are wanted by the million. The statements make tens of thousands of orders a second. They
run in blocks, in as many sessions as there are processors (up to 4), so memory stays flat at any size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from sandbox.commerce.reference_rows import reference_rows
from sandbox.commerce.vocabulary import word_lists

# How many of 1,000 consecutive orders have each status. The first group was never placed and has no order number.
UNPLACED_PER_MILLE = {"Cart": 120, "AbandonedCart": 40, "Saved": 30, "AwaitingApproval": 20, "QuoteProposed": 20}
PLACED_PER_MILLE = {
    "Complete": 300, "Processing": 180, "Submitted": 120, "Shipped": 60, "ReadyForPickup": 30,
    "CancellationRequested": 25, "Cancelled": 25, "PunchOut": 15, "Punchout": 15,
}  # fmt: skip
IN_ERP = {"Complete", "Processing", "Shipped", "ReadyForPickup", "Cancelled"}

ROWS_PER_BLOCK = 20_000
SESSIONS = min(4, os.cpu_count() or 1)


def generate(
    dsn: str,
    *,
    customers: int = 2_000,
    orders: int = 20_000,
    products: int = 1_000,
    seed: int = 1,
    schema: str = "dbo",
    now: datetime | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """
    Drop the schema if it is there, create it anew and fill it.

    :param dsn: connection string of the database
    :param customers: rows in Customer, and as many in UserProfile
    :param orders: rows in CustomerOrder, carts and quotes included
    :param products: rows in Product
    :param seed: any number; with the same ``now`` it gives the same rows
    :param schema: the schema to fill
    :param now: the moment before which everything was modified; by default this hour
    :param report: called with a line of text as the work goes on
    :return: number of rows per table
    """
    if min(customers, orders, products) < 1:
        raise ValueError("A replica needs at least one customer, one product and one order.")
    moment = now or datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if moment.tzinfo is None:
        raise ValueError(f"now={moment.isoformat()} has no time zone. Give one, for example +00:00.")
    return _Filling(dsn, schema, seed, moment, report).run(customers, orders, products)


class _Filling:
    """One run of the generator; see :func:`generate` for the arguments."""

    def __init__(self, dsn: str, schema: str, seed: int, now: datetime, report: Callable[[str], None]) -> None:
        self._dsn = dsn
        self._schema = schema
        self._drafts = f"{schema}_drafts"
        self._seed = seed
        self._now = now
        self._report = report
        self._values: dict[str, Any] = {"seed": seed, "now": now}

    def run(self, customers: int, orders: int, products: int) -> dict[str, int]:
        self._values |= {"customers": customers, "products": products}
        tables = re.findall(r"^CREATE TABLE (\w+)", _script("schema.sql"), re.M)
        with self._connect() as connection:
            self._create(connection)
            self._copy_small_tables(connection)
        self._fill("catalog.sql", products)
        self._fill("accounts.sql", customers)
        self._each_statement(_statements("indexes.sql"))
        self._each_statement(["ANALYZE Product", "ANALYZE Customer", "ANALYZE UserProfile"])
        self._fill("orders.sql", orders)
        self._report("Building the indexes of the orders")
        self._each_statement(_statements("order_indexes.sql"))
        self._fill("order_history.sql", orders)
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self._drafts)))
        # Leaves nothing to autovacuum, which would disturb whoever measures something on the replica next.
        self._each_statement([f"VACUUM ANALYZE {table}" for table in tables])
        with self._connect() as connection:
            return {table: _count(connection, table) for table in tables}

    def _create(self, connection: psycopg.Connection) -> None:
        for schema in (self._drafts, self._schema):
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(_script("schema.sql"))
        self._set_path(connection, self._drafts, self._schema)
        for name_of_list, words in word_lists().items():
            connection.execute(
                sql.SQL("CREATE FUNCTION {}() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {}::text[]").format(
                    sql.Identifier(name_of_list), list(words)
                )
            )
        connection.execute(_script("functions.sql"), self._values)
        connection.execute(
            "CREATE TABLE status_mix (rank integer PRIMARY KEY, status text, is_placed boolean, is_in_erp boolean)"
        )
        ranks = [
            (status, status in PLACED_PER_MILLE, status in IN_ERP)
            for status, count in {**PLACED_PER_MILLE, **UNPLACED_PER_MILLE}.items()
            for _ in range(count)
        ]
        with connection.cursor().copy("COPY status_mix FROM STDIN") as copy:
            for rank, row in enumerate(ranks):
                copy.write_row((rank, *row))
        self._set_path(connection, self._schema, self._drafts)

    def _copy_small_tables(self, connection: psycopg.Connection) -> None:
        for table, rows in reference_rows(self._seed, self._now):
            columns = list(rows[0])
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                # Folded as PostgreSQL folds the unquoted names of schema.sql.
                sql.Identifier(table.lower()),
                sql.SQL(", ").join(sql.Identifier(column.lower()) for column in columns),
            )
            with connection.cursor().copy(statement) as copy:
                for row in rows:
                    copy.write_row([row[column] for column in columns])
            # The bulk statements refer to these tables' rows by number.
            self._values[_snake_case_plural(table)] = len(rows)

    def _fill(self, script: str, rows: int) -> None:
        text = _script(script)
        blocks = [
            {**self._values, "first": first, "past": min(first + ROWS_PER_BLOCK, rows)}
            for first in range(0, rows, ROWS_PER_BLOCK)
        ]
        with ThreadPoolExecutor(SESSIONS) as pool:
            for block, _ in zip(blocks, pool.map(partial(self._execute, text), blocks), strict=True):
                self._report(f"{script}: {block['past']:,} of {rows:,}")

    def _each_statement(self, statements: Iterable[str]) -> None:
        with ThreadPoolExecutor(SESSIONS) as pool:
            list(pool.map(self._execute, statements))

    def _execute(self, text: str, values: Mapping[str, Any] | None = None) -> None:
        with self._connect(autocommit=values is None) as connection:
            connection.execute(text, values)

    def _connect(self, autocommit: bool = False) -> psycopg.Connection:
        # The client's cursor takes a whole script with values; the server's would take one statement.
        connection = psycopg.connect(self._dsn, autocommit=autocommit, cursor_factory=psycopg.ClientCursor)
        self._set_path(connection, self._schema, self._drafts)
        return connection

    def _set_path(self, connection: psycopg.Connection, *schemas: str) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, schemas))
        connection.execute(sql.SQL("SET search_path TO {}").format(names))


def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _statements(name: str) -> list[str]:
    return [statement for statement in _script(name).split(";\n") if statement.strip()]


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.lower()))).fetchone()
    return int(row[0]) if row else 0


def _snake_case_plural(table: str) -> str:
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", table).lower()
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
