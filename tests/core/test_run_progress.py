"""How far a run has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from odp.core.ledger import Ledger
from odp.core.run_history import start_run
from odp.core.run_overview import Run
from odp.core.run_progress import Sample, count_extracted, count_settled, measure_progress
from odp.core.window import Window
from tests.core.history import EXPORT, day


def running(**changes: Any) -> Run:
    """A run that has sent 1,000 of 5,000 rows in 20 seconds, and will not send 500."""
    values: dict[str, Any] = {
        **dict.fromkeys(("unchanged", "skipped", "rejected", "uncertain", "not_sent"), 0),
        **{"export": EXPORT, "run_id": "manual__2026-11-24 a", "state": "running", "dry_run": False, "judged": False},
        **dict.fromkeys(("window_start", "window_end", "ids", "error", "finished_at")),
        **{"extracted": 5_000, "delivered": 1_000, "settled": 500, "transformed": 1},
        **{"started_at": day(0), "seen_at": day(0) + timedelta(seconds=20)},
    }
    return Run(**{**values, **changes})


def sample(seconds: float, delivered: int, run_id: str = "manual__2026-11-24 a") -> Sample:
    return Sample(run_id, day(0).timestamp() + seconds, delivered)


def test_without_a_sample_the_rate_is_that_since_the_beginning() -> None:
    progress = measure_progress(running(), [])
    assert progress.rate == 50
    assert progress.seconds_left == 70
    assert progress.sample == sample(20, 1_000)


def test_with_a_sample_it_is_the_rate_of_late_and_the_sample_is_kept_for_a_while() -> None:
    before = sample(15, 500)
    progress = measure_progress(running(), [before])
    assert (progress.rate, progress.seconds_left) == (100, 35)
    assert progress.sample == before


def test_an_old_sample_is_measured_from_once_more_and_replaced() -> None:
    progress = measure_progress(running(), [sample(0, 200)])
    assert progress.rate == 40
    assert progress.sample == sample(20, 1_000)


@pytest.mark.parametrize("other", [sample(15, 500, "another run"), sample(15, 1_001)])
def test_a_sample_of_another_run_or_of_an_earlier_try_is_none(other: Sample) -> None:
    assert measure_progress(running(), [other]).rate == 50


def test_nothing_delivered_means_that_nobody_knows() -> None:
    progress = measure_progress(running(delivered=0), [])
    assert (progress.rate, progress.seconds_left) == (0, None)
    assert measure_progress(running(settled=4_000), []).seconds_left is None  # nothing is left but the checking
    assert measure_progress(running(seen_at=day(0)), []).rate == 0


def test_a_sample_travels_as_text() -> None:
    taken = sample(1.5, 17)
    assert Sample.from_text(str(taken)) == taken


@pytest.mark.parametrize("text", ["", "x", "1 2", "a 2 run", "1 b run"])
def test_what_is_no_sample_is_ignored(text: str) -> None:
    assert Sample.from_text(text) is None


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export, with a run that has just begun."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", EXPORT) as opened:
        start_run(opened, "run", Window(), None)
        yield opened


class TestCounts:
    def parts_of(self, ledger: Ledger) -> list[tuple[Any, ...]]:
        return ledger.connection.execute(
            "SELECT run_id, part, extracted, settled, delivered FROM run_part ORDER BY 1, 2"
        ).fetchall()

    def test_what_was_extracted_and_settled_part_by_part(self, ledger: Ledger) -> None:
        start_run(ledger, "other", Window(), None)
        count_extracted(ledger, "run", [{"part": 0, "rows": 250_000}, {"part": 1, "rows": 3}])
        count_settled(ledger, "run", 1, 1)
        count_settled(ledger, "run", 1, 2)
        ledger.count_delivered("run", 1, 1)
        assert self.parts_of(ledger) == [("run", 0, 250_000, None, 0), ("run", 1, 3, 2, 1)]
        rows = ledger.connection.execute("SELECT run_id, extracted FROM export_run ORDER BY 1").fetchall()
        assert rows == [("other", 0), ("run", 250_003)]

    def test_a_repeated_extract_replaces_the_numbers_and_keeps_the_deliveries(self, ledger: Ledger) -> None:
        count_extracted(ledger, "run", [{"part": 0, "rows": 5}])
        ledger.count_delivered("run", 0, 5)
        count_extracted(ledger, "run", [{"part": 0, "rows": 6}])
        assert self.parts_of(ledger) == [("run", 0, 6, None, 5)]

    def test_an_empty_window(self, ledger: Ledger) -> None:
        count_extracted(ledger, "run", [])
        assert self.parts_of(ledger) == []
        assert ledger.connection.execute("SELECT extracted FROM export_run").fetchall() == [(0,)]
