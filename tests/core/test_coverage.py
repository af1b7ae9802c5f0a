"""What the runs of an export have covered, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from odp.core.coverage import Coverage, read_coverage, read_coverages, resume_point
from odp.core.ledger import Ledger
from odp.core.run_history import COUNTS, fail_run, finish_run, start_run
from odp.core.window import Window

FIRST = datetime(2026, 3, 1, tzinfo=timezone.utc)
SUMMARY = dict.fromkeys(COUNTS, 0) | {"extracted": 3, "delivered": 2, "rejected": 1}


@pytest.fixture(scope="module")
def ledger_dsn(world: Any) -> str:
    """The connection string of a ledger for the tests of this module."""
    from sandbox.world import PROJECT

    dsn = str(world.postgres.create_database("coverage_ledger"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return dsn


@pytest.fixture
def ledger(ledger_dsn: str) -> Iterator[Ledger]:
    """The empty ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_dsn), "account", "orders") as opened:
        opened.connection.execute("TRUNCATE export_run")
        yield opened


def day(number: float) -> datetime:
    return FIRST + timedelta(days=number)


def run(
    ledger: Ledger,
    start: float | None,
    end: float | None,
    *,
    began: float | None = None,
    error: str | None = None,
    **more: Any,
) -> None:
    """Write a finished run down; it began right after its window, unless told otherwise."""
    run_id = f"run {start} {end} {began}"
    window = Window(None if start is None else day(start), None if end is None else day(end))
    start_run(ledger, run_id, window, more.pop("ids", None), **more)
    began = (end if end is not None else 0) if began is None else began
    ledger.connection.execute("UPDATE export_run SET started_at = %s WHERE run_id = %s", (day(began), run_id))
    finish_run(ledger, run_id, SUMMARY, error)


def ranges(windows: tuple[Window, ...]) -> list[tuple[float | None, float | None]]:
    """Return windows as days."""
    return [
        tuple(None if time is None else (time - FIRST) / timedelta(days=1) for time in (w.start, w.end))  # type: ignore[misc]
        for w in windows
    ]


def test_an_export_that_never_ran(ledger: Ledger) -> None:
    coverage = read_coverage(ledger)
    assert coverage == Coverage()
    assert coverage.covered_until is None
    assert coverage.complete_until is None


def test_days_in_a_row_are_one_range(ledger: Ledger) -> None:
    for number in (2, 0, 1):
        run(ledger, number, number + 1)
    coverage = read_coverage(ledger)
    assert ranges(coverage.ranges) == [(0, 3)]
    assert coverage.gaps == ()
    assert coverage.covered_until == coverage.complete_until == day(3)


def test_a_day_of_downtime_is_a_gap(ledger: Ledger) -> None:
    run(ledger, 0, 1)
    run(ledger, 2, 3)
    run(ledger, 4, 5)
    coverage = read_coverage(ledger)
    assert ranges(coverage.ranges) == [(0, 1), (2, 3), (4, 5)]
    assert ranges(coverage.gaps) == [(1, 2), (3, 4)]
    assert coverage.complete_until == day(1)
    assert coverage.covered_until == day(5)


def test_a_later_run_fills_a_gap(ledger: Ledger) -> None:
    run(ledger, 0, 1)
    run(ledger, 2, 3)
    run(ledger, 0.9, 2, began=6)
    assert read_coverage(ledger).gaps == ()


def test_an_older_window_exported_later_makes_no_gap(ledger: Ledger) -> None:
    run(ledger, 0, 1)
    run(ledger, -400, -399, began=2)
    coverage = read_coverage(ledger)
    assert coverage.gaps == ()
    assert coverage.complete_until == day(1)


def test_everything_is_covered_until_the_run_began(ledger: Ledger) -> None:
    run(ledger, None, None, began=1.25)
    run(ledger, 2, 3)
    coverage = read_coverage(ledger)
    assert ranges(coverage.ranges) == [(None, 1.25), (2, 3)]
    assert ranges(coverage.gaps) == [(1.25, 2)]


def test_a_window_covers_no_time_after_its_run_began(ledger: Ledger) -> None:
    run(ledger, 0, 30, began=1)
    run(ledger, 40, 50, began=2)
    assert ranges(read_coverage(ledger).ranges) == [(0, 1)]


def test_clocks_may_differ_a_little(ledger: Ledger) -> None:
    run(ledger, 0, 1, began=1 - 1 / 86_400)
    run(ledger, 1, 2)
    assert ranges(read_coverage(ledger).ranges) == [(0, 2)]


def test_a_run_that_failed_for_its_rejects_covers_its_window(ledger: Ledger) -> None:
    run(ledger, 0, 1, error="1 of 3 rows were rejected")
    assert ranges(read_coverage(ledger).ranges) == [(0, 1)]


def test_runs_that_cover_nothing(ledger: Ledger) -> None:
    run(ledger, 0, 1, ids=["1001"])
    run(ledger, 1, 2, dry_run=True)
    start_run(ledger, "running", Window(day(2), day(3)), None)
    start_run(ledger, "failed", Window(day(3), day(4)), None)
    fail_run(ledger, "failed", "load: ODP is down")
    start_run(ledger, "unaccounted", Window(day(4), day(5)), None)
    finish_run(ledger, "unaccounted", SUMMARY | {"extracted": 4}, "The counts do not add up")
    assert read_coverage(ledger) == Coverage()


def test_a_run_that_is_repeated_covers_nothing_until_it_is_done(ledger: Ledger) -> None:
    run(ledger, 0, 1)
    start_run(ledger, "run 0 1 None", Window(day(0), day(1)), None)
    assert read_coverage(ledger) == Coverage()
    fail_run(ledger, "run 0 1 None", "transform: no space left")
    assert read_coverage(ledger) == Coverage()
    finish_run(ledger, "run 0 1 None", SUMMARY, None)
    assert ranges(read_coverage(ledger).ranges) == [(0, 1)]


def test_exports_and_accounts_apart(ledger: Ledger) -> None:
    run(ledger, 0, 1)
    with (
        Ledger(lambda: psycopg.connect(ledger.connection.info.dsn), "account", "products") as products,
        Ledger(lambda: psycopg.connect(ledger.connection.info.dsn), "another", "orders") as another,
    ):
        run(products, 5, 6)
        run(another, 7, 8)
    assert {name: ranges(c.ranges) for name, c in read_coverages(ledger.connection, "account").items()} == {
        "orders": [(0, 1)],
        "products": [(5, 6)],
    }


class TestResumePoint:
    OVERLAP = timedelta(minutes=15)

    def test_nothing_is_covered(self, ledger: Ledger) -> None:
        assert resume_point(ledger, "new", self.OVERLAP) is None

    def test_where_the_first_gap_begins_less_the_overlap(self, ledger: Ledger) -> None:
        run(ledger, 0, 1)
        run(ledger, 2, 3)
        assert resume_point(ledger, "new", self.OVERLAP) == day(1) - self.OVERLAP
        run(ledger, 1, 2)
        assert resume_point(ledger, "new", self.OVERLAP) == day(3) - self.OVERLAP

    def test_it_stays_for_every_try_of_a_run(self, ledger: Ledger) -> None:
        run(ledger, 0, 1)
        start_run(ledger, "tried", Window(day(0.5), day(2)), None)
        run(ledger, 1, 3)
        assert resume_point(ledger, "tried", self.OVERLAP) == day(0.5)

    def test_a_run_with_an_open_start(self, ledger: Ledger) -> None:
        start_run(ledger, "tried", Window(None, day(2)), None)
        assert resume_point(ledger, "tried", self.OVERLAP) is None
