"""The sandbox's PostgreSQL server: start, stop, restart, reuse."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sandbox.postgres import PostgresError, PostgresServer


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    # Deeper than any Unix socket path may be.
    folder = tmp_path / ("deep" * 30) / "cluster"
    yield folder
    PostgresServer(folder).stop("immediate")


def value_of(server: PostgresServer, statement: str, database: str = "postgres") -> object:
    with psycopg.connect(server.dsn(database)) as connection:
        row = connection.execute(statement).fetchone()
    assert row
    return row[0]


def processes_on(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if str(folder) in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_serves_by_tcp_in_utc_and_leaves_no_process(data_dir: Path) -> None:
    with PostgresServer(data_dir) as server:
        assert server.running
        assert server.dsn("shop") == f"postgresql://postgres@127.0.0.1:{server.port}/shop"
        assert value_of(server, "SHOW timezone") == "UTC"
        assert value_of(server, "SELECT lower('ŁÄ')") == "łä"
        assert len(processes_on(data_dir)) == 1
    assert not server.running
    assert not processes_on(data_dir)


def test_creates_databases_once(data_dir: Path) -> None:
    with PostgresServer(data_dir) as server:
        odd = server.create_database('ödd/"name"?')
        with psycopg.connect(odd) as connection:
            assert connection.info.dbname == 'ödd/"name"?'
        server.create_database("shop")
        server.create_database("shop")
        with pytest.raises(psycopg.errors.DuplicateDatabase):
            server.create_database("shop", exist_ok=False)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_keeps_port_and_data_and_breaks_sessions(data_dir: Path, mode: str) -> None:
    with PostgresServer(data_dir) as server:
        port = server.port
        with psycopg.connect(server.dsn(), autocommit=True) as session:
            session.execute("CREATE TABLE kept AS SELECT 7 AS n")
            session.execute("CHECKPOINT")
            server.restart(mode)  # type: ignore[arg-type]
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        assert server.port == port
        assert value_of(server, "SELECT n FROM kept") == 7


def test_second_start_reuses_cluster_and_port(data_dir: Path) -> None:
    first = PostgresServer(data_dir)
    with first:
        first.create_database("kept")
    with PostgresServer(data_dir) as second:
        assert second.port == first.port
        assert value_of(second, "SELECT current_database()", "kept") == "kept"


def test_adopts_a_server_that_runs_already(data_dir: Path) -> None:
    starter = PostgresServer(data_dir)
    starter.start()
    adopter = PostgresServer(data_dir)
    adopter.start()
    assert adopter.dsn() == starter.dsn()
    assert len(processes_on(data_dir)) == 1
    adopter.stop()
    assert not starter.running
    starter.stop()


def test_starts_after_it_was_killed(data_dir: Path) -> None:
    server = PostgresServer(data_dir)
    server.start()
    (postmaster,) = processes_on(data_dir)
    os.kill(postmaster.pid, signal.SIGKILL)
    psutil.wait_procs([postmaster], timeout=10)
    assert not server.running
    server.start()
    assert value_of(server, "SELECT 1") == 1
    server.stop()


def test_moves_to_another_port_when_its_own_was_taken(data_dir: Path) -> None:
    with PostgresServer(data_dir) as server:
        port = server.port
    with socket.create_server(("127.0.0.1", port)), PostgresServer(data_dir) as server:
        assert server.port != port
        assert value_of(server, "SELECT 1") == 1


def test_says_why_it_cannot_start(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = PostgresServer(data_dir, port=taken.getsockname()[1])
        with pytest.raises(PostgresError, match="Address already in use"):
            server.start()
    assert not processes_on(data_dir)


def test_has_no_port_before_it_was_started(data_dir: Path) -> None:
    with pytest.raises(PostgresError, match="start"):
        PostgresServer(data_dir).dsn()
