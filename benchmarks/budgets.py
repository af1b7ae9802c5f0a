"""The budgets, and what the figures say about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.suite import LATENCY_MS
from benchmarks.workloads import ORDERS, WORKLOADS

BUDGET_ROWS = 1_000_000
"""The number of rows the budgets are for."""

MOST_MB = 300
_STAGE_RATES = {"extract": 180_000, "transform": 100_000, "load": 100_000}
_RATE, _AIRFLOW_RATE, _ORDER_RATE = 50_000, 40_000, 15_000
_LINEAR = 1.2
_AGAIN = 3.0
_PACED_SHARE, _LATENCY_SHARE = 0.98, 0.8
_REQUESTS_PER_SECOND = 10
_PEERS = {"Airflow idiom": 3, "dlt": 5, "Singer pair": 25}
_OBJECTS = [name for name in WORKLOADS if name != ORDERS.name]


@dataclass(frozen=True)
class Judgement:
    """
    A budget and what was measured.

    :param budget: what it is about.
    :param required: in words.
    :param measured: in words.
    :param met: whether it is met.
    """

    budget: str
    required: str
    measured: str
    met: bool


def judge(results: Mapping[str, Any]) -> list[Judgement]:
    """
    Compare what was measured with the budgets; what was not measured is left out.

    :param results: the suite's results.
    """
    judges: dict[str, Callable[[Any, int], Iterator[Judgement]]] = {
        "stages": _stages,
        "end_to_end": _end_to_end,
        "airflow": _airflow,
        "pacing": _pacing,
        "latency": _latency,
        "side_by_side": _side_by_side,
    }
    rows = results["rows"]
    return [found for name, judge in judges.items() if name in results for found in judge(results[name]["figures"], rows)]


def _at_least(budget: str, required: float, measured: float, unit: str, digits: int = 0) -> Judgement:
    return Judgement(
        budget, f"≥ {required:,.{digits}f} {unit}", f"{measured:,.{digits}f} {unit}", round(measured, digits) >= required
    )


def _at_most(budget: str, required: float, measured: float, unit: str, digits: int = 0) -> Judgement:
    return Judgement(
        budget, f"≤ {required:,.{digits}f} {unit}", f"{measured:,.{digits}f} {unit}", round(measured, digits) <= required
    )


def work_seconds(figures: Mapping[str, Any]) -> float:
    """Return the time of extract, transform and load of a measurement of stages, one after the other."""
    return sum(figures["stages"][name]["seconds"] for name in _STAGE_RATES)


def _stages(figures: list[dict[str, Any]], rows: int) -> Iterator[Judgement]:
    by_size = {(one["workload"], one["rows"]): one for one in figures}
    for name in _OBJECTS:
        for stage, required in _STAGE_RATES.items():
            seconds = by_size[name, rows]["stages"][stage]["seconds"]
            yield _at_least(f"{stage} alone, {name}", required, rows / seconds, "rows/s")
    for size in sorted({one["rows"] for one in figures if one["workload"] in _OBJECTS}):
        peaks = {
            (stage, one["workload"]): measured["peak_mb"]
            for one in figures
            if one["rows"] == WORKLOADS[one["workload"]].rows(size)
            for stage, measured in one["stages"].items()
        }
        worst = max(peaks, key=lambda at: peaks[at])
        yield _at_most(f"memory of any task at {size:,} rows (the most: {worst[0]} of {worst[1]})", MOST_MB, peaks[worst], "MB")
    for name, workload in WORKLOADS.items():
        largest = max(one["rows"] for one in figures if one["workload"] == name)
        base = workload.rows(rows)
        if largest == base:
            continue
        growth = (work_seconds(by_size[name, largest]) / largest) / (work_seconds(by_size[name, base]) / base)
        yield _at_most(f"time a row at {largest:,} rows against {base:,}, {name}", _LINEAR, growth, "×", 2)


def _end_to_end(figures: list[dict[str, Any]], rows: int) -> Iterator[Judgement]:
    first = {one["workload"]: one for one in figures if not one["again"]}
    again = {one["workload"]: one for one in figures if one["again"]}
    for name, one in first.items():
        required = _ORDER_RATE if name == ORDERS.name else _RATE
        yield _at_least(f"end to end in the work itself, {name}", required, one["rows"] / one["seconds"], "rows/s")
    for name, one in first.items():
        yield _at_least(f"a run with nothing changed, {name}", _AGAIN, one["seconds"] / again[name]["seconds"], "× as fast", 1)


def _airflow(figures: list[dict[str, Any]], rows: int) -> Iterator[Judgement]:
    for one in figures:
        if one["workload"] in _OBJECTS:
            rate = one["rows"] / one["seconds"]
            yield _at_least(f"end to end with Airflow's own task starts, {one['workload']}", _AIRFLOW_RATE, rate, "rows/s")
    tasks = [(task["peak_mb"] or 0, task["task"], one["workload"]) for one in figures for task in one["tasks"]]
    peak, task, workload = max(tasks)
    yield _at_most(f"memory of any task inside Airflow (the most: {task} of {workload})", MOST_MB, peak, "MB")


def _pacing(figures: dict[str, Any], rows: int) -> Iterator[Judgement]:
    share = figures["requests_per_second"] / _REQUESTS_PER_SECOND
    yield _at_least("paced profiles, share of 10 requests/s × 500", 100 * _PACED_SHARE, 100 * share, "%", 1)


def _latency(figures: list[dict[str, Any]], rows: int) -> Iterator[Judgement]:
    without, with_latency = figures
    for what, key in (("end to end", "seconds"), ("load alone", "load_seconds")):
        share = 100 * without[key] / with_latency[key]
        yield _at_least(f"profiles at {LATENCY_MS} ms latency against 0 ms, {what}", 100 * _LATENCY_SHARE, share, "%")


def _side_by_side(figures: list[dict[str, Any]], rows: int) -> Iterator[Judgement]:
    ours = next(one for one in figures if one["name"] == "the project")
    for one in figures:
        if one["name"] in _PEERS:
            ratio = one["wall_seconds"] / ours["wall_seconds"]
            yield _at_least(f"against {one['name']}", _PEERS[one["name"]], ratio, "× as fast", 1)
