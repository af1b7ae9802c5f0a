"""What a Commerce job becomes: settings, a schedule, and words about both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from odp.core.commerce_jobs import CommerceJob
from odp.core.exports import EXPORTS
from odp.core.recurrence import read_recurrence

_CONDITIONS = {
    "": "failure",
    "completion": "always",
    "always": "always",
    "failure": "failure",
    "failureonly": "failure",
    "error": "failure",
    "success": "success",
    "successonly": "success",
    "successorwarning": "success",
}
"""Commerce's notify conditions, in lower case."""


@dataclass
class Translation:
    """
    What the job of one export becomes.

    :param title: name of the export.
    :param job: name of the job; ``None`` if Commerce has none.
    :param settings: its part of ``exports`` in the Variable ``odp_settings``.
    :param schedule: its part of ``dags`` in ``include/schedules.json``.
    :param explanation: what was taken over.
    :param remarks: what was not, or only nearly.
    """

    title: str
    job: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    explanation: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def translate(jobs: Mapping[str, Sequence[CommerceJob]], zone: tzinfo, now: datetime) -> dict[str, Translation]:
    """
    Translate the jobs of all exports.

    :param jobs: by the id of the export's DAG, the one that counts first.
    :param zone: time zone of the schedules.
    :param now: the present time.
    """
    return {export.dag_id: _translate(export.title, jobs.get(export.dag_id, ()), zone, now) for export in EXPORTS}


def _translate(title: str, jobs: Sequence[CommerceJob], zone: tzinfo, now: datetime) -> Translation:
    result = Translation(title)
    if not jobs:
        result.remarks.append("Commerce has no job for it: it runs daily, exports its data interval and tells nobody.")
        return result
    job, *others = jobs
    result.job = job.name
    for other in others:
        kind = "recurring, too" if other.is_recurring else "run by hand: trigger the DAG with parameters instead"
        result.remarks.append(f"The job {other.name!r} has the same post processor and is not taken over ({kind}).")
    recurrence = read_recurrence(job, zone, now)
    cron = f": {recurrence.cron}" if recurrence.cron else ""
    result.explanation.append(f"It runs {recurrence.words}{cron}")
    result.remarks += recurrence.remarks
    if recurrence.is_known:
        result.schedule["schedule"] = recurrence.cron
    _translate_parameters(job, result)
    _translate_notification(job, result)
    if job.linked_job:
        result.remarks.append(
            f"It starts the job {job.linked_job!r} ({job.text('linkedjobcondition') or 'no condition'}). "
            "If that is an export, give it a later schedule; Commerce's other jobs have to be started in Commerce."
        )
    if minutes := job.number("maxtimeoutminutes"):
        result.remarks.append(
            f"Commerce ends it after {minutes} minutes. Here a deadline in include/schedules.json tells people, and ends nothing."
        )
    return result


def _translate_parameters(job: CommerceJob, result: Translation) -> None:
    values = {name.lower(): value.strip() for name, value in job.parameters.items()}
    days = values.get("lookbackdays", "")
    if days.isascii() and days.isdigit() and int(days) > 0:
        result.settings["look_back_days"] = int(days)
        result.explanation.append(f"LookBackDays of its scheduled runs: {int(days)}")
    elif days:
        result.remarks.append(f"LookBackDays is {days!r}, which is no number of days: scheduled runs export their data interval.")
    elif job.is_recurring:
        result.remarks.append(
            "Without LookBackDays, Commerce exports everything each time. Here a scheduled run exports its data interval, the "
            "time since the run before; for everything, trigger the DAG by hand without parameters."
        )
    for name in ("StartDate", "EndDate"):
        if date := values.get(name.lower()):
            result.remarks.append(
                f"{name} is fixed at {date!r}: for that range, trigger the DAG once with StartDate and EndDate."
            )


def _translate_notification(job: CommerceJob, result: Translation) -> None:
    words = [word for word in re.split(r"[;,\s]+", job.text("notifyemail")) if word]
    addresses = [word for word in words if "@" in word]
    if left_out := [word for word in words if "@" not in word]:
        result.remarks.append(f"NotifyEmail holds {', '.join(left_out)}, which is no e-mail address.")
    if not addresses:
        result.explanation.append("Nobody is told")
        return
    given = job.text("notifycondition")
    condition = _CONDITIONS.get(given.lower(), "always")
    if given.lower() not in _CONDITIONS:
        result.remarks.append(f"The notify condition {given!r} is not known: the addresses are told always.")
    result.settings["notify"] = [{"condition": condition, "to": addresses}]
    result.explanation.append(f"Told of {condition}: {', '.join(addresses)}")
    if job.text("emailtemplateid"):
        result.remarks.append("Its e-mail template is not taken over; give the notifier subject and html_content in arguments.")
