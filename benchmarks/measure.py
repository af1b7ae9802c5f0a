"""Running a command and measuring it: its time, and the memory and processor time of all its processes together."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.world import PROJECT

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Measured:
    """
    What a command cost.

    :param wall_seconds: from its start to its end.
    :param cpu_seconds: processor time of all its processes, without PostgreSQL and the sink.
    :param peak_mb: highest sum of the resident memory of its processes, sampled ten times a second; memory that processes
        share counts once for each.
    :param output: what it printed.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


class BenchmarkError(RuntimeError):
    """Something could not be measured."""


class CommandError(BenchmarkError):
    """A measured command failed."""


def measure(command: Sequence[str], environment: Mapping[str, str], *, log: Path, timeout: float = 3600) -> Measured:
    """
    Run a command to its end.

    :param command: the command and its arguments.
    :param environment: environment variables on top of this process's own.
    :param log: file that gets what it writes to standard error.
    :param timeout: seconds after which it is killed with all its processes.
    :raises CommandError: if it fails or takes longer.
    """
    cpu_before = _children_cpu_seconds()
    started = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    sampler = _MemorySampler(process.pid)
    sampler.start()
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CommandError(f"{' '.join(command)} did not end in {timeout:.0f} s; see {log}") from None
    finally:
        wall_seconds = time.perf_counter() - started
        sampler.stop()
        _end_group(process)
    if process.returncode:
        raise CommandError(f"{' '.join(command)} failed:\n{output[-1500:]}\n{log.read_text(errors='replace')[-3000:]}")
    return Measured(wall_seconds, _children_cpu_seconds() - cpu_before, sampler.peak / 1e6, output)


class _MemorySampler(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, _tree_rss(self._pid))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _tree_rss(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def peak_rss_mb() -> float:
    """Return the highest resident memory this process has had, as the kernel counts it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
