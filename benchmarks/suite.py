"""What ``make bench`` measures, section by section. The figures of a section are saved as soon as it is done."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.profiling import measure_profile
from benchmarks.scheduler import scheduler
from benchmarks.side_by_side import measure_side_by_side
from benchmarks.stages import measure_end_to_end, measure_stages
from benchmarks.workloads import PROFILES, WORKLOADS
from benchmarks.world import BenchmarkWorld
from sandbox.world import PROJECT

SIZES = (0.1, 1.0)
"""How many times the rows that are asked for the stages are measured with, to see whether time and memory grow."""

LARGEST_SIZE = 5.0
"""The same for profiles, which stand for all: exports differ in their columns, not in how they grow."""

LATENCY_MS = 100
_PACED_ROWS = 150_000
_PROFILED_ROWS = 200_000
_PACKAGES = ("apache-airflow", "apache-airflow-providers-postgres", "psycopg", "polars", "pydantic", "orjson", "urllib3")

Figures = dict[str, Any]
Report = Callable[[str], None]


class Suite:
    """
    The sections of a benchmark.

    :param world: a running world.
    :param rows: how many rows; a fifth as many orders, of five lines each.
    :param report: called with a line of text as the work goes on.
    """

    def __init__(self, world: BenchmarkWorld, rows: int, report: Report) -> None:
        self._world = world
        self._rows = rows
        self._report = report
        self._processes = os.cpu_count() or 1
        self._saved = world.folder / f"results-{rows}.json"

    @property
    def results(self) -> Figures:
        """What was measured with this number of rows, now or before."""
        return dict(json.loads(self._saved.read_text())) if self._saved.exists() else {}

    def run(self, sections: Sequence[str]) -> Figures:
        """
        Measure sections.

        :param sections: names out of :data:`SECTIONS`.
        :return: these and all that were measured with this number of rows before.
        """
        for name in sections:
            began, load = time.monotonic(), os.getloadavg()[0]
            self._report(f"-- {name}: {SECTIONS[name].__doc__}")
            figures = SECTIONS[name](self)
            circumstances = {"at": _now(), "took_seconds": time.monotonic() - began, "load_before": load}
            results = self.results | {name: {**circumstances, "figures": figures}}
            results |= {"rows": self._rows, "processes": self._processes, "machine": machine(self._world)}
            self._saved.write_text(json.dumps(results, indent=1))
        return self.results

    def stages(self) -> list[Figures]:
        """Extract, transform and load alone, of each export, at each size."""
        measured = []
        measurements = [(size, workload) for size in SIZES for workload in WORKLOADS.values()] + [(LARGEST_SIZE, PROFILES)]
        for size, workload in measurements:
            rows = workload.rows(max(1, int(self._rows * size)))
            figures = measure_stages(self._world, workload, rows, processes=self._processes)
            measured.append(figures)
            for name, stage in figures["stages"].items():
                self._say(workload.name, rows, name, rows / stage["seconds"], f"{stage['peak_mb']:.0f} MB")
        return measured

    def end_to_end(self) -> list[Figures]:
        """Each export from its first row read to the last answer, and once more with nothing changed."""
        measured = []
        for workload in WORKLOADS.values():
            rows = workload.rows(self._rows)
            for again in (False, True):
                figures = measure_end_to_end(self._world, workload, rows, processes=self._processes, again=again)
                measured.append(figures)
                self._say(workload.name, rows, "unchanged" if again else "first run", rows / figures["seconds"])
        return measured

    def airflow(self) -> list[Figures]:
        """Each export as a run in the whole of Airflow."""
        measured = []
        with scheduler(self._world) as airflow:
            for workload in WORKLOADS.values():
                rows = workload.rows(self._rows)
                figures = airflow.run(workload, rows)
                measured.append(figures)
                self._say(workload.name, rows, "in Airflow", rows / figures["seconds"])
        return measured

    def pacing(self) -> Figures:
        """Profiles at the rate ODP allows."""
        rows = min(PROFILES.rows(self._rows), _PACED_ROWS)
        figures = measure_stages(self._world, PROFILES, rows, profiles_per_second=10)
        sink = figures["sink"]
        rate = (sink["requests"] - 1) / (sink["last_at"] - sink["first_at"])
        self._report(f"{rows:,} profiles went out in {rate:.3f} requests a second")
        return {**figures, "requests_per_second": rate}

    def latency(self) -> list[Figures]:
        """Profiles against a sink that takes 100 ms to answer, and against one that does not, one after the other."""
        measured = []
        rows = PROFILES.rows(self._rows)
        for latency_ms in (0, LATENCY_MS):
            figures = measure_end_to_end(self._world, PROFILES, rows, processes=self._processes, latency_ms=latency_ms)
            stages = measure_stages(self._world, PROFILES, rows, latency_ms=latency_ms)
            measured.append({**figures, "load_seconds": stages["stages"]["load"]["seconds"]})
            self._say("profiles", rows, f"{latency_ms} ms", rows / figures["seconds"])
        return measured

    def side_by_side(self) -> list[Figures]:
        """The project, three other tools and the limit, on the same rows."""
        measured = measure_side_by_side(self._world, PROFILES.rows(self._rows), processes=self._processes)
        for figures in measured:
            self._say(figures["name"], figures["rows"], "command", figures["rows"] / figures["wall_seconds"])
        return measured

    def profile(self) -> list[Figures]:
        """Where the time of transform and load goes."""
        rows = min(self._rows, _PROFILED_ROWS)  # the shares of functions do not depend on it
        return [one for workload in WORKLOADS.values() for one in measure_profile(self._world, workload, workload.rows(rows))]

    def _say(self, name: str, rows: int, what: str, rate: float, more: str = "") -> None:
        self._report(f"{name:<14}{rows:>10,}  {what:<10}{rate:>10,.0f}/s  {more}")


SECTIONS: dict[str, Callable[[Suite], Any]] = {
    "stages": Suite.stages,
    "end_to_end": Suite.end_to_end,
    "airflow": Suite.airflow,
    "pacing": Suite.pacing,
    "latency": Suite.latency,
    "side_by_side": Suite.side_by_side,
    "profile": Suite.profile,
}


def machine(world: BenchmarkWorld) -> dict[str, str]:
    """
    Describe what the figures were measured on.

    :param world: a running world.
    """
    with psycopg.connect(world.dsn("postgres")) as connection:
        server = connection.execute("SHOW server_version").fetchone()
    names = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False)
    return {
        "processors": f"{os.cpu_count()} ({names[0] if names else platform.processor() or platform.machine()})",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": server[0] if server else "",
        **{name: version(name) for name in _PACKAGES},
        "commit": commit.stdout.strip(),
    }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
