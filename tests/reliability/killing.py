"""Load in a process of its own, stopped at a chosen point and killed there."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from odp.core import deliver
from tests.reliability.harness import Pipeline, Run

# Processes are forked from one that has imported everything and nothing else: no threads, no connections.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.reliability.killing"])


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that has to happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen"
        time.sleep(0.01)


def _load(run: Run, confirm_rows: int | None) -> None:
    if confirm_rows:
        deliver.CONFIRM_ROWS = confirm_rows
    run.load()


class LoadProcess:
    """
    A process that loads a run; at the end of the block it is killed, unless it has ended.

    :param run: a transformed run.
    :param confirm_rows: how many acknowledged records are written to the ledger at a time, and not thousands.
    """

    def __init__(self, run: Run, confirm_rows: int | None = None) -> None:
        self._process = _processes.Process(target=_load, args=(run, confirm_rows), daemon=True)

    def __enter__(self) -> LoadProcess:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join(10)

    def kill(self) -> None:
        """Kill it as the kernel's memory guard or a lost node would."""
        assert self._process.is_alive(), "it has ended by itself"
        self._process.kill()
        self._process.join(10)
        assert self._process.exitcode == -signal.SIGKILL

    def wait(self) -> int | None:
        """Wait for its end; return its exit code."""
        self._process.join(60)
        return self._process.exitcode


@contextmanager
def locked(pipeline: Pipeline, table: str) -> Iterator[Callable[[], bool]]:
    """
    Lock a table of the ledger, so that a loader stops where it writes to it.

    :return: a function that tells whether a loader waits there.
    """
    with psycopg.connect(pipeline.ledger_dsn) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")

        def is_waited_for() -> bool:
            return bool(pipeline.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", table))

        yield is_waited_for
        connection.rollback()


def kill_while_it_waits_for(run: Run, table: str, **options: Any) -> None:
    """Load a run in another process, and kill it, with its connections, when it is about to write to a table of the ledger."""
    with locked(run.pipeline, table) as is_waited_for, LoadProcess(run, **options) as process:
        wait_until(is_waited_for)
        process.kill()
        connections = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'odp_ledger'"
        run.pipeline.query(f"SELECT pg_terminate_backend(pid) {connections}")
        wait_until(lambda: not run.pipeline.query(f"SELECT 1 {connections}"))
