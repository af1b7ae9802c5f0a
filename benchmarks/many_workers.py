"""
An export on two Celery workers with staging on S3: who did what, and whether all arrived, also if one worker is killed.

    python -m benchmarks.many_workers                     # accounts, as fast as it goes
    python -m benchmarks.many_workers --paced --kill      # profiles at ODP's limit, one worker killed half-way

It is not part of ``make bench``: Redis, S3 (moto's server), PostgreSQL, Airflow and both workers share this machine, so that its
times are those of a crowded machine. Its counts are what it is for.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import psutil
import psycopg

from benchmarks.__main__ import FOLDER
from benchmarks.measure import BenchmarkError
from benchmarks.workloads import CUSTOMERS, PROFILES, Workload
from benchmarks.world import LEDGER, BenchmarkWorld
from sandbox.cluster import Cluster

_PROFILE_LIMIT = 10.0
_PAUSE_SECONDS = 1.0
# Airflow finds a lost worker after five minutes by default.
_HEARTBEAT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_workers", description="An export on two Celery workers.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--paced", action="store_true", help=f"profiles at {_PROFILE_LIMIT:g} requests a second, not accounts")
    parser.add_argument("--kill", action="store_true", help="kill a worker when half of the rows are delivered")
    given = parser.parse_args()
    workload = PROFILES if given.paced else CUSTOMERS
    with BenchmarkWorld(FOLDER) as world:
        replica = world.replicas.replica(workload, given.rows)
        world.empty("airflow")
        world.empty_ledger()
        world.reset_sink()
        environment = world.environment(replica, profiles_per_second=_PROFILE_LIMIT)
        connections = {name: value for name, value in environment.items() if name.startswith("AIRFLOW_CONN_")}
        with Cluster(world, settings={"read_back_sample": 0}, environment={**connections, **_HEARTBEAT}) as cluster:
            began = time.monotonic()
            run_id = cluster.trigger(workload.export_id)
            killed = None
            while (state := cluster.state(workload.export_id, run_id)) not in ("success", "failed"):
                time.sleep(_PAUSE_SECONDS)
                if given.kill and killed is None and _delivered(world) >= given.rows / 2:
                    killed = _running(cluster, workload, run_id)
                    cluster.workers["worker-1"].kill()
            seconds = time.monotonic() - began
            if state != "success":
                raise BenchmarkError(f"Run {run_id} is {state}; see {world.airflow_home}/logs")
            _report(world, cluster, workload, run_id, seconds, killed)


def _delivered(world: BenchmarkWorld) -> int:
    with psycopg.connect(world.dsn(LEDGER)) as connection:
        row = connection.execute("SELECT coalesce(sum(delivered), 0) FROM run_part").fetchone()
    return int(row[0]) if row else 0


def _running(cluster: Cluster, workload: Workload, run_id: str) -> list[str]:
    return [_name(task) for task in cluster.tasks(workload.export_id, run_id) if _is_on(task, "worker-1")]


def _is_on(task: dict[str, Any], worker: str) -> bool:
    return (task["state"], task["hostname"]) == ("running", worker)


def _name(task: dict[str, Any]) -> str:
    return task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def _report(
    world: BenchmarkWorld, cluster: Cluster, workload: Workload, run_id: str, seconds: float, killed: list[str] | None
) -> None:
    """Print what happened; an error if anything is lost."""
    tasks = cluster.tasks(workload.export_id, run_id)
    summary = cluster.summary(workload.export_id, run_id)
    sink = world.sink_counts()
    for stage in ("extract", "transform", "load", "reconcile"):
        own = [task for task in tasks if task["task_id"] == stage]
        workers = Counter(task["hostname"] for task in own)
        times = sorted(task["duration"] for task in own)
        print(f"{stage:<10} {dict(workers)}, {times[0]:.1f} to {times[-1]:.1f} s a task")
    print(f"killed: {killed}; tried again: {[_name(task) for task in tasks if task['try_number'] > 1]}")
    rate = sink["requests"] / (sink["last_at"] - sink["first_at"])
    print(f"{summary['extracted']:,} extracted = {summary['delivered']:,} delivered + {summary['skipped']:,} skipped")
    print(f"arrived: {sink['unique']:,} different items of {sink['items']:,}, {sink['requests']:,} requests, {rate:.2f} a second")
    print(f"{seconds:.0f} s in all, load average {psutil.getloadavg()[0]:.1f}")
    if not summary["delivered"] == sink["unique"] == summary["extracted"] - summary["skipped"]:
        raise BenchmarkError("The counts do not agree.")


if __name__ == "__main__":
    main()
