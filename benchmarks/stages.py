"""The project's own figures: each stage alone, and an export from end to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import BenchmarkError, measure
from benchmarks.tasks import TaskRun, run_task, task_processes
from benchmarks.workloads import Workload
from benchmarks.world import BenchmarkWorld


class CountError(BenchmarkError):
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


@dataclass
class Stage:
    """
    What one stage cost, each of its tasks in a process of its own.

    :param seconds: time in which its tasks ran, a few at a time.
    :param cpu_seconds: sum of their processor times.
    :param postgres_cpu_seconds: processor time of PostgreSQL, replica and ledger together, in that time.
    :param sink_cpu_seconds: processor time of the sink in that time.
    :param peak_mb: memory of the biggest task.
    :param start_mb: of that, what the imports take, Airflow's included.
    :param tasks: number of tasks.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    postgres_cpu_seconds: float = 0.0
    sink_cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    start_mb: float = 0.0
    tasks: int = 0

    def add(self, tasks: Sequence[TaskRun], servers: Mapping[str, float]) -> None:
        """
        Add tasks that ran at the same time.

        :param tasks: what they cost.
        :param servers: processor seconds of PostgreSQL and of the sink meanwhile.
        """
        self.seconds += max(task.ended_at for task in tasks) - min(task.started_at for task in tasks)
        self.cpu_seconds += sum(task.cpu_seconds for task in tasks)
        self.postgres_cpu_seconds += servers["postgres"]
        self.sink_cpu_seconds += servers["sink"]
        self.peak_mb = max(self.peak_mb, *(task.peak_mb for task in tasks))
        self.start_mb = max(self.start_mb, *(task.start_mb for task in tasks))
        self.tasks += len(tasks)


def measure_stages(
    world: BenchmarkWorld, workload: Workload, rows: int, *, processes: int = 1, latency_ms: float = 0, **options: float
) -> dict[str, Any]:
    """
    Measure extract, transform and load alone, each task in a new process.

    :param world: a running world.
    :param workload: what is exported.
    :param rows: how many rows.
    :param processes: how many tasks of a stage run at a time.
    :param latency_ms: milliseconds that each of the sink's answers takes.
    :param options: extras of the ODP connection; without any, nothing is paced.
    :raises CountError: if not every row arrived.
    """
    environment = world.environment(world.replicas.replica(workload, rows), **options)
    world.empty_ledger()
    world.reset_sink(latency_ms)
    run_id = f"stages-{rows}"
    log = world.logs / f"{workload.name}-{run_id}.log"

    stages = {name: Stage() for name in ("extract", "transform", "load", "reconcile")}

    def run(stage: str, *fields: Mapping[str, Any]) -> list[Any]:
        results = []
        for first in range(0, len(fields), processes):
            at_a_time = fields[first : first + processes]
            with task_processes(len(at_a_time), environment, log) as pool:
                before = world.servers_cpu_seconds()
                futures = [pool.submit(run_task, stage, workload.export_id, run_id, **one) for one in at_a_time]
                tasks: list[TaskRun] = [future.result() for future in futures]
                after = world.servers_cpu_seconds()
            stages[stage].add(tasks, {name: after[name] - before[name] for name in after})
            results += [task.result for task in tasks]
        return results

    [parts] = run("extract", {})
    transformed = run("transform", *({"part": part} for part in parts))
    loaded = run("load", *({"transformed": part} for part in transformed))
    [summary] = run("reconcile", {"transformed": transformed, "loaded": loaded})
    sink = world.sink_counts()
    check_counts(f"stages of {workload.name}", rows, sink, summary)
    return {
        "workload": workload.name,
        "rows": rows,
        "processes": processes,
        "latency_ms": latency_ms,
        "options": options,
        "stages": {name: asdict(stage) for name, stage in stages.items()},
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
