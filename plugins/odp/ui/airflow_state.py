"""What only Airflow knows: when an export runs next, whether it is paused, and whether a run is still alive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from odp.core.run_overview import Run


@dataclass(frozen=True)
class DagState:
    """
    The state of an export's DAG.

    :param is_paused: whether it is paused.
    :param next_run: when the scheduler creates its next run; ``None`` if it will not.
    :param next_interval: start of the data interval of that run.
    :param queued: runs that wait.
    """

    is_paused: bool
    next_run: datetime | None
    next_interval: datetime | None
    queued: int

    def due(self, now: datetime) -> datetime | None:
        """
        Tell until when everything should have been exported; ``None`` if the DAG has no schedule.

        :param now: the time.
        """
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        # What nobody schedules, or a scheduler that is down does not, is missing all the same.
        if self.is_paused or (self.next_run and self.next_run < today):
            return today
        return self.next_interval and min(self.next_interval, today)


def dag_states(session: Session, dag_ids: Sequence[str]) -> dict[str, DagState]:
    """
    Look DAGs up.

    :param session: of Airflow's metadata database.
    :param dag_ids: the DAGs.
    :return: by id; a DAG that Airflow has not parsed is left out.
    """
    waiting = (
        select(func.count())
        .where(DagRun.dag_id == DagModel.dag_id, DagRun.state == DagRunState.QUEUED)
        .correlate(DagModel)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            DagModel.dag_id,
            DagModel.is_paused,
            DagModel.next_dagrun_create_after,
            DagModel.next_dagrun_data_interval_start,
            waiting,
        ).where(DagModel.dag_id.in_(dag_ids), ~DagModel.is_stale)
    )
    return {
        dag_id: DagState(is_paused, None if is_paused else create_after, interval, queued)
        for dag_id, is_paused, create_after, interval, queued in rows
    }


def without_the_dead(session: Session, runs: Iterable[Run]) -> list[Run]:
    """
    Mark runs as failed that the ledger believes running but Airflow does not: their worker died without a word.

    :param session: of Airflow's metadata database.
    :param runs: runs as the ledger knows them.
    """
    runs = list(runs)
    running = [run.dag_run for run in runs if run.state == "running"]
    if not running:
        return runs
    rows = session.execute(
        select(DagRun.dag_id, DagRun.run_id, DagRun.state).where(tuple_(DagRun.dag_id, DagRun.run_id).in_(running))
    )
    states = {(dag_id, run_id): state for dag_id, run_id, state in rows}
    return [
        replace(run, state="failed", error=run.error or "The run ended without a word; see its tasks in Airflow.")
        if run.state == "running" and states.get(run.dag_run, "gone") not in _ALIVE
        else run
        for run in runs
    ]


_ALIVE = (DagRunState.RUNNING, DagRunState.QUEUED)
