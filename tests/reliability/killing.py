"""Load in a process of its own, stopped at a chosen point and killed there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from sandbox.world import PROJECT
from tests.reliability.harness import Pipeline, Run


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that has to happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen"
        time.sleep(0.01)


class LoadProcess:
    """
    A process that loads a run; at the end of the block it is killed, unless it has ended.

    :param run: a transformed run.
    :param confirm_rows: how many acknowledged records are confirmed at a time.
    """

    def __init__(self, run: Run, confirm_rows: int | None = None) -> None:
        self._run = run
        self._environment = [] if confirm_rows is None else [str(confirm_rows)]

    def __enter__(self) -> LoadProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.loader", *self._environment],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=PROJECT,
            text=True,
        )
        assert self._process.stdin
        self._process.stdin.write(self._run.load_in_another_process())
        self._process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stderr:
            self._process.stderr.close()

    def kill(self) -> None:
        """Kill it as the kernel's memory guard or a lost node would."""
        assert self._process.poll() is None, f"it has ended by itself: {self._process.stderr and self._process.stderr.read()}"
        self._process.send_signal(signal.SIGKILL)
        assert self._process.wait(10) == -signal.SIGKILL

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait(60)


@contextmanager
def locked(pipeline: Pipeline, table: str) -> Iterator[Callable[[], bool]]:
    """
    Lock a table of the ledger, so that a loader stops where it writes to it.

    :return: a function that tells whether a loader waits there.
    """
    with psycopg.connect(pipeline.ledger_dsn) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

        def is_waited_for() -> bool:
            return bool(pipeline.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", table))

        yield is_waited_for
        connection.rollback()


def kill_while_it_waits_for(run: Run, table: str, **options: Any) -> None:
    """Load a run in another process, and kill it when it is about to write to a table of the ledger."""
    with locked(run.pipeline, table) as is_waited_for, LoadProcess(run, **options) as process:
        wait_until(is_waited_for)
        process.kill()
    wait_until(lambda: not _is_connected(run.pipeline))


def _is_connected(pipeline: Pipeline) -> bool:
    return bool(
        pipeline.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'odp_ledger'"
            " AND pid <> pg_backend_pid()"
        )
    )
