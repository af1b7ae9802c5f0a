"""
What the run form asks of Airflow's REST API.

The browser sends these requests itself, as the user who is logged in, so the page needs no rights and no routes that change
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from odp.core.exceptions import ParameterError
from odp.core.exports import Export
from odp.core.parameters import read_ids
from odp.core.window import RunTimes, Window, check_parameters
from odp.ui.presentation import moment, span, window_in_words

BACKFILL_RUNS_AT_ONCE = 1


@dataclass(frozen=True, kw_only=True)
class RunForm:
    """
    The run form as it was filled in; the fields are called like the parameters of an export.

    :param by_day: whether to backfill the range, one run a day, rather than to make one run.
    :param unpause: whether to unpause the DAG.
    """

    LookBackDays: str = ""
    StartDate: str = ""
    EndDate: str = ""
    Ids: Sequence[str] = ()
    DryRun: bool = False
    Resend: bool = False
    by_day: bool = False
    unpause: bool = False


@dataclass(frozen=True)
class ApiRequest:
    """
    A request to Airflow's REST API.

    :param method: HTTP method.
    :param path: path under Airflow's own.
    :param body: JSON.
    """

    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class RunRequest:
    """
    What the form comes to.

    :param sentence: what will happen, in words.
    :param requests: what to send, in this order.
    """

    sentence: str
    requests: tuple[ApiRequest, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON for the browser."""
        return asdict(self)


def read_form(export: Export, form: RunForm, now: datetime) -> RunRequest:
    """
    Turn the form into requests, or say what is wrong with it.

    :param export: the export to run.
    :param form: the form.
    :param now: the time, which LookBackDays counts back from.
    :raises ParameterError: with a sentence that says what to change.
    """
    conf = _conf(form)
    window = check_parameters(conf, conf, RunTimes(takes_interval=False, run_after=now))
    request = _backfill(export, window, conf, now) if form.by_day else _run(export, conf)
    sentence = _sentence(window, conf, by_day=form.by_day)
    unpause = (ApiRequest("PATCH", f"api/v2/dags/{export.dag_id}", {"is_paused": False}),) if form.unpause else ()
    return RunRequest(sentence, (*unpause, request))


def _conf(form: RunForm) -> dict[str, Any]:
    """Return the run's configuration: what was filled in, with a zone where a time has none."""
    conf: dict[str, Any] = {}
    if days := form.LookBackDays.strip():
        if not days.isdecimal():
            raise ParameterError(f"LookBackDays must be a whole number of days, 1 or more, not {days!r}.")
        conf["LookBackDays"] = int(days)
    for name in ("StartDate", "EndDate"):
        if text := getattr(form, name).strip():
            conf[name] = _with_zone(text)
    if ids := [line.strip() for value in form.Ids for line in value.splitlines() if line.strip()]:
        conf["Ids"] = read_ids(ids)
    conf |= {name: True for name in ("DryRun", "Resend") if getattr(form, name)}
    return conf


def _with_zone(text: str) -> str:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text  # refused in words by check_parameters
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).isoformat()


def _run(export: Export, conf: dict[str, Any]) -> ApiRequest:
    return ApiRequest("POST", f"api/v2/dags/{export.dag_id}/dagRuns", {"logical_date": None, "conf": conf})


def _backfill(export: Export, window: Window, conf: dict[str, Any], now: datetime) -> ApiRequest:
    if "LookBackDays" in conf or "Ids" in conf or window.start is None or window.end is None:
        raise ParameterError("Day by day takes a start date and an end date, without look-back days and without single entities.")
    if window.end > now:
        raise ParameterError(
            f"EndDate {window.end_text} lies in the future: a day that is not over cannot be exported by itself."
        )
    # Airflow makes the runs whose data intervals begin in this range. Intervals need not begin at midnight in UTC: the first
    # that has a part of the window may begin up to a day before it.
    first, last = window.start - timedelta(days=1, seconds=-1), window.end - timedelta(seconds=1)
    return ApiRequest(
        "POST",
        "api/v2/backfills",
        {
            "dag_id": export.dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            # A day in a gap may well have a run that failed, or that sent nothing.
            "reprocess_behavior": "completed",
            "max_active_runs": BACKFILL_RUNS_AT_ONCE,
            "dag_run_conf": {name: conf[name] for name in ("DryRun", "Resend") if name in conf},
        },
    )


def _sentence(window: Window, conf: dict[str, Any], *, by_day: bool) -> str:
    ids = len(conf.get("Ids", ()))
    entities = f"{ids} {'entity' if ids == 1 else 'entities'}"
    if by_day:
        what = f"Backfills {span(window)}, one run a day"
    elif window.is_everything:
        what = f"One run for {f'{entities}, whenever modified' if ids else 'everything'}"
    else:
        what = f"One run for what was modified {_range(window, conf.get('LookBackDays'))}"
        what += f", if it is {ids} given {entities.split()[1]}" if ids else ""
    what += "; nothing is sent" if "DryRun" in conf else ""
    what += "; unchanged records are sent as well" if "Resend" in conf else ""
    return f"{what}."


def _range(window: Window, days: int | None) -> str:
    if days:
        return f"in the {'24 hours' if days == 1 else f'{days} days'} before it starts"
    if window.start and window.end:
        return f"from {moment(window.start)} until {moment(window.end)} UTC"
    return f"{window_in_words(window)} UTC"
