"""
The tasks of an export without Airflow around them: its operators, run in processes of their own.

What is timed is the operator's work, with all it does in a real task: ledger, contracts, staging, accounting. The start of
the process and its imports are not.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.measure import peak_rss_mb

_READY_SECONDS = 120


@dataclass(frozen=True)
class TaskRun:
    """
    What a task cost.

    :param started_at: epoch seconds.
    :param ended_at: epoch seconds.
    :param cpu_seconds: processor time of the process in that time.
    :param peak_mb: highest resident memory its process has had, Airflow's own modules included.
    :param start_mb: resident memory before the task, which is what the imports take.
    :param result: what the task returned.
    """

    started_at: float
    ended_at: float
    cpu_seconds: float
    peak_mb: float
    start_mb: float
    result: Any

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_at - self.started_at

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the result."""
        return {name: value for name, value in asdict(self).items() if name != "result"}


@contextmanager
def task_processes(count: int, environment: Mapping[str, str], log: Path) -> Iterator[Executor]:
    """
    Start processes for tasks and wait until they have imported everything.

    :param count: number of processes.
    :param environment: environment variables on top of this process's own.
    :param log: file that their output is added to.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(count + 1)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_prepare, initargs=(dict(environment), log, ready)) as pool:
        for _ in range(count):  # each starts one more process, as none of them is done before all are ready
            pool.submit(os.getpid)
        ready.wait(_READY_SECONDS)
        yield pool


def _prepare(environment: Mapping[str, str], log: Path, ready: Any) -> None:
    with log.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.environ.update(environment)
    import_everything()
    ready.wait()


def import_everything() -> None:
    """Import what tasks import when they run, so that this is not timed."""
    import odp.core
    import odp.hooks
    import odp.operators

    for package in (odp.core, odp.hooks, odp.operators):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    importlib.import_module("airflow.providers.postgres.hooks.postgres")


def run_task(stage: str, export_id: str, run_id: str, **fields: Any) -> TaskRun:
    """
    Run one task in this process.

    :param stage: extract, transform, load or reconcile.
    :param export_id: the export's DAG.
    :param run_id: the run.
    :param fields: what Airflow would render into the operator: ``part``, ``transformed``, ``loaded``.
    """
    operator = _operator(stage, export_id, fields)
    moment = datetime.now(timezone.utc)
    context: Any = {
        "dag": SimpleNamespace(dag_id=export_id),
        "dag_run": SimpleNamespace(start_date=moment, run_after=moment),
        "run_id": run_id,
        "params": {},
    }
    start_mb = peak_rss_mb()
    cpu_before, started_at = time.process_time(), time.time()
    result = operator.run_stage(context)
    return TaskRun(started_at, time.time(), time.process_time() - cpu_before, peak_rss_mb(), start_mb, result)


def _operator(stage: str, export_id: str, fields: Mapping[str, Any]) -> Any:
    from odp.core.exports import get_export
    from odp.operators.extract import CommerceExtractOperator
    from odp.operators.load import OdpLoadOperator
    from odp.operators.reconcile import OdpReconcileOperator
    from odp.operators.transform import OdpTransformOperator
    from odp.sql_files import SQL_DIR

    shared = {"task_id": stage, "export_id": export_id}
    if stage == "extract":
        export = get_export(export_id)
        return CommerceExtractOperator(
            **shared,
            sql=Path(SQL_DIR, export.sql).read_text(encoding="utf-8"),
            lookups={name: Path(SQL_DIR, file).read_text(encoding="utf-8") for name, file in export.lookups.items()},
            window_start="-infinity",
            window_end="infinity",
        )
    operators: dict[str, Any] = {"transform": OdpTransformOperator, "load": OdpLoadOperator, "reconcile": OdpReconcileOperator}
    return operators[stage](**shared, **fields)


@dataclass(frozen=True)
class ExportRun:
    """
    The tasks of one run of an export.

    :param extract: the one extract task.
    :param transforms: one task a part.
    :param loads: one task a part.
    :param reconcile: the one reconcile task.
    """

    extract: TaskRun
    transforms: list[TaskRun]
    loads: list[TaskRun]
    reconcile: TaskRun

    @property
    def seconds(self) -> float:
        """From the first row read to the last answer of ODP."""
        return max([task.ended_at for task in (*self.transforms, *self.loads)], default=self.extract.ended_at) - (
            self.extract.started_at
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The accounting of the run, as reconcile returned it."""
        return dict(self.reconcile.result)


def run_export(pool: Executor, export_id: str, run_id: str) -> ExportRun:
    """
    Run an export as Airflow would: extract, then a transform for each part, then a load for each, then reconcile.

    :param pool: where the tasks run; as many at a time as it has processes.
    :param export_id: the export's DAG.
    :param run_id: the run.
    """

    def mapped(stage: str, field: str, values: Iterable[Any]) -> list[TaskRun]:
        futures = [pool.submit(run_task, stage, export_id, run_id, **{field: value}) for value in values]
        return [future.result() for future in futures]

    extract = pool.submit(run_task, "extract", export_id, run_id).result()
    transforms = mapped("transform", "part", extract.result)
    loads = mapped("load", "transformed", [task.result for task in transforms])
    counts = {"transformed": [task.result for task in transforms], "loaded": [task.result for task in loads]}
    reconcile = pool.submit(run_task, "reconcile", export_id, run_id, **counts).result()
    return ExportRun(extract, transforms, loads, reconcile)
