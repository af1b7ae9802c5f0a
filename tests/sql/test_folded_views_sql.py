"""folded_views.sql: a replica that kept Commerce's PascalCase names becomes readable for the mapping files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from odp.core.commerce import READS, TABLES
from sandbox.postgres import PostgresServer
from tests.sql.replica import DEFAULTS, Replica, connect, sql_text

PRODUCT = UUID(int=1)


def create_quoted_tables(connection: psycopg.Connection[Any], schema: str) -> None:
    """Create the catalogue's tables with quoted names, one product, and a table that no export reads."""
    connection.execute(f'CREATE SCHEMA "{schema}"')
    for table in TABLES.values():
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        connection.execute(f'CREATE TABLE "{schema}"."{table.name}" ({columns}, PRIMARY KEY ("Id"))')
    connection.execute(f'CREATE TABLE "{schema}"."Message" ("Id" uuid)')
    connection.execute(f'INSERT INTO "{schema}"."Product" ("Id", "ErpNumber") VALUES (%s, %s)', (PRODUCT, "100"))


@pytest.fixture
def quoted(mapping_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection to an empty database of the test's own."""
    dsn = mapping_server.create_database(request.node.name, exist_ok=False)
    with contextlib.closing(connect(dsn, autocommit=True)) as connection:
        yield connection


def views(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the names of the views."""
    rows = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'commerce_folded'").fetchall()
    return {row["viewname"] for row in rows}


def test_every_export_runs_over_the_views(quoted: psycopg.Connection[Any]) -> None:
    create_quoted_tables(quoted, "dbo")

    quoted.execute(sql_text("folded_views.sql"))

    assert views(quoted) == {name.lower() for name in TABLES}
    quoted.execute("SET search_path = commerce_folded")
    row = Replica(quoted).row("products.sql")
    assert (row["product_id"], row["product_number"]) == (PRODUCT, "100")
    for file in READS:
        quoted.execute(sql_text(file), DEFAULTS)


def test_running_it_again_follows_the_tables(quoted: psycopg.Connection[Any]) -> None:
    create_quoted_tables(quoted, "dbo")
    quoted.execute(sql_text("folded_views.sql"))
    quoted.execute("CREATE ROLE mapping_reader")
    quoted.execute("GRANT SELECT ON ALL TABLES IN SCHEMA commerce_folded TO mapping_reader")

    quoted.execute(sql_text("folded_views.sql"))
    quoted.execute('ALTER TABLE dbo."Brand" ADD "UrlSegment" text')
    quoted.execute(sql_text("folded_views.sql"))

    quoted.execute("SELECT urlsegment FROM commerce_folded.brand")
    granted = quoted.execute("SELECT has_table_privilege('mapping_reader', 'commerce_folded.brand', 'SELECT') AS it").fetchone()
    assert granted == {"it": True}

    quoted.execute('ALTER TABLE dbo."Vendor" ADD "City" text, ADD "ZIP" text')
    quoted.execute(sql_text("folded_views.sql"))
    quoted.execute("DROP VIEW commerce_folded.vendor")
    quoted.execute(sql_text("folded_views.sql"))
    assert views(quoted) == {name.lower() for name in TABLES}


def test_a_view_that_lost_columns_is_made_anew(quoted: psycopg.Connection[Any]) -> None:
    create_quoted_tables(quoted, "dbo")
    quoted.execute("CREATE SCHEMA commerce_folded")
    quoted.execute("CREATE VIEW commerce_folded.brand AS SELECT 1 AS id, 'x' AS something_that_was_there")

    quoted.execute(sql_text("folded_views.sql"))

    assert quoted.execute("SELECT id, name FROM commerce_folded.brand").fetchall() == []


def test_another_schema(quoted: psycopg.Connection[Any]) -> None:
    create_quoted_tables(quoted, "Commerce Copy")
    quoted.execute("SET odp.source_schema = 'Commerce Copy'")

    quoted.execute(sql_text("folded_views.sql"))

    quoted.execute("SET search_path = commerce_folded")
    assert Replica(quoted).row("products.sql")["product_id"] == PRODUCT


def test_names_that_differ_in_case_only(quoted: psycopg.Connection[Any]) -> None:
    create_quoted_tables(quoted, "dbo")
    quoted.execute("CREATE TABLE dbo.product (id integer)")
    quoted.execute('ALTER TABLE dbo."Product" ADD "erpnumber" text')

    quoted.execute(sql_text("folded_views.sql"))

    quoted.execute("SET search_path = commerce_folded")
    assert Replica(quoted).row("products.sql")["product_number"] == "100"


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        ("SELECT 1", "Schema dbo does not exist"),
        ("CREATE SCHEMA dbo", "Schema dbo holds no Commerce table"),
    ],
    ids=["missing", "empty"],
)
def test_a_wrong_schema_is_named(
    mapping_server: PostgresServer, preparation: str, message: str, request: pytest.FixtureRequest
) -> None:
    dsn = mapping_server.create_database(f"wrong_schema_{request.node.callspec.id}", exist_ok=False)
    with connect(dsn, autocommit=True) as connection:
        connection.execute(preparation)
        with pytest.raises(psycopg.errors.RaiseException, match=message):
            connection.execute(sql_text("folded_views.sql"))
