"""The page of one export: how its run is doing, its calendar, its history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone
from itertools import groupby
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Query, Request, Response

from odp.core.consistency_history import latest_checks
from odp.core.coverage import Coverage, read_coverages
from odp.core.coverage_calendar import Day, calendar_days, gaps_due
from odp.core.exports import Export
from odp.core.reject_search import reason_groups
from odp.core.run_overview import latest_real_time_runs, recent_runs, unjudged_runs
from odp.core.run_progress import measure_progress
from odp.core.run_trends import Period, durations, rows_by_period
from odp.ui.access import ExportDep, Viewer, ViewerDep
from odp.ui.airflow_state import dag_states, without_the_dead
from odp.ui.ledger_access import LedgerDep, PageLedger
from odp.ui.overview import BUSY_SECONDS, IDLE_SECONDS, SamplesQuery, read_samples
from odp.ui.presentation import templates

SHOWN_RUNS = 10
SHOWN_REASONS = 5
CHART_RUNS = 400
_WEEKS = 53

router = APIRouter(prefix="/exports/{dag_id}")

UntilQuery = Annotated[date | None, Query()]


def months_of(days: list[Day]) -> Iterator[tuple[date, int]]:
    """
    Divide whole weeks of days by months, for the calendar's head.

    :param days: days, beginning with a Monday.
    :return: the first day of each group of weeks that begin in one month, and how many weeks that are.
    """
    mondays = [day.date for day in days[::7]]
    for _, weeks in groupby(mondays, key=lambda monday: (monday.year, monday.month)):
        group = list(weeks)
        yield group[0], len(group)


def _live(
    viewer: Viewer, export: Export, ledger: PageLedger, session: Any, until: date | None, samples: list[str] | None
) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    today = now.date()
    shown_until = min(until or today, today)
    # Whole weeks, the last of which has the last day in it.
    last = shown_until + timedelta(days=6 - shown_until.weekday())
    first = last - timedelta(days=_WEEKS * 7 - 1)
    connection, account, dag_id = ledger.connection, ledger.account, export.dag_id
    runs = without_the_dead(session, recent_runs(connection, account, dag_id, limit=SHOWN_RUNS))
    since = datetime.combine(first, datetime.min.time(), timezone.utc)
    unjudged = without_the_dead(session, unjudged_runs(connection, account, [dag_id], since))
    coverage = read_coverages(connection, account, dag_id).get(dag_id, Coverage())
    dag = dag_states(session, [dag_id]).get(dag_id)
    gaps = gaps_due(coverage, dag.due(now) if dag else None)
    days = calendar_days(coverage, gaps, unjudged, first, last, now)
    latest = runs[0] if runs else None
    running = latest if latest and latest.state == "running" else None
    return {
        "export": export,
        "ledger": ledger,
        "dag": dag,
        "runs": [(run, viewer.error_of(run, export)) for run in runs],
        "latest": latest,
        "progress": measure_progress(running, read_samples(samples)) if running else None,
        "real_time": latest_real_time_runs(connection, account, [dag_id]).get(dag_id),
        "coverage": coverage,
        "gaps": gaps,
        "check": latest_checks(connection, account).get(dag_id),
        "days": days,
        "months": list(months_of(days)),
        "earlier": first - timedelta(days=1),
        "later": min(last + timedelta(days=_WEEKS * 7), today) if last < today else None,
        "until": until,
        "may_trigger": viewer.may_trigger(export),
        "poll_seconds": BUSY_SECONDS if running or (dag and dag.queued) else IDLE_SECONDS,
    }


@router.get("")
def export_page(
    request: Request, viewer: ViewerDep, export: ExportDep, ledger: LedgerDep, session: SessionDep, until: UntilQuery = None
) -> Response:
    """Show one export."""
    groups = reason_groups(ledger.connection, ledger.account, export.dag_id)
    context = _live(viewer, export, ledger, session, until, None) | {
        "reasons": groups[:SHOWN_REASONS],
        "rejects": sum(group.rejects for group in groups),
    }
    return templates.TemplateResponse(request, "export.html", context)


@router.get("/live")
def export_live(
    request: Request,
    viewer: ViewerDep,
    export: ExportDep,
    ledger: LedgerDep,
    session: SessionDep,
    until: UntilQuery = None,
    sample: SamplesQuery = None,
) -> Response:
    """Return what changes while runs go on, for a page that is open."""
    return templates.TemplateResponse(request, "_live.html", _live(viewer, export, ledger, session, until, sample))


@router.get("/history")
def export_history(export: ExportDep, ledger: LedgerDep, days: Annotated[int, Query(ge=1, le=3_660)] = 90) -> dict[str, Any]:
    """Return the numbers of the charts."""
    since = datetime.now(timezone.utc) - timedelta(days=days)
    period: Period = "day" if days <= 120 else "week" if days <= 800 else "month"
    connection, account, dag_id = ledger.connection, ledger.account, export.dag_id
    return {
        "period": period,
        "rows": [asdict(row) for row in rows_by_period(connection, account, dag_id, since=since, period=period)],
        "runs": [asdict(run) for run in durations(connection, account, dag_id, since=since, limit=CHART_RUNS)],
    }
