"""The replica as a preflight sees it: tables, columns, mapping queries, and how far it lags."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from odp.core import preflight_replica
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.preflight_replica import check_export, check_lag, check_replica
from odp.core.preflight_report import Finding
from odp.core.records import Record
from odp.core.settings import Settings
from sandbox.postgres import PostgresServer
from tests.core.extraction import NOW, SQL, execute, insert

MAIN_TABLES = ("Product", "Customer")


def check(dsn: str, export: Export, mapping: str | None = None, **settings: Any) -> tuple[Finding, type[Record] | None]:
    text = (SQL / export.sql).read_text() if mapping is None else mapping
    with psycopg.connect(dsn) as connection:
        (finding,), contract = check_export(connection, export, text, Settings(**settings), NOW)
    assert finding.exports == (export.dag_id,)
    return finding, contract


def lag(dsn: str, **changes: Any) -> Finding:
    with psycopg.connect(dsn) as connection:
        return check_lag(connection, MAIN_TABLES, **{"now": NOW, **changes})


def test_the_connection_is_described(empty_replica: str) -> None:
    with psycopg.connect(empty_replica) as connection:
        finding = check_replica(connection)
    assert finding.verdict == "ok"
    assert finding.cause.startswith("PostgreSQL ")
    assert finding.cause.endswith("search_path dbo.")


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_a_complete_replica_is_well(empty_replica: str, export: Export) -> None:
    finding, contract = check(empty_replica, export)
    assert (finding.verdict, finding.remedy) == ("ok", "")
    assert contract is export.contract_for(Settings())


def test_a_missing_required_table_is_a_failure_with_a_remedy(empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE OrderLine")
    finding, contract = check(empty_replica, ORDERS)
    assert (finding.verdict, contract) == ("failure", None)
    assert finding.cause == "The Commerce replica lacks OrderLine (search_path is dbo)."
    assert "search_path" in finding.remedy


def test_a_missing_required_column_is_a_failure(empty_replica: str) -> None:
    execute(empty_replica, "ALTER TABLE UserProfile DROP COLUMN IsGuest")
    finding, _ = check(empty_replica, USER_PROFILES)
    assert finding.verdict == "failure"
    assert "lacks UserProfile.IsGuest" in finding.cause


def test_names_in_pascal_case_lead_to_the_folded_views(database: str) -> None:
    execute(database, 'CREATE TABLE "Product" ("Id" uuid)')
    finding, _ = check(database, PRODUCTS)
    assert finding.verdict == "failure"
    assert "folded_views.sql" in finding.remedy


def test_missing_optional_parts_are_a_warning_that_names_the_fields(empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE Vendor", "ALTER TABLE Product DROP COLUMN Unspsc")
    finding, contract = check(empty_replica, PRODUCTS)
    assert finding.verdict == "warning"
    assert contract is not None
    assert "The replica lacks Vendor, Product.Unspsc, which is optional." in finding.cause
    assert finding.remedy == "Replicate it, or go without the fields unspsc, vendor."
    assert finding.details["fields_lost"] == ["unspsc", "vendor"]


def test_a_missing_part_that_feeds_no_field_is_no_warning(empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE CustomProperty")
    finding, _ = check(empty_replica, PRODUCTS)
    assert (finding.verdict, finding.details["absent"]) == ("ok", ["CustomProperty"])


def test_a_column_added_in_sql_is_named_and_part_of_the_contract(empty_replica: str) -> None:
    mapping = (SQL / PRODUCTS.sql).read_text().replace("p.ErpNumber AS", "p.UnitCost AS unit_cost, p.ErpNumber AS", 1)
    finding, contract = check(empty_replica, PRODUCTS, mapping)
    assert (finding.verdict, finding.details["fields_added"]) == ("ok", ["unit_cost"])
    assert contract is not None
    assert "unit_cost" in contract.model_fields


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("SELECT nothing FROM Product", 'column "nothing" does not exist'),
        ("SELECT Name AS name FROM Product", "does not select product_id"),
        ("SELECT Id AS product_id FROM", "syntax error"),
    ],
)
def test_a_mapping_that_does_not_work_is_a_failure(empty_replica: str, mapping: str, words: str) -> None:
    finding, contract = check(empty_replica, PRODUCTS, mapping)
    assert (finding.verdict, contract) == ("failure", None)
    assert words in finding.cause


def test_a_role_without_the_right_to_read_is_a_failure(empty_replica: str) -> None:
    execute(empty_replica, "CREATE ROLE nobody_reads LOGIN", "GRANT USAGE ON SCHEMA dbo TO nobody_reads")
    try:
        finding, _ = check(empty_replica.replace("postgres@", "nobody_reads@"), PRODUCTS)
    finally:
        execute(empty_replica, "DROP OWNED BY nobody_reads", "DROP ROLE nobody_reads")
    assert finding.verdict == "failure"
    assert "permission denied for table" in finding.cause


def test_one_export_that_fails_leaves_the_transaction_usable(empty_replica: str) -> None:
    with psycopg.connect(empty_replica) as connection:
        (failed,), _ = check_export(connection, PRODUCTS, "SELECT", Settings(), NOW)
        (fine,), _ = check_export(connection, PRODUCTS, (SQL / PRODUCTS.sql).read_text(), Settings(), NOW)
    assert (failed.verdict, fine.verdict) == ("failure", "ok")


class TestLagByTheNewestChange:
    """A replica that is no standby shows only when its newest row was modified."""

    @pytest.mark.parametrize(
        ("age", "verdict", "words"),
        [
            (timedelta(minutes=20), "ok", "20 min ago"),
            (timedelta(hours=3, minutes=5), "ok", "3 h 5 min ago"),
            (timedelta(days=1, minutes=1), "warning", "24 h 1 min ago"),
            (timedelta(days=9), "warning", "9 days ago"),
            (-timedelta(minutes=4), "ok", ""),
            (-timedelta(hours=2), "warning", "lies in the future"),
        ],
    )
    def test_its_age_decides(self, empty_replica: str, age: timedelta, verdict: str, words: str) -> None:
        insert(empty_replica, "Product", 3, ModifiedOn="'2020-01-01'::timestamptz")
        insert(empty_replica, "Customer", ModifiedOn=f"'{(NOW - age).isoformat()}'::timestamptz")
        finding = lag(empty_replica)
        assert (finding.verdict, finding.details["newest_modified_on"]) == (verdict, (NOW - age).isoformat())
        assert words in finding.cause
        assert bool(finding.remedy) is (verdict == "warning")

    def test_without_rows_it_cannot_be_seen(self, empty_replica: str) -> None:
        finding = lag(empty_replica)
        assert (finding.verdict, finding.details) == ("ok", {})
        assert "cannot be seen" in finding.cause

    def test_a_column_without_zone_is_taken_as_utc(self, empty_replica: str) -> None:
        execute(empty_replica, "ALTER TABLE Product ALTER ModifiedOn TYPE timestamp USING ModifiedOn AT TIME ZONE 'UTC'")
        insert(empty_replica, "Product", ModifiedOn=f"'{NOW.replace(tzinfo=None).isoformat()}'::timestamp")
        with psycopg.connect(empty_replica) as connection:
            connection.execute("SET TimeZone = 'UTC'")  # as the snapshot of every export does
            assert check_lag(connection, ("Product",), NOW).details["newest_modified_on"] == NOW.isoformat()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its streaming standby."""
    folder = tmp_path_factory.mktemp("standby")
    primary, standby = PostgresServer(folder / "primary"), PostgresServer(folder / "standby")
    with primary:
        primary.stop()
        # After the sandbox's own settings, so these win.
        with (primary.data_dir / "postgresql.conf").open("a") as settings:
            settings.write("wal_level = replica\nmax_wal_senders = 4\nwal_receiver_status_interval = 1\n")
        primary.start()
        standby.copy(primary)
        with standby:
            yield primary, standby


