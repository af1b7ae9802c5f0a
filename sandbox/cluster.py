"""Airflow on Celery workers with staging on S3: what many machines would run, on this one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from sandbox import hostname
from sandbox.programs import Program
from sandbox.redis import RedisServer
from sandbox.s3 import S3Server
from sandbox.world import LOGIN, PROJECT, World, wait_for

_HEALTHY_SECONDS = 240
_AIRFLOW = str(Path(sys.executable).parent / "airflow")


class Cluster:
    """
    Redis, S3, API server, scheduler and Celery workers around a world; as a context manager they run and then stop.

    Schedules are off: only what is triggered runs.

    :param world: a running world.
    :param workers: number of workers, called ``worker-1`` and so on.
    :param concurrency: tasks that a worker runs at a time.
    :param dags: folder of the DAG files.
    :param settings: the Variable ``odp_settings``; ``staging`` is added.
    :param environment: more environment variables of all parts.
    """

    def __init__(
        self,
        world: World,
        *,
        workers: int = 2,
        concurrency: int = 2,
        dags: Path = PROJECT / "dags",
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.world = world
        self.redis = RedisServer(world.folder)
        self.s3 = S3Server()
        self.workers: dict[str, Program] = {}
        self._names = [f"worker-{number}" for number in range(1, workers + 1)]
        self._concurrency = concurrency
        self._dags = dags
        self._settings = dict(settings or {})
        self._more_environment = dict(environment or {})
        self._running = ExitStack()

    def environment(self) -> dict[str, str]:
        """Return the environment variables of all parts of Airflow."""
        database = self.world.dsn("airflow").replace("://", "+psycopg2://", 1)
        return {
            **self.world.airflow_environment(),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__PARALLELISM": "32",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "sandbox.hostname.hostname",
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "AIRFLOW__CELERY__BROKER_URL": self.redis.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(self._concurrency),
            "AIRFLOW_CONN_AWS_DEFAULT": self.s3.connection,
            "AIRFLOW_VAR_ODP_SETTINGS": json.dumps({**self._settings, "staging": f"s3://aws_default@{self.s3.bucket}/odp"}),
            "PYTHONPATH": str(PROJECT),
            **self._more_environment,
        }

    def __enter__(self) -> Cluster:
        """Start all parts."""
        try:
            self._running.enter_context(self.redis)
            self._running.enter_context(self.s3)
            for name in self._names:
                options = ["--celery-hostname", f"{name}@%h", "--without-mingle", "--without-gossip", "--skip-serve-logs"]
                self.workers[name] = self._start(name, "celery", "worker", *options)
            self.world.migrate()  # while the workers start
            api = self._start("api-server", "api-server")
            self.world.run("airflow", "dags", "reserialize", environment=self.environment())
            self._start("scheduler", "scheduler")
            wait_for(f"{self.world.airflow_url}/api/v2/monitor/health", _HEALTHY_SECONDS, api.process, api.log)
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """End all parts at once; nothing is kept, so none needs the time to end by itself."""
        self._running.close()

    def _start(self, name: str, *arguments: str) -> Program:
        environment = {**self.environment(), hostname.VARIABLE: name}
        program = Program([_AIRFLOW, *arguments], environment, self.world.folder / f"{name}.log").start()
        self._running.callback(program.kill)
        return program

    @cached_property
    def api(self) -> httpx.Client:
        """Airflow's REST API, as the user who logged in."""
        login = {"username": LOGIN[0], "password": LOGIN[1]}
        answer = httpx.post(f"{self.world.airflow_url}/auth/token", json=login, timeout=60).raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        client = httpx.Client(base_url=f"{self.world.airflow_url}/api/v2", headers=headers, timeout=60)
        return self._running.enter_context(client)

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """
        Start a run of a DAG, and return its id.

        :param dag_id: the DAG.
        :param conf: the run's parameters.
        """
        body = {"logical_date": None, "conf": conf}
        return str(self.api.post(f"/dags/{dag_id}/dagRuns", json=body).raise_for_status().json()["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, as the API describes them."""
        url = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        first = self.api.get(url, params={"limit": 1}).raise_for_status().json()
        found: list[dict[str, Any]] = []
        while len(found) < first["total_entries"]:
            page = self.api.get(url, params={"limit": 100, "offset": len(found)}).raise_for_status().json()
            found += page["task_instances"]
        return found

    def summary(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what reconcile returned."""
        url = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/reconcile/xcomEntries/return_value"
        value = self.api.get(url).raise_for_status().json()["value"]
        return dict(value if isinstance(value, dict) else json.loads(value))
