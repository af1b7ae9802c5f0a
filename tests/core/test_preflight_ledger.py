"""The ledger as a preflight sees it: there, of this version, writable, a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from odp.core.ledger import LEDGER_VERSION
from odp.core.preflight_ledger import check_ledger
from odp.core.preflight_report import ALL_EXPORTS, Finding
from sandbox.world import World
from tests.core.extraction import execute


def check(dsn: str) -> list[Finding]:
    return check_ledger(lambda: psycopg.connect(dsn))


def test_a_new_ledger_is_well_and_stays_empty(ledger_database: str) -> None:
    (finding,) = check(ledger_database)
    assert (finding.verdict, finding.cause) == ("ok", f"Version {LEDGER_VERSION}, writable.")
    with psycopg.connect(ledger_database) as connection:
        assert connection.execute("SELECT count(*) FROM export_scope").fetchone() == (0,)


def test_an_empty_database_is_named_with_the_command(database: str) -> None:
    (finding,) = check(database)
    assert (finding.verdict, finding.exports) == ("failure", ALL_EXPORTS)
    assert finding.cause == "The ledger (connection odp_ledger) has no tables."
    assert finding.remedy == "Create or migrate it: python -m odp.create_ledger"


def test_an_older_version_is_named_with_the_command(ledger_database: str) -> None:
    execute(ledger_database, "UPDATE ledger_version SET version = 0")
    (finding,) = check(ledger_database)
    assert finding.verdict == "failure"
    assert f"is of version 0, not {LEDGER_VERSION}" in finding.cause
    assert "odp.create_ledger" in finding.remedy


def test_a_server_that_does_not_answer_is_a_failure() -> None:
    (finding,) = check("postgresql://nobody@127.0.0.1:9/odp_ledger")
    assert (finding.subject, finding.verdict, finding.exports) == ("connection", "failure", ALL_EXPORTS)
    assert "127.0.0.1" in finding.cause


@pytest.fixture
def reader(ledger_database: str, world: World) -> Iterator[str]:
    """A role that may only read the ledger; the value is its connection string."""
    execute(
        ledger_database,
        "CREATE ROLE ledger_reader LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ledger_reader",
        "GRANT INSERT, UPDATE, DELETE ON record_state TO ledger_reader",
    )
    yield ledger_database.replace("postgres@", "ledger_reader@")
    execute(ledger_database, "DROP OWNED BY ledger_reader", "DROP ROLE ledger_reader")


def test_a_role_that_may_not_write_is_named_with_the_tables(reader: str) -> None:
    (finding,) = check(reader)
    assert (finding.subject, finding.verdict) == ("privileges", "failure")
    assert "event_delivery, export_run, export_scope, pacing, reject, run_part" in finding.cause
    assert "record_state" not in finding.cause
    assert "Grant it SELECT, INSERT, UPDATE and DELETE" in finding.remedy


def test_a_read_only_database_is_a_failure(ledger_database: str) -> None:
    (finding,) = check(f"{ledger_database}?options=-c%20default_transaction_read_only%3Don")
    assert (finding.subject, finding.verdict) == ("connection", "failure")
    assert "read-only" in finding.cause


@pytest.mark.parametrize(("table", "words"), [("dag_run", "Airflow's metadata"), ('"CustomerOrder"', "the Commerce replica")])
def test_a_shared_database_is_a_warning(ledger_database: str, table: str, words: str) -> None:
    execute(ledger_database, f"CREATE TABLE {table} (id integer)")
    (finding,) = check(ledger_database)
    assert (finding.subject, finding.verdict) == ("database", "warning")
    assert words in finding.cause
