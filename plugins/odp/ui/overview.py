"""The first page: one row for each export."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Query, Request, Response

from odp.core.coverage import Coverage, read_coverages
from odp.core.coverage_calendar import Day, calendar_days, gaps_due
from odp.core.exports import OPTIONAL_EXPORTS, Export
from odp.core.reject_search import open_rejects
from odp.core.run_overview import Run, latest_real_time_runs, latest_runs, unjudged_runs
from odp.core.run_progress import Progress, Sample, measure_progress
from odp.core.window import Window
from odp.ui.access import Viewer, ViewerDep
from odp.ui.airflow_state import DagState, dag_states, without_the_dead
from odp.ui.ledger_access import LedgerDep, PageLedger
from odp.ui.presentation import templates

STRIP_DAYS = 90
BUSY_SECONDS, IDLE_SECONDS = 2, 15
"""How often the page asks for news: while something runs, and while nothing does."""

router = APIRouter()

SamplesQuery = Annotated[list[str] | None, Query(max_length=20)]


@dataclass(frozen=True)
class ExportRow:
    """
    An export as a row of the page.

    :param export: the export.
    :param run: its latest run.
    :param progress: how that run is doing, if it is running.
    :param dag: what Airflow knows of it; ``None`` if it does not know the DAG.
    :param rejects: its open rejects.
    :param days: its latest days of ModifiedOn.
    :param gaps: its gaps.
    :param coverage: what its runs have covered.
    :param may_trigger: whether the user may trigger it.
    :param error: why its latest run failed, in a line.
    :param real_time: the latest run of real time for it, if there was one of late.
    """

    export: Export
    run: Run | None
    progress: Progress | None
    dag: DagState | None
    rejects: int
    days: list[Day]
    gaps: tuple[Window, ...]
    coverage: Coverage
    may_trigger: bool
    error: str | None
    real_time: Run | None

    @property
    def state(self) -> str:
        """State of the latest run, ``never`` without one."""
        return self.run.state if self.run else "never"


def read_samples(texts: Iterable[str] | None) -> list[Sample]:
    """
    Read the samples that a page sends back.

    :param texts: what the page was given.
    """
    return [sample for sample in map(Sample.from_text, texts or ()) if sample]


def export_rows(viewer: Viewer, ledger: PageLedger, session: Any, samples: list[Sample]) -> list[ExportRow]:
    """
    Collect the rows of the exports that the user may see.

    :param viewer: the user.
    :param ledger: the ledger.
    :param session: of Airflow's metadata database.
    :param samples: of running runs.
    """
    exports = viewer.exports
    ids = [export.dag_id for export in exports]
    now = datetime.now(timezone.utc)
    last = now.date()
    first = last - timedelta(days=STRIP_DAYS - 1)
    since = datetime.combine(first, datetime.min.time(), timezone.utc)
    connection, account = ledger.connection, ledger.account
    latest = {run.export: run for run in without_the_dead(session, latest_runs(connection, account, ids).values())}
    unjudged = without_the_dead(session, unjudged_runs(connection, account, ids, since))
    coverages = read_coverages(connection, account)
    rejects = open_rejects(connection, account, ids)
    dags = dag_states(session, ids)
    real_time = latest_real_time_runs(connection, account, ids)
    rows = []
    for export in exports:
        run = latest.get(export.dag_id)
        coverage = coverages.get(export.dag_id, Coverage())
        runs = [other for other in unjudged if other.export == export.dag_id]
        dag = dags.get(export.dag_id)
        if export in OPTIONAL_EXPORTS and run is None and (dag is None or dag.is_paused):
            continue  # not switched on
        gaps = gaps_due(coverage, dag.due(now) if dag else None)
        rows.append(
            ExportRow(
                export,
                run,
                measure_progress(run, samples) if run and run.state == "running" else None,
                dag,
                rejects.get(export.dag_id, 0),
                calendar_days(coverage, gaps, runs, first, last, now),
                gaps,
                coverage,
                viewer.may_trigger(export),
                _error_line(viewer, run, export),
                real_time.get(export.dag_id),
            )
        )
    return rows


def _error_line(viewer: Viewer, run: Run | None, export: Export) -> str | None:
    error = viewer.error_of(run, export) if run and run.state == "failed" else None
    # What it may announce, such as the first rejects, is on the export's own page.
    return error.partition("\n")[0].removesuffix(" The first:") if error else None


def _context(viewer: Viewer, ledger: PageLedger, session: Any, samples: list[str] | None) -> dict[str, Any]:
    rows = export_rows(viewer, ledger, session, read_samples(samples))
    busy = any(row.state == "running" or (row.dag and row.dag.queued) for row in rows)
    return {"rows": rows, "ledger": ledger, "poll_seconds": BUSY_SECONDS if busy else IDLE_SECONDS, "strip_days": STRIP_DAYS}


@router.get("/")
def overview(request: Request, viewer: ViewerDep, ledger: LedgerDep, session: SessionDep) -> Response:
    """Show all exports."""
    return templates.TemplateResponse(request, "overview.html", _context(viewer, ledger, session, None))


@router.get("/rows")
def overview_rows(
    request: Request, viewer: ViewerDep, ledger: LedgerDep, session: SessionDep, sample: SamplesQuery = None
) -> Response:
    """Return the rows alone, for a page that is open."""
    return templates.TemplateResponse(request, "_rows.html", _context(viewer, ledger, session, sample))