def until(dsn: str, condition: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        deadline = time.monotonic() + 30
        while connection.execute(f"SELECT {condition}").fetchone() != (True,):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)


def test_a_standby_knows_its_lag(servers: tuple[PostgresServer, PostgresServer], monkeypatch: pytest.MonkeyPatch) -> None:
    primary, standby = servers
    execute(primary.dsn(), "CREATE TABLE Product (ModifiedOn timestamptz)", "CHECKPOINT")
    until(standby.dsn(), "to_regclass('product') IS NOT NULL")
    until(standby.dsn(), "pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()")
    finding = lag(standby.dsn())
    assert (finding.verdict, finding.details["lag_seconds"]) == ("ok", 0)
    assert finding.cause == "A standby that has replayed all it has received."

    # It receives, and does not replay.
    execute(standby.dsn(), "SELECT pg_wal_replay_pause()")
    until(standby.dsn(), "pg_get_wal_replay_pause_state() = 'paused'")
    execute(primary.dsn(), "INSERT INTO Product VALUES (now())")
    until(standby.dsn(), "pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
    finding = lag(standby.dsn())
    assert (finding.verdict, finding.details["lag_seconds"] > 0) == ("ok", True)
    assert "is replaying. The last change it replayed is 0 min old." in finding.cause
    monkeypatch.setattr(preflight_replica, "LONGEST_LAG", timedelta(0))
    assert (lag(standby.dsn()).verdict, "catch up" in lag(standby.dsn()).remedy) == ("warning", True)

    # Its primary is gone.
    execute(standby.dsn(), "SELECT pg_wal_replay_resume()")
    primary.stop()
    until(standby.dsn(), "NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
    finding = lag(standby.dsn())
    assert (finding.verdict, finding.details["receiving"]) == ("warning", False)
    assert "receives nothing from its primary" in finding.cause
