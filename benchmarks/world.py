"""The world of the benchmarks: the sandbox's PostgreSQL and Airflow, with the sink in ODP's place."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg import sql

from benchmarks.measure import BenchmarkError
from benchmarks.replicas import SCHEMA, Replicas
from odp.create_ledger import create_ledger
from sandbox.postgres import HOST, SUPERUSER
from sandbox.world import PROJECT, World, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

KEY = "benchmarks.only-for-this-machine"
LEDGER = "odp_ledger"
UNPACED = {"profiles_per_second": 0, "objects_per_second": 0, "events_per_second": 0}


class BenchmarkWorld(World):
    """
    A world whose ODP is the sink. As a context manager it runs the services and stops them at the end.

    :param folder: where its state lives: replicas, staged files, logs, results.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.replicas = Replicas(self.postgres)
        self._staging = self.folder / "staging"
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        """Remove what earlier runs staged, and start PostgreSQL and the sink."""
        shutil.rmtree(self._staging, ignore_errors=True)
        return super().__enter__()

    def airflow_environment(self, **options: float) -> dict[str, str]:
        """
        Return the environment variables under which Airflow works against this world, but for the replica's connection.

        :param options: extras of the ODP connection, such as ``profiles_per_second=0``; without any, nothing is paced.
        """
        environment = super().airflow_environment()
        del environment["AIRFLOW_CONN_COMMERCE_DB"]
        extra = {**UNPACED, **options}
        connection = {"conn_type": "odp", "host": self.odp_url, "password": KEY, "extra": extra}
        # The sink cannot be read back from; all other settings are as a user has them who sets nothing.
        settings = {"staging": str(self._staging), "read_back_sample": 0}
        return {
            **environment,
            "AIRFLOW_CONN_ODP_DEFAULT": json.dumps(connection),
            "AIRFLOW_VAR_ODP_SETTINGS": json.dumps(settings),
        }

    def environment(self, replica: str, **options: float) -> dict[str, str]:
        """
        Return the environment variables under which an export runs against this world.

        :param replica: database of the replica that is read.
        :param options: extras of the ODP connection, such as ``profiles_per_second=0``; without any, nothing is paced.
        """
        connection = self.dsn(replica) + f"?options=-c%20search_path%3D{SCHEMA}"
        return {**self.airflow_environment(**options), "AIRFLOW_CONN_COMMERCE_DB": connection}

    def empty(self, database: str) -> None:
        """
        Create a database anew.

        :param database: its name.
        """
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        self.postgres.create_database(database)

    def empty_ledger(self) -> None:
        """Create the ledger anew."""
        self.empty(LEDGER)
        create_ledger({"host": HOST, "port": self.ports["postgres"], "user": SUPERUSER, "dbname": LEDGER})

    def reset_sink(self, latency_ms: float = 0) -> None:
        """
        Let the sink forget everything.

        :param latency_ms: milliseconds each of its answers takes from now on.
        """
        url = f"{self.odp_url}/_sink/reset?latency_ms={latency_ms:g}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60).close()

    def sink_counts(self) -> dict[str, Any]:
        """Return what the sink was sent since it was reset."""
        try:
            with urllib.request.urlopen(f"{self.odp_url}/_sink/counts", timeout=600) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"The sink cannot count what it was sent: {error.read().decode()}") from None

    def servers_cpu_seconds(self) -> dict[str, float]:
        """Return the processor seconds that PostgreSQL, ended sessions included, and the sink have used so far."""
        postmaster = psutil.Process(int((self.postgres.data_dir / "postmaster.pid").read_text().split("\n", 1)[0]))
        times = [postmaster.cpu_times()]
        for child in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                times.append(child.cpu_times())
        # A postmaster's children_* hold the sessions that have ended.
        postgres = sum(one.user + one.system + one.children_user + one.children_system for one in times)
        sink = psutil.Process(self._odp.pid).cpu_times() if self._odp else None
        return {"postgres": postgres, "sink": sink.user + sink.system if sink else 0.0}

    def _start_odp(self) -> None:
        log = self.logs / "sink.log"
        self._odp = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sink", "--port", str(self.ports["odp"])],
            cwd=PROJECT,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
        )
        wait_for(f"{self.odp_url}/healthz", 30, self._odp, log)
