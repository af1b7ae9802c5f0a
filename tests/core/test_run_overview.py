"""What the history tells about runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from odp.core.change_queue import RUN_PREFIX
from odp.core.run_overview import (
    REAL_TIME_DAYS,
    Run,
    accounts,
    dag_run_of,
    latest_real_time_runs,
    latest_runs,
    recent_runs,
    unjudged_runs,
)
from odp.core.window import Window
from tests.core.history import ACCOUNT, EXPORT, add_run, day


@pytest.fixture
def connection(ledger_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty ledger, in UTC as the page's is."""
    with psycopg.connect(ledger_database, autocommit=True) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def only(runs: list[Run]) -> Run:
    (run,) = runs
    return run


def test_a_run_that_is_done(connection: psycopg.Connection[Any]) -> None:
    counts = {"extracted": 100, "delivered": 60, "unchanged": 20, "skipped": 10, "rejected": 4, "uncertain": 5, "not_sent": 1}
    add_run(connection, "run", began=0, took=20, **counts, error="why", state="failed", ids=7, dry_run=True)
    connection.execute("INSERT INTO run_part VALUES ('account', %s, 'run', 0, 1)", (EXPORT,))
    run = only(recent_runs(connection, ACCOUNT, EXPORT, limit=10))
    assert {name: getattr(run, name) for name in counts} == counts
    assert (run.state, run.error, run.ids, run.dry_run, run.judged) == ("failed", "why", 7, True, True)
    assert run.window == Window(day(-1), day(0))
    assert (run.duration, run.rate, run.accounted) == (timedelta(seconds=20), 5.0, 100)


def test_a_run_that_is_running_is_counted_by_its_parts(connection: psycopg.Connection[Any]) -> None:
    add_run(connection, "run", began=0, took=None, extracted=100)
    connection.execute(
        "INSERT INTO run_part (account, export, run_id, part, delivered, settled) VALUES"
        " ('account', %(export)s, 'run', 0, 30, 20), ('account', %(export)s, 'run', 1, 5, 0),"
        " ('account', %(export)s, 'other', 0, 1000, 1000), ('another', %(export)s, 'run', 0, 1000, 1000)",
        {"export": EXPORT},
    )
    run = only(recent_runs(connection, ACCOUNT, EXPORT, limit=10))
    assert (run.judged, run.delivered, run.settled, run.accounted, run.rate) == (False, 35, 20, 55, None)
    assert run.duration == run.seen_at - day(0)


@pytest.mark.parametrize(
    ("extracted", "delivered", "settled", "stage"),
    [
        (0, 0, None, "extracting"),
        (100, 0, None, "transforming"),
        (100, 0, 0, "sending"),
        (100, 0, 30, "sending"),
        (100, 70, 29, "sending"),
        (100, 70, 30, "checking"),
        (100, 90, 30, "checking"),
    ],
)
def test_what_a_running_run_is_doing(
    connection: psycopg.Connection[Any], extracted: int, delivered: int, settled: int | None, stage: str
) -> None:
    add_run(connection, "run", began=0, took=None, extracted=extracted)
    connection.execute(
        "INSERT INTO run_part (account, export, run_id, part, delivered, settled) VALUES ('account', %s, 'run', 0, %s, %s)",
        (EXPORT, delivered, settled),
    )
    run = only(recent_runs(connection, ACCOUNT, EXPORT, limit=10))
    assert run.stage == stage
    assert run.accounted <= extracted


def test_open_windows(connection: psycopg.Connection[Any]) -> None:
    add_run(connection, "run", began=0, window_start="-infinity", window_end="infinity")
    assert only(recent_runs(connection, ACCOUNT, EXPORT, limit=10)).window.is_everything


def test_the_latest_of_each_export_and_of_this_account(connection: psycopg.Connection[Any]) -> None:
    for number in range(3):
        add_run(connection, f"run {number}", began=number)
        add_run(connection, f"product {number}", began=-number, export="product_odp_export")
    add_run(connection, "another", began=9, account="another")
    found = latest_runs(connection, ACCOUNT, [EXPORT, "product_odp_export", "warehouse_odp_export"])
    assert {export: run.run_id for export, run in found.items()} == {EXPORT: "run 2", "product_odp_export": "product 0"}
    assert latest_runs(connection, ACCOUNT, []) == {}


def test_the_latest_first_and_no_more_than_asked_for(connection: psycopg.Connection[Any]) -> None:
    for number in (1, 3, 2):
        add_run(connection, f"run {number}", began=number)
    assert [run.run_id for run in recent_runs(connection, ACCOUNT, EXPORT, limit=2)] == ["run 3", "run 2"]


def test_real_time_is_told_apart(connection: psycopg.Connection[Any]) -> None:
    now = datetime.now(timezone.utc)
    add_run(connection, "daily", began=-1)
    for number, minutes in enumerate((3, 1, 2)):
        add_run(connection, f"{RUN_PREFIX}{number}", began=0, ids=2, started_at=now - timedelta(minutes=minutes))
    long_ago = now - timedelta(days=REAL_TIME_DAYS, minutes=1)
    add_run(connection, f"{RUN_PREFIX}9", began=0, export="off", ids=2, started_at=long_ago)
    assert latest_runs(connection, ACCOUNT, [EXPORT, "off"]).keys() == {EXPORT}
    assert latest_runs(connection, ACCOUNT, [EXPORT])[EXPORT].run_id == "daily"
    assert [run.run_id for run in recent_runs(connection, ACCOUNT, EXPORT, limit=5)] == ["daily"]
    real_time = latest_real_time_runs(connection, ACCOUNT, [EXPORT, "off"])
    assert {export: run.dag_run for export, run in real_time.items()} == {EXPORT: ("odp_realtime", "1")}


def test_runs_that_left_nothing_covered(connection: psycopg.Connection[Any]) -> None:
    add_run(connection, "running", began=2, took=None)
    add_run(connection, "failed", began=1, summary=None, state="failed")
    add_run(connection, "done", began=3)
    add_run(connection, "some", began=4, took=None, ids=1)
    add_run(connection, "dry", began=5, took=None, dry_run=True)
    add_run(connection, "old", began=-9, took=None)
    found = unjudged_runs(connection, ACCOUNT, [EXPORT, "product_odp_export"], day(-5))
    assert [run.run_id for run in found] == ["running", "failed"]


def test_accounts_that_were_exported_to_last_first(connection: psycopg.Connection[Any]) -> None:
    assert accounts(connection) == []
    for number, account in enumerate(("b", "a", "c", "a")):
        add_run(connection, f"run {number}", began=number, account=account)
    assert accounts(connection) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("run_id", "dag_run"),
    [
        ("scheduled__2026-11-24T00:00:00+00:00", (EXPORT, "scheduled__2026-11-24T00:00:00+00:00")),
        ("odp_consistency/manual__1", ("odp_consistency", "manual__1")),
    ],
)
def test_a_run_may_be_of_another_dag(run_id: str, dag_run: tuple[str, str]) -> None:
    assert dag_run_of(EXPORT, run_id) == dag_run
