"""
Where the time of transform and load goes: py-spy watches a task, and its samples are added up by function.

Counted are the samples of the task's main thread inside the operator, waiting included, so the shares are shares of the time that
the task takes; and apart from them those of the threads that hold the connections to ODP, while they have something to do. Each
sample counts for the innermost function of this project on the stack; what it calls in libraries is its.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.tasks import run_task, task_processes
from benchmarks.workloads import Workload
from benchmarks.world import BenchmarkWorld
from sandbox.world import PROJECT

_SAMPLES_PER_SECOND = 250
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(:\d+)?\)$")
_CONNECTION_THREAD = re.compile(r": odp_\d+$")
_MOST_ROWS = 250_000

Stack = tuple[str, ...]


def measure_profile(world: BenchmarkWorld, workload: Workload, rows: int) -> list[dict[str, Any]]:
    """
    Profile the transform and load tasks of a run.

    :param world: a running world.
    :param workload: what is exported.
    :param rows: how many rows; no more than one part of them.
    :return: for each stage its samples, by stack.
    """
    rows = min(rows, _MOST_ROWS)
    environment = world.environment(world.replicas.replica(workload, rows))
    world.empty_ledger()
    world.reset_sink()
    run_id = f"profile-{rows}"
    log = world.logs / f"{workload.name}-{run_id}.log"
    given = world.folder / "profile.json"
    with task_processes(1, environment, log) as pool:
        values = pool.submit(run_task, "extract", workload.export_id, run_id).result().result
    profiles = []
    for stage in ("transform", "load"):
        given.write_text(json.dumps(values))
        samples = given.with_suffix(f".{stage}.samples")
        watch = [str(Path(sys.executable).parent / "py-spy"), "record", "--format", "raw", "--idle", "--threads", "--function"]
        task = [sys.executable, "-m", "benchmarks.one_stage", stage, workload.export_id, run_id, str(given)]
        with log.open("ab") as output:
            subprocess.run(
                [*watch, "--rate", str(_SAMPLES_PER_SECOND), "--output", str(samples), "--", *task],
                env={**os.environ, **environment},
                cwd=PROJECT,
                stdout=output,
                stderr=output,
                check=True,
            )
        values = json.loads(given.with_suffix(f".{stage}.json").read_text())
        threads = read_samples(samples.read_text().splitlines())
        profiles.append({
            "workload": workload.name,
            "rows": rows,
            "stage": stage,
            **{name: [[list(stack), count] for stack, count in stacks.most_common()] for name, stacks in threads.items()},
        })  # fmt: skip
    return profiles


def read_samples(lines: Iterable[str]) -> dict[str, Counter[Stack]]:
    """
    Read py-spy's raw output.

    :param lines: ``frame;frame;... count``.
    :return: stacks of ``file:function`` frames with their samples: of the ``main`` thread, below the operator, and of the
        ``connections``, below the first function of this project.
    """
    threads: dict[str, Counter[Stack]] = {"main": Counter(), "connections": Counter()}
    for line in lines:
        text, _, count = line.rpartition(" ")
        thread, *frames = map(_frame, text.split(";"))
        name, border = ("main", ".run_stage") if thread.endswith(": MainThread") else ("connections", "")
        below = next((at for at, frame in enumerate(frames) if frame.startswith("odp/") and frame.endswith(border)), None)
        if below is not None and (name == "main" or _CONNECTION_THREAD.search(thread)):
            threads[name][tuple(frames[below:])] += int(count)
    return threads


def _frame(text: str) -> str:
    found = _FRAME.match(text)
    return f"{found['file']}:{found['function']}" if found else text


def by_function(stacks: Iterable[tuple[Stack, int]]) -> list[tuple[str, float, list[tuple[str, float]]]]:
    """
    Add samples up by the innermost function of this project.

    :param stacks: stacks with their samples.
    :return: for each function, the longest first: its name, its share of all samples, and the shares of the libraries in it.
    """
    totals: Counter[str] = Counter()
    libraries: dict[str, Counter[str]] = {}
    for stack, count in stacks:
        ours = max((at for at, frame in enumerate(stack) if frame.startswith("odp/")), default=0)
        name = _name(stack[ours])
        totals[name] += count
        libraries.setdefault(name, Counter())[_library(stack[-1])] += count
    everything = totals.total()
    return [
        (name, count / everything, [(library, part / everything) for library, part in libraries[name].most_common()])
        for name, count in totals.most_common()
    ]


def _name(frame: str) -> str:
    """Turn ``odp/core/bodies.py:BodyWriter.add`` into ``bodies.BodyWriter.add``."""
    file, _, function = frame.partition(":")
    return f"{Path(file).stem}.{function.replace('.<locals>', '')}"


def _library(frame: str) -> str:
    file = frame.partition(":")[0]
    return "itself" if file.startswith("odp/") else Path(file).parts[0].removesuffix(".py")
