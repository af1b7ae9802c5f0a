"""The history as series of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from odp.core.run_trends import PeriodRows, RunDuration, durations, rows_by_period
from tests.core.history import ACCOUNT, EXPORT, add_run, day


@pytest.fixture
def connection(ledger_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A ledger with runs: one a day, two on the last day, and some that do not count."""
    with psycopg.connect(ledger_database, autocommit=True) as opened:
        opened.execute("SET TimeZone = 'Asia/Tokyo'")  # days are days in UTC all the same
        for number in range(-40, 1):
            add_run(opened, f"run {number}", began=number, took=60 - number, delivered=10, unchanged=3, skipped=2, extracted=15)
        add_run(opened, "second", began=0.99, took=7, delivered=5, rejected=1, uncertain=4, extracted=10, state="failed")
        add_run(opened, "dry", began=0.5, took=1, unchanged=99, dry_run=True, extracted=99)
        add_run(opened, "running", began=0.6, took=None, extracted=99)
        add_run(opened, "another", began=0, account="another", delivered=99)
        yield opened


def test_rows_by_day(connection: psycopg.Connection[Any]) -> None:
    rows = rows_by_period(connection, ACCOUNT, EXPORT, since=day(-1), period="day")
    assert rows == [
        PeriodRows(date(2026, 11, 23), 1, 10, 3, 2, 0, 0),
        PeriodRows(date(2026, 11, 24), 2, 15, 3, 2, 1, 4),
    ]


@pytest.mark.parametrize(("period", "first", "sums"), [("week", date(2026, 10, 12), 7), ("month", date(2026, 10, 1), 2)])
def test_rows_by_longer_periods(connection: psycopg.Connection[Any], period: Any, first: date, sums: int) -> None:
    rows = rows_by_period(connection, ACCOUNT, EXPORT, since=day(-40), period=period)
    assert (rows[0].start, len(rows)) == (first, sums)
    assert sum(row.runs for row in rows) == 42
    assert sum(row.delivered for row in rows) == 415


def test_durations_the_earliest_first(connection: psycopg.Connection[Any]) -> None:
    runs = durations(connection, ACCOUNT, EXPORT, since=day(-1), limit=10)
    assert [(run.started_at, run.seconds, run.rows, run.state) for run in runs] == [
        (day(-1), 61, 15, "success"),
        (day(0), 60, 15, "success"),
        (day(0.5), 1, 99, "success"),
        (day(0.99), 7, 10, "failed"),
    ]
    assert durations(connection, ACCOUNT, EXPORT, since=day(-9), limit=1) == [RunDuration(day(0.99), 7, 10, "failed")]
