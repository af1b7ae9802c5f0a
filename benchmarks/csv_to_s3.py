"""
The two transports side by side: the REST API (the sink in ODP's place) and CSV files (moto's S3 in the bucket's place).

    python -m benchmarks.csv_to_s3 --rows 200000

It is not part of ``make bench``. It measures the exports' own work: how long ODP takes to import a file, nobody publishes.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.__main__ import FOLDER
from benchmarks.measure import BenchmarkError
from benchmarks.tasks import TaskRun, run_task, task_processes
from benchmarks.workloads import CUSTOMERS, ORDERS, PRODUCTS, PROFILES, Workload
from benchmarks.world import BenchmarkWorld
from sandbox.s3 import S3Server

_PROFILES_PER_SECOND = 10


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.csv_to_s3", description="REST and CSV side by side.")
    parser.add_argument("--rows", type=int, default=200_000)
    given = parser.parse_args()
    columns = ["Export", "Transport", "Rows", "Requests or files", "Rows by REST", "MB sent", "transform, CPU s", "load, CPU s"]
    columns += ["load, s", "Peak MB"]
    print("|", " | ".join(columns), "|")
    print("|---" * len(columns) + "|")
    with BenchmarkWorld(FOLDER) as world, S3Server("zaius-incoming") as s3:
        for workload in (PROFILES, CUSTOMERS, PRODUCTS, ORDERS):
            for transport in ("rest", "csv"):
                print(_row(_measure(world, s3, workload, workload.rows(given.rows), transport)), flush=True)


def _measure(world: BenchmarkWorld, s3: S3Server, workload: Workload, rows: int, transport: str) -> dict[str, Any]:
    environment = world.environment(world.replicas.replica(workload, rows), profiles_per_second=_PROFILES_PER_SECOND)
    settings = json.loads(environment["AIRFLOW_VAR_ODP_SETTINGS"])
    tracker_id = f"{workload.name}-{transport}"
    settings |= {
        "exports": {workload.export_id: {"transport": transport}},
        "csv": {"bucket": s3.bucket, "tracker_id": tracker_id},
    }
    environment |= {"AIRFLOW_VAR_ODP_SETTINGS": json.dumps(settings), "AIRFLOW_CONN_AWS_DEFAULT": s3.connection}
    world.empty_ledger()
    world.reset_sink()
    tasks: dict[str, list[TaskRun]] = {"transform": [], "load": []}

    def task(stage: str, **fields: Any) -> Any:
        with task_processes(1, environment, world.logs / f"csv-{workload.name}-{transport}.log") as pool:
            done: TaskRun = pool.submit(run_task, stage, workload.export_id, f"{transport}-{rows}", **fields).result()
        tasks.setdefault(stage, []).append(done)
        return done.result

    transformed = [task("transform", part=part) for part in task("extract")]
    loaded = [task("load", transformed=part) for part in transformed]
    summary = task("reconcile", transformed=transformed, loaded=loaded)
    if summary["delivered"] != rows:
        raise BenchmarkError(f"{workload.name}: {rows} rows should have been delivered, not {summary['delivered']}")
    sink = world.sink_counts()
    keys = s3.keys(f"{tracker_id}/")
    sizes = [s3.client.head_object(Bucket=s3.bucket, Key=key)["ContentLength"] for key in keys]
    return {
        "export": workload.name,
        "transport": transport,
        "rows": rows,
        "sent": len(keys) if transport == "csv" else sink["requests"],
        "by_rest": sink["items"],
        "mb": (sum(sizes) + sink["bytes"]) / 1e6,
        "transform": sum(run.cpu_seconds for run in tasks["transform"]),
        "load": sum(run.cpu_seconds for run in tasks["load"]),
        "load_seconds": sum(run.seconds for run in tasks["load"]),
        "peak": max(run.peak_mb for runs in tasks.values() for run in runs),
    }


def _row(measured: dict[str, Any]) -> str:
    m = measured
    return (
        f"| {m['export']} | {m['transport']} | {m['rows']:,} | {m['sent']:,} | {m['by_rest']:,} | {m['mb']:.0f} "
        f"| {m['transform']:.1f} | {m['load']:.1f} | {m['load_seconds']:.1f} | {m['peak']:.0f} |"
    )


if __name__ == "__main__":
    main()
