"""The project's own figures: each stage alone, and an export from end to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import measure
from benchmarks.tasks import TaskRun, run_task, task_processes
from benchmarks.workloads import Workload
from benchmarks.world import BenchmarkWorld


class CountError(RuntimeError):
    """A run did not deliver exactly what it should have, so its figures are worth nothing."""


def check_counts(name: str, rows: int, sink: dict[str, Any], summary: dict[str, Any] | None = None) -> None:
    """
    Make sure that every row arrived, once.

    :param name: the run, for the message.
    :param rows: how many items should have come.
    :param sink: what the sink counted.
    :param summary: the accounting of the project's own run, which must say the same.
    :raises CountError: if anything differs.
    """
    found = {"items": sink["items"], "unique": sink["unique"], "refused": sink["refused"]}
    wanted = {"items": rows, "unique": rows, "refused": 0}
    if summary is not None:
        found |= {name: summary[name] for name in ("extracted", "delivered", "unchanged", "rejected", "uncertain")}
        wanted |= {"extracted": summary["extracted"], "delivered": rows, "rejected": 0, "uncertain": 0}
        wanted["unchanged"] = summary["extracted"] - rows
    if found != wanted:
        raise CountError(f"{name}: {rows} rows should have arrived, but {found}")
    if sink["largest"] > 500:
        raise CountError(f"{name}: a request held {sink['largest']} items; ODP takes 500")


@dataclass(frozen=True)
class Stage:
    """
    What one stage cost, its tasks one after the other, each in a process of its own.

    :param seconds: sum of its tasks' times.
    :param cpu_seconds: sum of their processor times.
    :param peak_mb: memory of the biggest.
    :param start_mb: of that, what the imports take, Airflow's included.
    :param tasks: number of tasks.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    start_mb: float
    tasks: int

    @classmethod
    def of(cls, tasks: Iterable[TaskRun]) -> Stage:
        """Add tasks up."""
        tasks = list(tasks)
        return cls(
            sum(task.seconds for task in tasks),
            sum(task.cpu_seconds for task in tasks),
            max(task.peak_mb for task in tasks),
            max(task.start_mb for task in tasks),
            len(tasks),
        )


def measure_stages(
    world: BenchmarkWorld, workload: Workload, rows: int, *, latency_ms: float = 0, **options: float
) -> dict[str, Any]:
    """
    Measure extract, transform and load alone, each task in a new process, one at a time.

    :param world: a running world.
    :param workload: what is exported.
    :param rows: how many rows.
    :param latency_ms: milliseconds that each of the sink's answers takes.
    :param options: extras of the ODP connection; without any, nothing is paced.
    :raises CountError: if not every row arrived.
    """
    environment = world.environment(world.replicas.replica(workload, rows), **options)
    world.empty_ledger()
    world.reset_sink(latency_ms)
    run_id = f"stages-{rows}"
    log = world.logs / f"{workload.name}-{run_id}.log"

    def task(stage: str, **fields: Any) -> TaskRun:
        with task_processes(1, environment, log) as pool:
            return pool.submit(run_task, stage, workload.export_id, run_id, **fields).result()

    extract = task("extract")
    transforms = [task("transform", part=part) for part in extract.result]
    loads = [task("load", transformed=transform.result) for transform in transforms]
    counts = {"transformed": [one.result for one in transforms], "loaded": [one.result for one in loads]}
    summary = task("reconcile", **counts).result
    sink = world.sink_counts()
    check_counts(f"stages of {workload.name}", rows, sink, summary)
    stages = {"extract": [extract], "transform": transforms, "load": loads}
    return {
        "workload": workload.name,
        "rows": rows,
        "latency_ms": latency_ms,
        "options": options,
        "stages": {name: asdict(Stage.of(tasks)) for name, tasks in stages.items()},
        "sink": sink,
    }


def measure_end_to_end(
    world: BenchmarkWorld,
    workload: Workload,
    rows: int,
    *,
    processes: int,
    latency_ms: float = 0,
    again: bool = False,
    **options: float,
) -> dict[str, Any]:
    """
    Measure a run of an export from end to end, without Airflow's scheduler.

    :param world: a running world.
    :param workload: what is exported.
    :param rows: how many rows.
    :param processes: how many tasks run at a time.
    :param latency_ms: milliseconds that each of the sink's answers takes.
    :param again: repeat the run before, of whose rows none has changed, instead of starting with an empty ledger.
    :param options: extras of the ODP connection; without any, nothing is paced.
    :raises CountError: if not every row arrived; or, of a repeated run, any.
    """
    environment = world.environment(world.replicas.replica(workload, rows), **options)
    if not again:
        world.empty_ledger()
    world.reset_sink(latency_ms)
    run_id = f"run-{rows}-{'again' if again else 'first'}"
    name = f"{workload.name}-{run_id}"
    log = world.logs / f"{name}.log"
    command = [sys.executable, "-m", "benchmarks.export", workload.export_id, run_id, "--log", str(log)]
    measured = measure([*command, "--processes", str(processes)], environment, log=log)
    run = json.loads(measured.output)
    sink = world.sink_counts()
    check_counts(name, 0 if again else rows, sink, run["summary"])
    if run["summary"]["extracted"] != rows:
        raise CountError(f"{name}: {rows} rows should have been extracted, not {run['summary']['extracted']}")
    return {
        "workload": workload.name,
        "rows": rows,
        "processes": processes,
        "latency_ms": latency_ms,
        "again": again,
        "options": options,
        **run,
        "wall_seconds": measured.wall_seconds,
        "cpu_seconds": measured.cpu_seconds,
        "tree_peak_mb": measured.peak_mb,
        "sink": sink,
    }
