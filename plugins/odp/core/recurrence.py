"""When a Commerce job recurs, as a cron expression, with what a cron expression cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from croniter import croniter

from odp.core.commerce_jobs import CommerceJob

_CRON_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks", "month": "months"}


@dataclass(frozen=True)
class Recurrence:
    """
    When a job recurs.

    :param cron: five fields; ``None`` for a job that runs by hand only.
    :param words: the same for people.
    :param remarks: what the expression does not say.
    :param is_known: whether there is a translation at all.
    """

    cron: str | None
    words: str
    remarks: tuple[str, ...] = ()
    is_known: bool = True


def _unknown(what: str) -> Recurrence:
    remark = f"{what} cannot be read: the DAG keeps its own schedule, once a day. Write another in include/schedules.json."
    return Recurrence(None, f"by {what}", (remark,), is_known=False)


def read_recurrence(job: CommerceJob, zone: tzinfo, now: datetime) -> Recurrence:
    """
    Translate a job's recurrence.

    :param job: the job.
    :param zone: time zone of the expression.
    :param now: the present time.
    """
    if not job.is_recurring:
        return Recurrence(None, "by hand only")
    start, end = job.time("recurringstartdatetime"), job.time("recurringenddatetime")
    if end and end <= now:
        return Recurrence(None, f"no longer, since {end:%Y-%m-%d}")
    dates = [f"It ends on {end:%Y-%m-%d}, which a schedule does not: pause the DAG then."] if end else []
    if start and start > now:
        dates.append(f"It begins on {start:%Y-%m-%d}: unpause the DAG then.")
    if job.row.get("recurringadvancedmode"):
        found = _advanced(job.text("recurringcronexpression"))
    else:
        at = (job.time("recurringstarttime") or start or now.replace(hour=0, minute=0)).astimezone(zone)
        day = (start or job.time("recurringstarttime") or now).astimezone(zone)
        found = _simple(job, at, day)
    return replace(found, remarks=(*found.remarks, *dates))


def _advanced(expression: str) -> Recurrence:
    """Take an expression over, without the seconds that Commerce may write and the question marks that mean any day."""
    fields = expression.split()
    remarks = []
    if len(fields) in (6, 7):
        if fields[0] != "0":
            remarks.append(f"Its seconds ({fields[0]}) are left out: cron has none.")
        if len(fields) == 7:
            remarks.append(f"Its years ({fields[6]}) are left out: cron has none.")
        fields = fields[1:6]
        if re.search(r"\d", fields[-1]):
            remarks.append(f"Check its weekday {fields[-1]}: in cron 0 is Sunday, in an expression with seconds it may be 1.")
    cron = " ".join("*" if part == "?" else part for part in fields)
    if len(fields) != 5 or not croniter.is_valid(cron):
        return _unknown(f"the cron expression {expression!r}")
    return Recurrence(cron, f"by the cron expression {expression!r}", tuple(remarks))


def _simple(job: CommerceJob, at: datetime, day: datetime) -> Recurrence:
    every, unit = max(job.number("recurringinterval"), 1), job.text("recurringtype").lower().rstrip("s")
    if unit not in _UNITS:
        return _unknown(f"the recurrence {job.text('recurringtype')!r}")
    words = f"every {every} {_UNITS[unit]}" if every > 1 else f"every {unit}"
    cron, remarks = _expression(unit, every, at, day, job.number("recurringstartday"))
    weekday = f" on {_CRON_DAYS[_weekday(day)]}" if unit == "week" else ""
    clock = {"hour": f" at minute {at.minute}", "minute": ""}.get(unit, f" at {at:%H:%M}")
    return Recurrence(cron, words + weekday + clock, tuple(remarks))


def _weekday(day: datetime) -> int:
    """Return the weekday as cron counts, from Sunday."""
    return (day.weekday() + 1) % 7


def _expression(unit: str, every: int, at: datetime, day: datetime, start_day: int) -> tuple[str, list[str]]:
    clock = f"{at.minute} {at.hour}"
    if unit == "minute":
        if every % 60 == 0:
            return _expression("hour", every // 60, at, day, start_day)
        return f"{_steps(at.minute, every, 60)} * * * *", list(_uneven("hour", every, 60))
    if unit == "hour":
        if every % 24 == 0:
            return _expression("day", every // 24, at, day, start_day)
        return f"{at.minute} {_steps(at.hour, every, 24)} * * *", list(_uneven("day", every, 24))
    if unit == "day":
        return f"{clock} {'*' if every == 1 else f'*/{every}'} * *", list(_uneven("month", every, 1))
    if unit == "week":
        remarks = [f"Cron cannot leave out weeks: the DAG runs every week, not every {every} weeks."] if every > 1 else []
        if start_day:
            remarks.append(f"Check the weekday: it is that of the first run, and Commerce has the start day {start_day}.")
        return f"{clock} * * {_weekday(day)}", remarks
    month_day = start_day or day.day
    remarks = [f"Months without a day {month_day} are left out."] if month_day > 28 else []
    return f"{clock} {month_day} {_steps(day.month, every, 12, first=1)} *", [*remarks, *_uneven("year", every, 12)]


def _steps(start: int, every: int, size: int, first: int = 0) -> str:
    """Write every so many of a field's values, counted so that the start is one of them."""
    if every == 1:
        return "*"
    offset = first + (start - first) % every
    return f"*/{every}" if offset == first else f"{offset}-{first + size - 1}/{every}"


def _uneven(larger: str, every: int, size: int) -> Iterator[str]:
    if every > 1 and size % every:
        yield f"Cron counts anew each {larger}: around its turn the time between two runs is not {every}."
