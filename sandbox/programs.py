"""Programs of many processes, which end with all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from sandbox.world import PROJECT


class Program:
    """
    A command in a session of its own; as a context manager it runs and then stops.

    Signalled alone, Airflow's commands would leave their children running, and tasks are process groups of their own. They all
    belong to the session, though.

    :param command: the command and its arguments.
    :param environment: environment variables on top of this process's.
    :param log: file for the output.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        """Start the program."""
        return self.start()

    def start(self) -> Program:
        """Start the program, and return this."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop the program."""
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The first process of the session."""
        assert self._process, "it was not started"
        return self._process

    def wait(self) -> int:
        """Wait until the program ends by itself, and return its exit status."""
        return self.process.wait()

    def stop(self, seconds: float = 30) -> None:
        """
        Stop every process of the session: ask, and then insist.

        :param seconds: longest time to wait before insisting.
        """
        for process in self._alive():
            _signal(process, signal.SIGTERM)
        if not self._ends(seconds):
            self.kill()

    def kill(self) -> None:
        """Kill every process of the session at once, as when a machine is lost."""
        while not self._ends(0):  # what was being forked is there on the next look
            for process in self._alive():
                _signal(process, signal.SIGKILL)
            self._ends(1)

    def _ends(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while any(self._alive()):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        return True

    def _alive(self) -> Iterator[psutil.Process]:
        self.process.poll()
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
            except (psutil.Error, OSError):
                continue


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
