"""An export in the whole of Airflow: scheduler, LocalExecutor, API server and dag-processor, as ``make up`` runs them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
from psycopg.rows import dict_row

from benchmarks.measure import BenchmarkError
from benchmarks.replicas import SCHEMA
from benchmarks.stages import CountError, check_counts
from benchmarks.workloads import WORKLOADS, Workload
from benchmarks.world import BenchmarkWorld
from sandbox.up import Airflow
from sandbox.world import LOGIN

_POLL_SECONDS = 0.5
_RUN_SECONDS = 1800
_SAMPLE_SECONDS = 0.1
_TASK_TITLE = re.compile(r"airflow worker -- ([0-9a-f-]{36})")


class SchedulerError(BenchmarkError):
    """Airflow did not do what it should have."""


@contextmanager
def scheduler(world: BenchmarkWorld) -> Iterator[Scheduler]:
    """
    Start a new Airflow, and wait until it knows the DAGs and has done the runs that it schedules by itself.

    :param world: a running world.
    """
    world.empty("airflow")
    world.empty_ledger()
    with Airflow(world):
        scheduler = Scheduler(world)
        scheduler.point_to(None)
        for workload in WORKLOADS.values():
            scheduler.unpause(workload.export_id)
        yield scheduler


class Scheduler:
    """
    A running Airflow.

    :param world: its world.
    """

    def __init__(self, world: BenchmarkWorld) -> None:
        self._world = world
        credentials = {"username": LOGIN[0], "password": LOGIN[1]}
        answer = httpx.post(f"{world.airflow_url}/auth/token", json=credentials, timeout=60).raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self._api = httpx.Client(base_url=f"{world.airflow_url}/api/v2", headers=headers, timeout=60)

    def point_to(self, replica: str | None) -> None:
        """
        Let the exports read a replica from now on.

        :param replica: its database; ``None`` for one without rows, which the first runs are scheduled on.
        """
        database = replica or self._world.replicas.replica(WORKLOADS["orders"], 1)
        url = urlsplit(self._world.dsn(database))
        connection = {
            "connection_id": "commerce_db",
            "conn_type": "postgres",
            "host": url.hostname,
            "port": url.port,
            "login": url.username,
            "schema": database,
            "extra": f'{{"options": "-c search_path={SCHEMA}"}}',
        }
        self._api.delete("/connections/commerce_db")
        self._api.post("/connections", json=connection).raise_for_status()

    def unpause(self, dag_id: str) -> None:
        """
        Switch a DAG on, and wait until the run that its schedule brings at once is done.

        :param dag_id: the DAG.
        """
        self._until(lambda: self._api.patch(f"/dags/{dag_id}", json={"is_paused": False}).status_code == 200, f"DAG {dag_id}")
        self._until(lambda: self._finished(dag_id, "scheduled"), f"the scheduled run of {dag_id}")

    def run(self, workload: Workload, rows: int) -> dict[str, Any]:
        """
        Run an export by hand, as from the UI, and measure it.

        :param workload: what is exported.
        :param rows: how many rows.
        :raises CountError: if not every row arrived.
        """
        world, dag_id = self._world, workload.export_id
        replica = world.replicas.replica(workload, rows)
        self.point_to(replica)
        world.empty_ledger()
        world.reset_sink()
        with _task_memory() as peaks:
            answer = self._api.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None}).raise_for_status()
            run_id = answer.json()["dag_run_id"]
            self._until(lambda: self._finished(dag_id, "manual"), f"run {run_id}")
        run, tasks = self._recorded(dag_id, run_id)
        if run["state"] != "success":
            raise SchedulerError(f"Run {run_id} of {dag_id} is {run['state']}; see {world.airflow_home}/logs")
        sink = world.sink_counts()
        check_counts(f"{dag_id} in Airflow", rows, sink, self._summary(dag_id, run_id))
        started = min(task["started_at"] for task in tasks if task["task"] == "extract")
        for task in tasks:
            task["peak_mb"] = peaks.get(task.pop("id"))
        if any(task["peak_mb"] is None for task in tasks if task["task"] != "reconcile"):
            raise CountError(f"The memory of a task of {dag_id} was not seen")
        return {
            "workload": workload.name,
            "rows": rows,
            "seconds": sink["last_at"] - started,
            "run_seconds": run["ended_at"] - run["queued_at"],
            "tasks": tasks,
            "sink": sink,
        }

    def _recorded(self, dag_id: str, run_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Read a run and its tasks from Airflow's own database."""
        with psycopg.connect(self._world.dsn("airflow"), row_factory=dict_row) as connection:
            run = connection.execute(
                "SELECT state, extract(epoch FROM queued_at)::float8 AS queued_at,"
                " extract(epoch FROM end_date)::float8 AS ended_at FROM dag_run WHERE dag_id = %s AND run_id = %s",
                (dag_id, run_id),
            ).fetchone()
            tasks = connection.execute(
                "SELECT id::text, task_id AS task, map_index, extract(epoch FROM start_date)::float8 AS started_at,"
                " extract(epoch FROM end_date)::float8 AS ended_at"
                " FROM task_instance WHERE dag_id = %s AND run_id = %s AND start_date IS NOT NULL ORDER BY start_date",
                (dag_id, run_id),
            ).fetchall()
        return run or {}, tasks

    def _summary(self, dag_id: str, run_id: str) -> dict[str, Any]:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/reconcile/xcomEntries/return_value"
        answer = self._api.get(path, params={"deserialize": True}).raise_for_status()
        return dict(answer.json()["value"])

    def _finished(self, dag_id: str, run_type: str) -> bool:
        answer = self._api.get(f"/dags/{dag_id}/dagRuns", params={"run_type": run_type, "limit": 50}).raise_for_status()
        states = [run["state"] for run in answer.json()["dag_runs"]]
        return bool(states) and all(state in ("success", "failed") for state in states)

    def _until(self, check: Any, what: str) -> None:
        deadline = time.monotonic() + _RUN_SECONDS
        while not check():
            if time.monotonic() > deadline:
                raise SchedulerError(f"{what} did not come within {_RUN_SECONDS} s; see {self._world.folder}/airflow.log")
            time.sleep(_POLL_SECONDS)


@contextmanager
def _task_memory() -> Iterator[dict[str, float]]:
    """Watch the processes of tasks, and yield the highest resident memory of each in MB, by the task instance's id."""
    peaks: dict[str, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            for process in psutil.process_iter():
                try:
                    found = _TASK_TITLE.match(" ".join(process.cmdline()))
                    if found:
                        status = Path(f"/proc/{process.pid}/status").read_text()
                        peaks[found[1]] = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
                except (psutil.Error, OSError, IndexError):
                    continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()
