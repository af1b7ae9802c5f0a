"""
The window of a run: which ModifiedOn times it exports.

Commerce's rule is that a job without parameters exports everything and LookBackDays counts back from the run; a scheduled
run and a backfill take the data interval that Airflow gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from odp.core.exceptions import ParameterError
from odp.core.parameters import read_ids, refuse_unknown_parameters

OPEN_START = "-infinity"
"""How an open beginning is written: PostgreSQL's word for a time before all others."""

OPEN_END = "infinity"


@dataclass(frozen=True)
class Window:
    """
    A half-open range of times, ``start <= ModifiedOn < end``.

    :param start: first time in the window; ``None`` for no lower bound.
    :param end: first time after the window; ``None`` for no upper bound.
    """

    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether neither side is bounded: rows without a ModifiedOn belong to it as well."""
        return self.start is None and self.end is None

    @property
    def start_text(self) -> str:
        """The start as ISO 8601, or ``-infinity``."""
        return self.start.isoformat() if self.start else OPEN_START

    @property
    def end_text(self) -> str:
        """The end as ISO 8601, or ``infinity``."""
        return self.end.isoformat() if self.end else OPEN_END

    @classmethod
    def from_texts(cls, start: str, end: str) -> Window:
        """
        Read a window back from the texts that templates render.

        :param start: ISO 8601 time or ``-infinity``.
        :param end: ISO 8601 time or ``infinity``.
        """
        return cls(
            None if start == OPEN_START else read_time("window_start", start),
            None if end == OPEN_END else read_time("window_end", end),
        )


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """
    What Airflow knows about a run's times.

    :param takes_interval: whether a run without parameters exports its data interval (scheduled and backfill runs).
    :param interval_start: start of the data interval, if the run has one.
    :param interval_end: end of the data interval, if the run has one.
    :param logical_date: logical date, if the run has one.
    :param run_after: when the run was due; every run has it.
    :param look_back_days: what a run without parameters looks back, instead of exporting its data interval.
    :param resume_point: where a run without parameters begins, instead of at the start of its data interval.
    """

    takes_interval: bool
    run_after: datetime
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    logical_date: datetime | None = None
    look_back_days: int | None = None
    resume_point: datetime | None = None

    @property
    def anchor(self) -> datetime:
        """The run's fixed "now": the same for every retry of the run."""
        return self.interval_end or self.logical_date or self.run_after


def read_time(name: str, value: Any) -> datetime:
    """
    Read a point in time; one without zone is UTC.

    :param name: the parameter's name, for the message.
    :param value: ISO 8601 text such as ``2026-11-01`` or ``2026-11-01T08:00:00+01:00``.
    :raises ParameterError: if it cannot be read.
    """
    if isinstance(value, datetime):
        time = value
    else:
        try:
            time = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        except ValueError:
            raise ParameterError(
                f"{name} {value!r} is not a date that can be read. Write it as 2026-11-01 or 2026-11-01T08:00:00Z."
            ) from None
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time


def _given(value: Any) -> bool:
    return value is not None and str(value).strip() != ""


def resolve_window(params: Mapping[str, Any], times: RunTimes) -> Window:
    """
    Turn a run's parameters and times into its window.

    :param params: LookBackDays, StartDate and EndDate as given; missing, null and blank mean "not given".
    :param times: what Airflow knows about the run's times.
    :raises ParameterError: if they contradict each other or cannot be read.
    """
    days, start, end = (params.get(name) for name in ("LookBackDays", "StartDate", "EndDate"))
    if _given(days):
        if _given(start) or _given(end):
            raise ParameterError("Give either LookBackDays or StartDate/EndDate, not both.")
        return Window(_look_back(days, times.anchor), times.anchor)
    if _given(start) or _given(end):
        window = Window(
            read_time("StartDate", start) if _given(start) else None, read_time("EndDate", end) if _given(end) else None
        )
        if window.start and window.end and window.start >= window.end:
            raise ParameterError(
                f"StartDate {window.start_text} must be before EndDate {window.end_text}. Swap them, or move one of them."
            )
        return window
    if not times.takes_interval:
        return Window()
    if times.look_back_days:
        start = _look_back(times.look_back_days, times.anchor)
        return Window(min(start, times.resume_point or start), times.anchor)
    if times.interval_start is None or times.interval_end is None or times.interval_start >= times.interval_end:
        raise ParameterError(
            "This scheduled run has no data interval, so it is unclear which rows it should export. "
            "Schedule the DAG with CronDataIntervalTimetable, or give LookBackDays or StartDate and EndDate."
        )
    # What is covered beyond the interval already leaves nothing to read.
    start = min(times.resume_point, times.interval_end) if times.resume_point else times.interval_start
    return Window(start, times.interval_end)


def _look_back(days: Any, anchor: datetime) -> datetime:
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ParameterError(f"LookBackDays must be a whole number of days, 1 or more, not {days!r}.")
    try:
        return anchor - timedelta(days=days)
    except OverflowError:
        raise ParameterError(
            f"LookBackDays {days} reaches back before the year 1. Leave all parameters empty to export everything."
        ) from None


def check_parameters(params: Mapping[str, Any], conf: Mapping[str, Any] | None, times: RunTimes) -> Window:
    """
    Check everything a run was given before anything is read or sent.

    :param params: the run's parameters with their defaults.
    :param conf: the run's configuration as the user gave it.
    :param times: what Airflow knows about the run's times.
    :return: the run's window.
    :raises ParameterError: with a sentence that says what to change.
    """
    refuse_unknown_parameters(conf or {})
    read_ids(params.get("Ids"))
    return resolve_window(params, times)
