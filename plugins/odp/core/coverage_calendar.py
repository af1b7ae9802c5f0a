"""The days of ModifiedOn, and what has become of each: the calendar of an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum

from odp.core.coverage import Coverage
from odp.core.run_overview import Run
from odp.core.window import Window

_DAY = timedelta(days=1)


class DayState(str, Enum):
    """What has become of a day."""

    DELIVERED = "delivered"
    PARTLY = "partly delivered"
    RUNNING = "running"
    FAILED = "failed"
    GAP = "gap"
    NEVER = "never exported"
    AHEAD = "not due yet"


@dataclass(frozen=True)
class Day:
    """
    A day in UTC.

    :param date: the day.
    :param state: what has become of it.
    :param run: the run that is running or failed on it.
    :param gap: the gap that it belongs to, as a whole.
    """

    date: date
    state: DayState
    run: Run | None = None
    gap: Window | None = None


def gaps_due(coverage: Coverage, due: datetime | None) -> tuple[Window, ...]:
    """
    List the gaps that are to be filled: those between runs, and the one since the last run if a run has been missed.

    :param coverage: of the export.
    :param due: until when everything should have been exported; ``None`` if nothing is due by itself.
    """
    until = coverage.covered_until
    # What has been due for less than a day may still be on its way.
    overdue = (Window(until, due),) if until and due and until < due - _DAY else ()
    return (*coverage.gaps, *overdue)


def calendar_days(
    coverage: Coverage, gaps: Sequence[Window], runs: Sequence[Run], first: date, last: date, now: datetime
) -> list[Day]:
    """
    Tell what has become of each day.

    :param coverage: of the export.
    :param gaps: its gaps.
    :param runs: its runs that are running or failed on the way, the latest first.
    :param first: the first day.
    :param last: the last day.
    :param now: the time; days that are not over yet are not due.
    """
    return [_day(day, coverage.ranges, gaps, runs, now) for day in _dates(first, last)]


def _day(day: date, covered: Iterable[Window], gaps: Iterable[Window], runs: Iterable[Run], now: datetime) -> Day:
    window = Window(_start(day), _start(day) + _DAY)
    run = next((run for run in runs if _overlap(run.window, window) and _tells_of(run, day)), None)
    gap = next((gap for gap in gaps if _overlap(gap, window)), None)
    parts = [part for part in covered if _overlap(part, window)]
    if any(_contains(part, window) for part in parts):
        return Day(day, DayState.DELIVERED)
    if run and run.state == "running":
        return Day(day, DayState.RUNNING, run)
    if _start(day) + _DAY > now:
        return Day(day, DayState.AHEAD)
    if run:
        return Day(day, DayState.FAILED, run, gap or window)
    if gap:
        return Day(day, DayState.GAP, gap=gap)
    return Day(day, DayState.PARTLY if parts else DayState.NEVER)


def _tells_of(run: Run, day: date) -> bool:
    """Tell whether a run says something about a day; one for everything that failed says nothing about any single day."""
    return run.started_at >= _start(day) and (run.state == "running" or run.window_start is not None)


def days_of(window: Window) -> tuple[date, date]:
    """
    Return the first and the last day, in UTC, that a window touches.

    :param window: with both ends.
    :raises ValueError: if an end is open.
    """
    if window.start is None or window.end is None:
        raise ValueError("An open window has no first and last day.")
    return _date(window.start), _date(window.end - timedelta(microseconds=1))


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.utc)


def _date(moment: datetime) -> date:
    return moment.astimezone(timezone.utc).date()


def _overlap(one: Window, other: Window) -> bool:
    return (one.start is None or other.end is None or one.start < other.end) and (
        one.end is None or other.start is None or other.start < one.end
    )


def _contains(outer: Window, inner: Window) -> bool:
    return (outer.start is None or (inner.start is not None and outer.start <= inner.start)) and (
        outer.end is None or (inner.end is not None and inner.end <= outer.end)
    )
