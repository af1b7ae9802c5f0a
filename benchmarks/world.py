"""The world of the benchmarks: the sandbox's PostgreSQL and Airflow, with the sink in ODP's place."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.replicas import SCHEMA, Replicas
from odp.create_ledger import create_ledger
from sandbox.postgres import HOST, SUPERUSER
from sandbox.world import PROJECT, World, wait_for

KEY = "benchmarks.only-for-this-machine"
LEDGER = "odp_ledger"


class BenchmarkWorld(World):
    """
    A world whose ODP is the sink. As a context manager it runs the services and stops them at the end.

    :param folder: where its state lives: replicas, staged files, logs, results.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.replicas = Replicas(self.postgres)
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    def connections(self, replica: str, **options: float) -> dict[str, str]:
        """
        Return the environment variables of the connections of a run.

        :param replica: database of the replica that is read.
        :param options: extras of the ODP connection, such as ``profiles_per_second=0``.
        """
        connection = {"conn_type": "odp", "host": self.odp_url, "password": KEY, "extra": options}
        return {
            "AIRFLOW_CONN_COMMERCE_DB": self.dsn(replica) + f"?options=-c%20search_path%3D{SCHEMA}",
            "AIRFLOW_CONN_ODP_LEDGER": self.dsn(LEDGER),
            "AIRFLOW_CONN_ODP_DEFAULT": json.dumps(connection),
        }

    def environment(self, replica: str, **options: float) -> dict[str, str]:
        """
        Return the environment variables under which the exports run against this world.

        :param replica: database of the replica that is read.
        :param options: extras of the ODP connection, such as ``profiles_per_second=0``.
        """
        # The sink cannot be read back from; everything else is as a user has it who sets nothing.
        settings = {"staging": str(self.folder / "staging"), "read_back_sample": 0}
        return {
            **self.airflow_environment(),
            **self.connections(replica, **options),
            "AIRFLOW_VAR_ODP_SETTINGS": json.dumps(settings),
        }

    def empty_ledger(self) -> None:
        """Create the ledger anew."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(LEDGER)))
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
            raise RuntimeError(f"The sink cannot count what it was sent: {error.read().decode()}") from None

    def _start_odp(self) -> None:
        log = self.logs / "sink.log"
        self._odp = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sink", "--port", str(self.ports["odp"])],
            cwd=PROJECT,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
        )
        wait_for(f"{self.odp_url}/healthz", 30, self._odp, log)
