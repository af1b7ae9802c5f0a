"""``python -m benchmarks.export EXPORT_ID RUN_ID``: an export without Airflow's scheduler; prints its figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks.tasks import run_export, task_processes


def main() -> None:
    """Run an export against the connections that the environment names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export")
    parser.add_argument("export_id")
    parser.add_argument("run_id")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="tasks at a time")
    parser.add_argument("--log", type=Path, required=True, help="file that the tasks' output is added to")
    arguments = parser.parse_args()
    with task_processes(arguments.processes, {}, arguments.log) as pool:
        run = run_export(pool, arguments.export_id, arguments.run_id)
    tasks = {
        "extract": [run.extract],
        "transform": run.transforms,
        "load": run.loads,
        "reconcile": [run.reconcile],
    }
    figures = {
        "seconds": run.seconds,
        "summary": run.summary,
        "tasks": {name: [task.as_dict() for task in runs] for name, runs in tasks.items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
