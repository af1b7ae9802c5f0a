"""Commerce's recurrences as cron expressions."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from odp.core.commerce_jobs import CommerceJob
from odp.core.recurrence import Recurrence, read_recurrence

NOW = datetime(2026, 11, 24, 10, tzinfo=timezone.utc)
TUESDAY = datetime(2026, 11, 3, 2, 15, tzinfo=timezone.utc)


def read(zone: tzinfo = timezone.utc, **row: Any) -> Recurrence:
    defaults = {"name": "a job", "recurringjob": True, "recurringinterval": 1, "recurringstartdatetime": TUESDAY}
    return read_recurrence(CommerceJob({**defaults, **row}), zone, NOW)


@pytest.mark.parametrize(
    ("kind", "interval", "cron", "words"),
    [
        ("Days", 1, "15 2 * * *", "every day at 02:15"),
        ("day", 0, "15 2 * * *", "every day at 02:15"),
        ("Hours", 1, "15 * * * *", "every hour at minute 15"),
        ("Hours", 6, "15 2-23/6 * * *", "every 6 hours at minute 15"),
        ("Hours", 24, "15 2 * * *", "every 24 hours at minute 15"),
        ("Minutes", 1, "* * * * *", "every minute"),
        ("Minutes", 5, "*/5 * * * *", "every 5 minutes"),
        ("Minutes", 10, "5-59/10 * * * *", "every 10 minutes"),
        ("Minutes", 120, "15 */2 * * *", "every 120 minutes"),
        ("Weeks", 1, "15 2 * * 2", "every week on Tuesday at 02:15"),
        ("Months", 1, "15 2 3 * *", "every month at 02:15"),
        ("Months", 3, "15 2 3 2-12/3 *", "every 3 months at 02:15"),
    ],
)
def test_what_cron_can_say(kind: str, interval: int, cron: str, words: str) -> None:
    found = read(recurringtype=kind, recurringinterval=interval)
    assert (found.cron, found.words, found.remarks) == (cron, words, ())
    # The job's own first run is one of the schedule's.
    assert croniter.match(cron, TUESDAY)


@pytest.mark.parametrize(
    ("kind", "interval", "cron", "remark"),
    [
        ("Days", 2, "15 2 */2 * *", "Cron counts anew each month: around its turn the time between two runs is not 2."),
        ("Hours", 5, "15 2-23/5 * * *", "Cron counts anew each day: around its turn the time between two runs is not 5."),
        ("Minutes", 7, "1-59/7 * * * *", "Cron counts anew each hour: around its turn the time between two runs is not 7."),
        ("Weeks", 2, "15 2 * * 2", "Cron cannot leave out weeks: the DAG runs every week, not every 2 weeks."),
        ("Months", 5, "15 2 3 */5 *", "Cron counts anew each year: around its turn the time between two runs is not 5."),
    ],
)
def test_what_cron_can_nearly_say(kind: str, interval: int, cron: str, remark: str) -> None:
    found = read(recurringtype=kind, recurringinterval=interval)
    assert (found.cron, found.remarks, found.is_known) == (cron, (remark,), True)
    assert croniter.is_valid(cron)


def test_a_start_time_and_a_start_day_of_its_own() -> None:
    at_six = datetime(1900, 1, 1, 6, 30, tzinfo=timezone.utc)
    assert read(recurringtype="Days", recurringstarttime=at_six).cron == "30 6 * * *"
    monthly = read(recurringtype="Months", recurringstarttime=at_six, recurringstartday=31)
    assert (monthly.cron, monthly.remarks) == ("30 6 31 * *", ("Months without a day 31 are left out.",))
    assert "start day 3" in read(recurringtype="Weeks", recurringstartday=3).remarks[0]


def test_the_times_are_those_of_the_zone() -> None:
    # 23:30 UTC on a Monday is 00:30 on Tuesday in Berlin.
    start = datetime(2026, 11, 2, 23, 30)  # noqa: DTZ001 - a replica's timestamp without zone is UTC
    assert read(ZoneInfo("Europe/Berlin"), recurringtype="Weeks", recurringstartdatetime=start).cron == "30 0 * * 2"
    assert read(recurringtype="Days", recurringstartdatetime=None).cron == "0 0 * * *"


@pytest.mark.parametrize(
    ("expression", "cron", "remarks"),
    [
        ("30 2 * * 1-5", "30 2 * * 1-5", 0),
        ("0 30 2 * * ?", "30 2 * * *", 0),
        ("0 0/15 * ? * * *", "0/15 * * * *", 1),
        ("20 0 4 ? * 2", "0 4 * * 2", 2),
    ],
)
def test_cron_expressions_are_taken_over(expression: str, cron: str, remarks: int) -> None:
    found = read(recurringadvancedmode=True, recurringcronexpression=expression, recurringtype="Days")
    assert (found.cron, len(found.remarks), found.is_known) == (cron, remarks, True)


@pytest.mark.parametrize(
    "row",
    [
        {"recurringtype": "Fortnights"},
        {"recurringtype": ""},
        {"recurringadvancedmode": True, "recurringcronexpression": "each morning"},
        {"recurringadvancedmode": True, "recurringcronexpression": None},
    ],
)
def test_what_cannot_be_read_is_said_and_changes_no_schedule(row: dict[str, Any]) -> None:
    found = read(**row)
    assert not found.is_known
    assert "cannot be read: the DAG keeps its own schedule, once a day" in found.remarks[0]


def test_jobs_that_do_not_recur() -> None:
    assert read(recurringjob=False) == Recurrence(None, "by hand only")
    ended = datetime(2026, 6, 1, tzinfo=timezone.utc)
    assert read(recurringtype="Days", recurringenddatetime=ended) == Recurrence(None, "no longer, since 2026-06-01")


def test_a_job_that_will_begin_and_end() -> None:
    later, last = datetime(2027, 1, 1, tzinfo=timezone.utc), datetime(2027, 6, 1, tzinfo=timezone.utc)
    found = read(recurringtype="Days", recurringstartdatetime=later, recurringenddatetime=last)
    assert found.cron == "0 0 * * *"
    assert found.remarks == (
        "It ends on 2027-06-01, which a schedule does not: pause the DAG then.",
        "It begins on 2027-01-01: unpause the DAG then.",
    )
