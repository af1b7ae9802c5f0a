"""Creating the ledger, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from odp.core.exceptions import LedgerError
from odp.core.ledger import CREATE_COMMAND, LEDGER_VERSION, Ledger
from odp.create_ledger import create_ledger
from odp.hooks.ledger import connect_to_ledger
from odp.sql_files import SQL_DIR
from sandbox.world import World

TABLES = {
    "change_watch",
    "changed_entity",
    "consistency_check",
    "event_delivery",
    "export_run",
    "export_scope",
    "ledger_version",
    "pacing",
    "record_state",
    "reject",
    "run_part",
}


@pytest.fixture
def new_database(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The connection string of a database that does not exist, and Airflow's connection to it."""
    dsn = world.dsn("ledger_to_be")
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", dsn)
    yield dsn
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS ledger_to_be WITH (FORCE)")


def arguments(dsn: str) -> dict[str, Any]:
    return dict(conninfo_to_dict(dsn))


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def run_command(*more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "odp.create_ledger", *more], capture_output=True, text=True, env=os.environ.copy(), check=False
    )


def check(dsn: str) -> None:
    with Ledger(lambda: psycopg.connect(dsn), "account", "export"):
        pass


def test_the_command_creates_database_and_tables(new_database: str) -> None:
    done = run_command()

    assert done.returncode == 0, done.stderr
    assert "The ledger in database ledger_to_be on 127.0.0.1 is ready." in done.stdout
    assert tables(new_database) == TABLES
    check(new_database)


