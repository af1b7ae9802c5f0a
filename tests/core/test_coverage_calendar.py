"""What has become of each day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from odp.core.coverage import Coverage
from odp.core.coverage_calendar import DayState, calendar_days, days_of, gaps_due
from odp.core.run_overview import Run
from odp.core.window import Window
from tests.core.history import day
from tests.core.test_run_progress import running

NOW = day(0.3)


def states(coverage: Coverage, runs: list[Run], first: int, last: int) -> list[DayState]:
    days = calendar_days(coverage, coverage.gaps, runs, day(first).date(), day(last).date(), NOW)
    assert [one.date for one in days] == [(day(first) + timedelta(days=n)).date() for n in range(last - first + 1)]
    return [one.state for one in days]


def run(state: str, start: float | None, end: float | None, **changes: Any) -> Run:
    window = {"window_start": None if start is None else day(start), "window_end": None if end is None else day(end)}
    return running(state=state, **{"started_at": day(0.2), **window, **changes})


def test_nothing_exported_yet() -> None:
    assert states(Coverage(), [], -3, 1) == [DayState.NEVER] * 3 + [DayState.AHEAD] * 2


def test_delivered_days_and_a_gap_between_them() -> None:
    coverage = Coverage((Window(day(-6), day(-4)), Window(day(-2), day(0))), (Window(day(-4), day(-2)),))
    assert states(coverage, [], -7, 0) == [
        DayState.NEVER,
        *[DayState.DELIVERED] * 2,
        *[DayState.GAP] * 2,
        *[DayState.DELIVERED] * 2,
        DayState.AHEAD,
    ]
    gap = calendar_days(coverage, coverage.gaps, [], day(-3).date(), day(-3).date(), NOW)[0].gap
    assert gap == Window(day(-4), day(-2))


def test_everything_until_a_run_began() -> None:
    assert states(Coverage((Window(None, day(0.2)),)), [], -400, 0) == [DayState.DELIVERED] * 400 + [DayState.AHEAD]


def test_a_day_of_which_only_a_part_was_exported() -> None:
    assert states(Coverage((Window(day(-2.5), day(0)),)), [], -4, -1) == [
        DayState.NEVER,
        DayState.PARTLY,
        *[DayState.DELIVERED] * 2,
    ]
    cut = Coverage((Window(None, day(-2.5)), Window(day(-1), day(0))), (Window(day(-2.5), day(-1)),))
    assert states(cut, [], -3, -1) == [DayState.GAP, DayState.GAP, DayState.DELIVERED]


def test_running_and_failed_days_unless_they_are_delivered_anyway() -> None:
    coverage = Coverage((Window(day(-4), day(-3)),), (Window(day(-3), day(0)),))
    runs = [run("running", -4, -2), run("failed", -2, -1)]
    assert states(coverage, runs, -5, 0)[1:-1] == [DayState.DELIVERED, DayState.RUNNING, DayState.FAILED, DayState.GAP]


def test_a_run_for_everything_makes_days_running_and_no_day_failed() -> None:
    assert states(Coverage(), [run("running", None, None)], -2, 1) == [DayState.RUNNING] * 3 + [DayState.AHEAD]
    assert states(Coverage(), [run("failed", None, None)], -2, -1) == [DayState.NEVER] * 2


def test_the_latest_run_of_a_day_counts() -> None:
    runs = [run("running", -2, -1), run("failed", -2, -1)]
    assert states(Coverage(), runs, -2, -2) == [DayState.RUNNING]
    assert states(Coverage(), runs[::-1], -2, -2) == [DayState.FAILED]


def test_a_failed_day_can_be_exported_again_by_itself() -> None:
    failed = calendar_days(Coverage(), [], [run("failed", -2, -1)], day(-2).date(), day(-2).date(), NOW)[0]
    assert failed.gap == Window(day(-2), day(-1))
    assert failed.run


def test_days_since_the_last_run_are_a_gap_once_a_run_was_missed() -> None:
    on_time, on_its_way = (Coverage((Window(None, day(end)),)) for end in (0, -1))
    assert gaps_due(on_time, day(0)) == gaps_due(on_its_way, day(0)) == ()
    missed = Coverage((Window(None, day(-2)),))
    assert gaps_due(missed, day(0)) == (Window(day(-2), day(0)),)
    assert gaps_due(missed, None) == gaps_due(Coverage(), day(0)) == ()


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [(-1, 0, (23, 23)), (-3, 0, (21, 23)), (-2.5, -1, (21, 22)), (-2.5, -0.9, (21, 23)), (-0.5, -0.25, (23, 23))],
)
def test_the_days_that_a_window_touches(start: float, end: float, days: tuple[int, int]) -> None:
    assert days_of(Window(day(start), day(end))) == tuple(date(2026, 11, number) for number in days)


@pytest.mark.parametrize("window", [Window(), Window(day(0)), Window(None, day(0))])
def test_an_open_window_has_no_days(window: Window) -> None:
    with pytest.raises(ValueError, match="open window"):
        days_of(window)
