"""Runs of the DAGs through Airflow's own machinery, in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from odp.core.staging import Staging, read_lines
from sandbox.world import PROJECT

DAGS_FOLDER = PROJECT / "dags"


@dataclass(frozen=True)
class Finished:
    """
    A finished run.

    :param run: Airflow's row of it.
    :param staging: its staged files.
    """

    run: Any
    staging: Staging

    @property
    def state(self) -> str:
        """The run's state."""
        return _word(self.run.state)

    @property
    def tasks(self) -> dict[str, str]:
        """State of each task instance, a mapped one written as ``load[0]``."""
        return {_name(ti): _word(ti.state) for ti in self.run.get_task_instances()}

    @property
    def tries(self) -> dict[str, int]:
        """Number of tries of the task instances that ran."""
        return {_name(ti): ti.try_number for ti in self.run.get_task_instances() if ti.try_number}

    @property
    def summary(self) -> dict[str, Any]:
        """What reconcile returned; empty when it failed."""
        reconcile = self.run.get_task_instance("reconcile")
        return dict((reconcile and reconcile.xcom_pull("reconcile")) or {})

    @property
    def history(self) -> dict[str, Any]:
        """What the ledger keeps of the run, also when it failed."""
        query = "SELECT state, error, summary FROM export_run WHERE export = %s AND run_id = %s"
        with psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"], row_factory=dict_row) as connection:
            return connection.execute(query, (self.run.dag_id, self.run.run_id)).fetchone() or {}

    @property
    def window(self) -> list[str]:
        """The window as Airflow rendered it for extract, and as its UI shows it."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields

        fields = RenderedTaskInstanceFields.get_templated_fields(self.run.get_task_instance("extract"))
        return [fields["window_start"], fields["window_end"]] if fields else []

    def bodies(self) -> list[dict[str, Any]]:
        """Return the items of all staged upload bodies."""
        return [item for line in self._lines("bodies-") for item in json.loads(line[line.index(b"[") :])]

    def rejects(self) -> list[dict[str, Any]]:
        """Return all staged rejects."""
        return [json.loads(line) for line in self._lines("rejects-")]

    def _lines(self, prefix: str) -> Iterator[bytes]:
        for path in sorted(self.staging.folder.iterdir()):
            if path.name.startswith(prefix):
                with self.staging.read(path.name) as file:
                    yield from read_lines(file)


def _word(state: Any) -> str:
    return str(getattr(state, "value", state))


def _name(ti: Any) -> str:
    return ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"


def load_dag(dag_id: str) -> Any:
    """
    Parse the DAG files and return a DAG that no run has used.

    A run's parameters stay in the DAG object it used, so each run needs an object of its own.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(DAGS_FOLDER)
    assert not bag.import_errors
    return bag.dags[dag_id]


def synchronise_dags() -> None:
    """Parse the DAG files into Airflow's database, as the dag-processor does."""
    from airflow import settings
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    session = settings.Session()
    manager = DagBundlesManager()
    manager.sync_bundles_to_db(session=session)
    session.commit()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        sync_bag_to_db(bag, bundle.name, bundle.version)


def run_by_hand(dag: Any, logical_date: datetime | None = None, *, staging_root: Path | None = None, **conf: Any) -> Finished:
    """
    Run a DAG the way a person triggers it.

    :param dag: a DAG that no run has used.
    :param logical_date: its logical date; None, as Airflow's UI and CLI default to, for a run without one.
    :param staging_root: where the settings put staged files, if not under AIRFLOW_HOME.
    :param conf: its parameters.
    """
    return _finished(dag.test(logical_date=logical_date, run_conf=conf), staging_root)


def run_as(dag: Any, run_type: str, interval: tuple[datetime, datetime], **conf: Any) -> Finished:
    """
    Run a DAG the way the scheduler and a backfill create runs, which ``dag.test()`` cannot.

    :param dag: a DAG that no run has used.
    :param run_type: ``scheduled`` or ``backfill``.
    :param interval: its data interval.
    :param conf: its parameters.
    """
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DagRunState, TaskInstanceState
    from airflow.sdk.definitions.dag import _run_task
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete

    session = settings.Session()
    synchronise_dags()
    # A DAG has one run a logical date; an earlier test may have made it.
    session.execute(delete(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.logical_date == interval[0]))
    session.commit()
    serialized = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    # They are no part of what is serialised; dag.test() puts them back in the same way.
    serialized.on_success_callback, serialized.on_failure_callback = dag.on_success_callback, dag.on_failure_callback
    run = serialized.create_dagrun(
        run_id=f"{run_type}__{datetime.now(timezone.utc).isoformat()}",
        run_type=DagRunType(run_type),
        logical_date=interval[0],
        data_interval=interval,
        run_after=interval[1],
        conf=conf,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        start_date=datetime.now(timezone.utc),
        session=session,
    )
    while run.state == DagRunState.RUNNING:
        session.expire_all()
        schedulable, _ = run.update_state(session=session)
        for ti in schedulable:
            ti.try_number += 1
            ti.state = TaskInstanceState.SCHEDULED
        session.commit()
        for ti in run.get_task_instances(state=[TaskInstanceState.SCHEDULED], session=session):
            _run_task(ti=ti, task=dag.task_dict[ti.task_id])
    return _finished(run, None)


def _finished(run: Any, staging_root: Path | None) -> Finished:
    from airflow.configuration import AIRFLOW_HOME

    return Finished(run, Staging(staging_root or Path(AIRFLOW_HOME) / "odp_staging", run.dag_id, run.run_id))