def test_the_command_takes_another_connection(new_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_LEDGER", new_database)
    monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER")

    assert run_command("other_ledger").returncode == 0
    assert tables(new_database) == TABLES


def test_repeated_it_keeps_what_is_there(new_database: str) -> None:
    create_ledger(arguments(new_database))
    with psycopg.connect(new_database) as connection:
        connection.execute(
            "INSERT INTO event_delivery (scope_id, record_key, action, state, payload_hash, run_id, part)"
            " VALUES (1, '1001', 'purchase', 'delivered', gen_random_uuid(), 'run', 0)"
        )

    create_ledger(arguments(new_database))

    with psycopg.connect(new_database) as connection:
        assert connection.execute("SELECT record_key, state FROM event_delivery").fetchall() == [("1001", "delivered")]
        assert connection.execute("SELECT version FROM ledger_version").fetchall() == [(LEDGER_VERSION,)]


def test_a_ledger_of_version_1_keeps_what_it_knows(new_database: str) -> None:
    create_ledger(arguments(new_database))
    with psycopg.connect(new_database) as connection:
        # As version 1 had it: account and export in each row.
        for table, key in (("record_state", "key_hash"), ("event_delivery", "record_key, action")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN scope_id")
            connection.execute(f"ALTER TABLE {table} ADD account text NOT NULL, ADD export text NOT NULL")
            connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (account, export, {key})")
        connection.execute("CREATE INDEX event_delivery_open ON event_delivery (account, export) WHERE state <> 'delivered'")
        connection.execute("DROP TABLE export_scope, change_watch, changed_entity")
        connection.execute("UPDATE ledger_version SET version = 1")
        connection.execute(
            "INSERT INTO event_delivery (account, export, record_key, action, state, payload_hash, run_id, part)"
            " SELECT account, 'orders', '1001', 'purchase', 'delivered', gen_random_uuid(), 'run', 0"
            " FROM unnest('{a,b}'::text[]) account"
        )
        connection.execute(
            "INSERT INTO record_state (account, export, key_hash, record_key, payload_hash, run_id)"
            " VALUES ('a', 'orders', gen_random_uuid(), '1001', gen_random_uuid(), 'run')"
        )

    for _ in range(2):
        create_ledger(arguments(new_database))

    assert tables(new_database) == TABLES
    with psycopg.connect(new_database) as connection:
        events = (
            "SELECT account, export, record_key, action, state, run_id FROM event_delivery JOIN export_scope USING (scope_id)"
        )
        assert connection.execute(f"{events} ORDER BY 1").fetchall() == [
            (account, "orders", "1001", "purchase", "delivered", "run") for account in "ab"
        ]
        records = "SELECT account, export, record_key, run_id FROM record_state JOIN export_scope USING (scope_id)"
        assert connection.execute(records).fetchall() == [("a", "orders", "1001", "run")]
        [(version,)] = connection.execute("SELECT max(version) FROM ledger_version").fetchall()
        assert version == LEDGER_VERSION


def test_the_run_history_of_version_1_is_migrated(new_database: str) -> None:
    create_ledger(arguments(new_database))
    with psycopg.connect(new_database) as connection:
        connection.execute("ALTER TABLE export_run DROP COLUMN dry_run")
        connection.execute("ALTER TABLE run_part DROP COLUMN extracted, DROP COLUMN settled")
        connection.execute("ALTER TABLE reject DROP COLUMN reason_group")
        connection.execute("INSERT INTO run_part VALUES ('a', 'e', 'sent', 0, 7)")
        connection.execute(
            "INSERT INTO reject (account, export, entity_id, record_key, reason, run_id)"
            " VALUES ('a', 'e', '1', '1', 'x 1234567', 'r')"
        )
        connection.execute("UPDATE ledger_version SET version = 1")
        connection.execute(
            "INSERT INTO export_run (account, export, run_id, window_start, window_end, state, delivered, not_sent)"
            " VALUES ('a', 'e', 'sent', '-infinity', 'infinity', 'success', 7, 0),"
            " ('a', 'e', 'not sent', '-infinity', 'infinity', 'success', 0, 7)"
        )
    with pytest.raises(LedgerError, match="is of version 1, not 2"):
        check(new_database)

    create_ledger(arguments(new_database))

    check(new_database)
    with psycopg.connect(new_database) as connection:
        assert connection.execute("SELECT run_id, dry_run FROM export_run ORDER BY run_id").fetchall() == [
            ("not sent", True),
            ("sent", False),
        ]
        assert connection.execute("SELECT delivered, extracted, settled FROM run_part").fetchall() == [(7, 0, None)]
        assert connection.execute("SELECT reason_group FROM reject").fetchall() == [("x …",)]
        assert connection.execute("SELECT version FROM ledger_version ORDER BY version").fetchall() == [(1,), (2,)]


def test_a_missing_table_is_added_and_the_others_are_kept(new_database: str) -> None:
    create_ledger(arguments(new_database))
    with psycopg.connect(new_database) as connection:
        connection.execute("DROP TABLE pacing")
        connection.execute("INSERT INTO run_part VALUES ('a', 'e', 'run', 0, 7)")

    create_ledger(arguments(new_database))

    assert tables(new_database) == TABLES
    with psycopg.connect(new_database) as connection:
        assert connection.execute("SELECT delivered FROM run_part").fetchall() == [(7,)]


def test_several_at_the_same_time_do_not_disturb_each_other(world: World, new_database: str) -> None:
    world.postgres.create_database("ledger_to_be")
    with ThreadPoolExecutor(4) as executor:
        for done in [executor.submit(create_ledger, arguments(new_database)) for _ in range(4)]:
            done.result()
    assert tables(new_database) == TABLES


def test_the_file_can_be_run_by_any_client(new_database: str, world: World) -> None:
    world.postgres.create_database("ledger_to_be")
    with psycopg.connect(new_database, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(Path(SQL_DIR, "ledger.sql").read_bytes())
    check(new_database)


def test_other_errors_than_a_missing_database_are_not_swallowed(world: World) -> None:
    with pytest.raises(psycopg.OperationalError, match="nobody"):
        create_ledger(arguments(world.dsn("ledger_to_be")) | {"user": "nobody"})


class TestMissing:
    def test_no_connection(self, monkeypatch: pytest.MonkeyPatch, airflow_db: World) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER", raising=False)
        with pytest.raises(LedgerError, match=r"There is no connection odp_ledger\.") as caught:
            connect_to_ledger("odp_ledger")
        assert CREATE_COMMAND in str(caught.value)

    def test_no_database(self, new_database: str) -> None:
        with pytest.raises(LedgerError, match='database "ledger_to_be" does not exist') as caught:
            connect_to_ledger("odp_ledger")()
        assert CREATE_COMMAND in str(caught.value)

    def test_no_tables(self, new_database: str, world: World) -> None:
        world.postgres.create_database("ledger_to_be")
        with pytest.raises(LedgerError, match="has no tables") as caught:
            check(new_database)
        assert CREATE_COMMAND in str(caught.value)

    def test_an_older_version(self, new_database: str) -> None:
        create_ledger(arguments(new_database))
        with psycopg.connect(new_database) as connection:
            connection.execute("UPDATE ledger_version SET version = 0")
        with pytest.raises(LedgerError, match=f"is of version 0, not {LEDGER_VERSION}") as caught:
            check(new_database)
        assert CREATE_COMMAND in str(caught.value)

    def test_a_server_that_is_down_is_worth_a_retry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No LedgerError, which would fail the task for good."""
        monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", "postgresql://postgres@127.0.0.1:1/odp_ledger")
        with pytest.raises(psycopg.OperationalError, match="Connection refused"):
            connect_to_ledger("odp_ledger")()

    def test_the_command_is_one_that_exists(self) -> None:
        assert CREATE_COMMAND == "python -m odp.create_ledger"
        assert "Create or migrate the ledger" in run_command("--help").stdout
