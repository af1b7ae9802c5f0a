"""
The local world of the demo, of ``make up`` and of the tests: a Commerce replica, an ODP, and Airflow's settings for both.

Everything of a world lives in one folder. Ports are chosen once and remembered there, so that ``make env`` can name them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sandbox.postgres import PostgresServer

if TYPE_CHECKING:
    from typing_extensions import Self

PROJECT = Path(__file__).resolve().parents[1]
SANDBOX_KEY = "sandbox.only-for-this-machine"
LOGIN = ("admin", "admin")

WELL_KNOWN_PORTS = {"postgres": 5433, "odp": 8090, "airflow": 8080, "worker_log": 8793, "trigger_log": 8794}


@dataclass(frozen=True)
class Sizes:
    """
    How much data the replica is filled with.

    :param customers: number of Commerce customers.
    :param orders: number of orders, carts included.
    """

    customers: int = 1_000
    orders: int = 3_000


class World:
    """
    A world in a folder. As a context manager it runs the services and stops them at the end.

    :param folder: where its state lives; created when missing.
    :param preferred_ports: ports to take where they are free. Worlds that are made at the same time need different ones, so
        any free ports are taken by default.
    :param odp_extra: extra of the connection to the sandbox ODP.
    """

    def __init__(
        self, folder: Path, preferred_ports: Mapping[str, int] | None = None, odp_extra: Mapping[str, Any] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._odp_extra = dict(odp_extra or {})
        self._preferred_ports = preferred_ports or dict.fromkeys(WELL_KNOWN_PORTS, 0)
        self.airflow_home = self.folder / "airflow"
        self.postgres = PostgresServer(self.folder / "postgres", self.ports["postgres"])
        self._odp: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start PostgreSQL and the sandbox ODP."""
        self.airflow_home.mkdir(parents=True, exist_ok=True)
        self.postgres.start()
        try:
            for database in ("commerce", "airflow", "odp_ledger"):
                self.postgres.create_database(database)
            self._start_odp()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop both."""
        self.stop()

    def stop(self) -> None:
        """Stop the sandbox ODP and PostgreSQL; nothing is left running."""
        if self._odp:
            self._odp.terminate()
            self._odp.wait(10)
            self._odp = None
        self.postgres.stop()

    @property
    def ports(self) -> dict[str, int]:
        """The world's ports, chosen on first use and kept."""
        remembered = self.folder / "ports.json"
        if remembered.exists():
            return dict(json.loads(remembered.read_text()))
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:  # until all are chosen, so that none is chosen twice
            ports = {name: free_port(port, held) for name, port in self._preferred_ports.items()}
        remembered.write_text(json.dumps(ports))
        return ports

    def dsn(self, database: str) -> str:
        """
        Return the connection string of one of the world's databases, whether or not its server runs.

        :param database: its name.
        """
        return f"postgresql://postgres@127.0.0.1:{self.ports['postgres']}/{database}"

    @property
    def odp_url(self) -> str:
        """Address of the sandbox ODP."""
        return f"http://127.0.0.1:{self.ports['odp']}"

    @property
    def airflow_url(self) -> str:
        """Address of Airflow's UI."""
        return f"http://localhost:{self.ports['airflow']}"

    def airflow_environment(self) -> dict[str, str]:
        """Return the environment variables under which Airflow works against this world."""
        ports = self.ports
        odp = {"conn_type": "odp", "host": self.odp_url, "password": SANDBOX_KEY, "extra": self._odp_extra}
        passwords = self.airflow_home / "passwords.json"
        self.airflow_home.mkdir(parents=True, exist_ok=True)
        passwords.write_text(json.dumps({LOGIN[0]: LOGIN[1]}))
        return {
            "AIRFLOW_HOME": str(self.airflow_home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            # Keys of a world that only this machine reaches; fixed, so that all its processes and restarts agree.
            "AIRFLOW__CORE__FERNET_KEY": "c2FuZGJveC1vbmx5LWZvci10aGlzLW1hY2hpbmUtMDA=",
            "AIRFLOW__API__SECRET_KEY": "sandbox-only-for-this-machine",
            "AIRFLOW__API_AUTH__JWT_SECRET": "sandbox-only-for-this-machine-and-long-enough-to-sign-with-sha512",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{LOGIN[0]}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.dsn("airflow").replace("://", "+psycopg2://", 1),
            "AIRFLOW__API__PORT": str(ports["airflow"]),
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports["worker_log"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports["trigger_log"]),
            "AIRFLOW_CONN_COMMERCE_DB": self.dsn("commerce") + "?options=-c%20search_path%3Ddbo",
            "AIRFLOW_CONN_ODP_LEDGER": self.dsn("odp_ledger"),
            "AIRFLOW_CONN_ODP_DEFAULT": json.dumps(odp),
        }

    def migrate(self) -> None:
        """Create or migrate the ledger and Airflow's metadata database."""
        self.run("python", "-m", "odp.create_ledger")
        self.run("airflow", "db", "migrate")

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """
        Run a command of the virtual environment against this world.

        :param command: the command and its arguments; its output is shown only if it fails.
        :param environment: environment variables on top of the world's.
        """
        result = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            env={**os.environ, **self.airflow_environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout}")

    def fill_replica(self, sizes: Sizes) -> None:
        """
        Create the replica's tables and fill them.

        :param sizes: how much data.
        """
        from sandbox.commerce import generate

        generate(self.dsn("commerce"), customers=sizes.customers, orders=sizes.orders, seed=1)

    def has_replica(self) -> bool:
        """Whether the replica was filled before."""
        import psycopg

        with psycopg.connect(self.dsn("commerce")) as connection:
            row = connection.execute("SELECT to_regclass('dbo.customerorder') IS NOT NULL").fetchone()
        return bool(row and row[0])

    def odp_counts(self) -> dict[str, Any]:
        """Return what the sandbox ODP holds."""
        with urllib.request.urlopen(f"{self.odp_url}/_sandbox/counts", timeout=10) as answer:
            return dict(json.load(answer))

    def _start_odp(self) -> None:
        log = (self.folder / "odp.log").open("ab")
        command = [sys.executable, "-m", "sandbox.odp", "--port", str(self.ports["odp"]), "--key", SANDBOX_KEY]
        self._odp = subprocess.Popen(
            [*command, "--state", str(self.folder / "odp.sqlite")], cwd=PROJECT, stdout=log, stderr=subprocess.STDOUT
        )
        wait_for(f"{self.odp_url}/healthz", 30, self._odp, self.folder / "odp.log")


def wait_for(url: str, seconds: float, process: subprocess.Popen[bytes], log: Path) -> None:
    """
    Wait until a server answers.

    :param url: an address that answers 200 when the server is ready.
    :param seconds: longest time to wait.
    :param process: the server, whose end is an error.
    :param log: its log, shown when it does not come up.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def free_port(preferred: int = 0, held: ExitStack | None = None) -> int:
    """
    Return a TCP port of this machine that nobody listens on.

    :param preferred: the port to return if it is free; 0 is any.
    :param held: keeps the port from being chosen again until it is closed.
    """
    with ExitStack() as at_once:
        for port in (preferred, 0):
            probe = (held or at_once).enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("This machine has no free TCP port.")
