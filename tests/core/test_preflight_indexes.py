"""Indexes on ModifiedOn: found on tables, partitions and the tables behind folded views."""

from __future__ import annotations

import psycopg
import pytest

from odp.core import preflight_indexes
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES
from odp.core.preflight_indexes import IndexReport, check_indexes
from tests.core.extraction import SQL, execute

TABLES = {
    *("Product", "Warehouse", "Customer", "UserProfile", "CustomerUserProfile", "CustomerOrder", "OrderLine"),
    *("CustomerOrderPromotion", "CategoryProduct", "ProductImage", "CustomProperty"),
}


@pytest.fixture(autouse=True)
def _no_table_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_indexes, "SMALL_TABLE_BYTES", -1)


def check(dsn: str) -> IndexReport:
    with psycopg.connect(dsn) as connection:
        return check_indexes(connection, EXPORTS)


def without_index(dsn: str) -> set[str]:
    return {finding.details["table"] for finding in check(dsn).findings if finding.verdict == "warning"}


@pytest.fixture
def indexed(empty_replica: str) -> str:
    """A replica with an index on ModifiedOn of each table."""
    execute(empty_replica, *(f"CREATE INDEX {table}_modified ON {table} (ModifiedOn, Id)" for table in TABLES))
    return empty_replica


def test_tables_without_an_index_are_named_with_the_command_that_makes_it(empty_replica: str) -> None:
    report = check(empty_replica)
    assert {finding.details["table"] for finding in report.findings} == TABLES
    assert report.quick_tables == []
    by_table = {finding.details["table"]: finding for finding in report.findings}
    assert by_table["OrderLine"].exports == (ORDERS.dag_id,)
    assert by_table["ProductImage"].exports == (PRODUCTS.dag_id,)
    assert by_table["UserProfile"].exports == (USER_PROFILES.dag_id,)  # orders and links only look people up
    assert len(by_table["CustomProperty"].exports) == len(EXPORTS)
    assert "(0 MB) has no index on ModifiedOn" in by_table["Product"].cause
    commands = [finding.remedy.partition(": ")[2] for finding in report.findings]
    with psycopg.connect(empty_replica, autocommit=True) as connection:
        for command in commands:
            connection.execute(command)
    assert without_index(empty_replica) == set()


def test_with_indexes_all_is_well(indexed: str) -> None:
    report = check(indexed)
    assert [finding.verdict for finding in report.findings] == ["ok"]
    assert set(report.quick_tables) == TABLES - {"CustomProperty"}


def test_a_small_table_needs_none(empty_replica: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert without_index(empty_replica) == set()


@pytest.mark.parametrize(
    "index",
    ["(Id, ModifiedOn)", "(ModifiedOn) WHERE IsDiscontinued", "((ModifiedOn AT TIME ZONE 'UTC'))", "(CreatedOn)"],
)
def test_an_index_that_does_not_begin_with_modified_on_does_not_count(indexed: str, index: str) -> None:
    execute(indexed, "DROP INDEX Product_modified", f"CREATE INDEX ON Product {index}")
    assert without_index(indexed) == {"Product"}


def test_an_index_that_was_not_finished_does_not_count(indexed: str) -> None:
    execute(indexed, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dbo.product_modified'::regclass")
    assert without_index(indexed) == {"Product"}


@pytest.mark.parametrize(("index", "counts"), [("(ParentTable, ModifiedOn)", True), ("(Name, ModifiedOn)", False)])
def test_custom_properties_may_be_indexed_by_their_table_first(indexed: str, index: str, counts: bool) -> None:
    execute(indexed, "DROP INDEX CustomProperty_modified", f"CREATE INDEX ON CustomProperty {index}")
    assert without_index(indexed) == (set() if counts else {"CustomProperty"})


def test_the_tables_behind_folded_views_are_looked_at(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        for table in TABLES:
            connection.execute(
                f'CREATE TABLE dbo."{table}" ("Id" uuid PRIMARY KEY, "ModifiedOn" timestamptz, "ParentTable" text)'
            )
            if table != "OrderLine":
                connection.execute(f'CREATE INDEX ON dbo."{table}" ("ModifiedOn")')
        connection.execute((SQL / "folded_views.sql").read_bytes())
    folded = f"{database}?options=-c%20search_path%3Dcommerce_folded"
    (finding,) = [finding for finding in check(folded).findings if finding.verdict == "warning"]
    assert finding.details["table"] == "OrderLine"
    assert 'CREATE INDEX CONCURRENTLY ON dbo."OrderLine" ("ModifiedOn", "Id");' in finding.remedy
    execute(folded, finding.remedy.partition(": ")[2])
    assert without_index(folded) == set()


def test_an_index_on_a_partitioned_table_counts(indexed: str) -> None:
    execute(
        indexed,
        "DROP TABLE CustomerOrder",
        "CREATE TABLE CustomerOrder (Id uuid, ModifiedOn timestamptz) PARTITION BY RANGE (ModifiedOn)",
        "CREATE TABLE CustomerOrder_2026 PARTITION OF CustomerOrder FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    )
    assert without_index(indexed) == {"CustomerOrder"}
    execute(indexed, "CREATE INDEX ON CustomerOrder (ModifiedOn)")
    assert without_index(indexed) == set()


def test_of_a_foreign_table_it_cannot_be_told(indexed: str) -> None:
    execute(
        indexed,
        "DROP TABLE Warehouse",
        "CREATE FOREIGN DATA WRAPPER elsewhere",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere",
        "CREATE FOREIGN TABLE Warehouse (Id uuid, ModifiedOn timestamptz) SERVER elsewhere",
    )
    (finding,) = check(indexed).findings
    assert finding.verdict == "ok"
    assert "Of Warehouse it cannot be told: foreign tables." in finding.cause


def test_a_table_that_is_missing_is_left_to_the_check_of_tables(indexed: str) -> None:
    execute(indexed, "DROP TABLE ProductImage", "ALTER TABLE Customer DROP COLUMN ModifiedOn")
    assert without_index(indexed) == set()
