"""The pictures of the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.budgets import MOST_MB, work_seconds
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Text stays text, and the same figures give the same file.
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9})
_METADATA = {"Date": None, "Creator": None}

_OURS, _THEIRS, _LIMIT = "#1f6feb", "#9aa4b2", "#d0d7de"
_COLOURS = ("#1f6feb", "#bf8700", "#1a7f37", "#8250df")
_LEAST_SHARE = 0.004
_DEEPEST = 14


def draw_overview(results: Mapping[str, Any], path: Path) -> None:
    """
    Draw speed beside other tools, and time and memory by rows.

    :param results: the suite's results; what was not measured stays empty.
    :param path: the SVG file.
    """
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    speed, time, memory = figure.subplots(1, 3)
    if "side_by_side" in results:
        _draw_speed(speed, results["side_by_side"]["figures"])
    if "stages" in results:
        _draw_growth(time, memory, results["stages"]["figures"])
    speed.set_title("Profiles, rows a second")
    time.set_title("Extract, transform and load, seconds")
    memory.set_title("Highest memory of a task, MB")
    figure.savefig(path, metadata=_METADATA)


def _draw_speed(axes: Axes, figures: Sequence[Mapping[str, Any]]) -> None:
    rates = [one["rows"] / (one["seconds"] if one["name"] == "limit" else one["wall_seconds"]) for one in figures]
    colours = [{"the project": _OURS, "limit": _LIMIT}.get(one["name"], _THEIRS) for one in figures]
    bars = axes.barh([one["name"] for one in figures], rates, color=colours)
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.invert_yaxis()


def _draw_growth(time: Axes, memory: Axes, figures: Sequence[Mapping[str, Any]]) -> None:
    for name, colour in zip(WORKLOADS, _COLOURS, strict=True):
        of_export = sorted((one for one in figures if one["workload"] == name), key=lambda one: one["rows"])
        sizes = [one["rows"] for one in of_export]
        time.plot(sizes, [work_seconds(one) for one in of_export], marker="o", color=colour, label=name)
        peaks = [max(stage["peak_mb"] for stage in one["stages"].values()) for one in of_export]
        memory.plot(sizes, peaks, marker="o", color=colour, label=name)
    memory.axhline(MOST_MB, color="black", linestyle="--", linewidth=0.8)
    memory.set_ylim(bottom=0)
    time.set_yscale("log")
    for axes in (time, memory):
        axes.set_xscale("log")
        axes.set_xlabel("rows")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def draw_profile(profile: Mapping[str, Any], folder: Path) -> Path:
    """
    Draw the flame graph of a task's main thread: what calls what, downwards, each as wide as its share of the time.

    :param profile: one of :func:`benchmarks.profiling.measure_profile`.
    :param folder: where the SVG goes.
    :return: its file.
    """
    path = folder / f"profile-{profile['stage']}-{profile['workload']}.svg"
    boxes = _boxes([(tuple(stack), count) for stack, count in profile["main"]], 0.0, 0)
    depth = max(level for level, *_ in boxes) + 1
    figure = Figure(figsize=(12, 0.6 + 0.27 * depth), layout="constrained")
    axes = figure.subplots()
    for level, start, width, frame in boxes:
        ours = frame.startswith("odp/")
        axes.broken_barh([(start, width)], (level, 0.92), facecolor="#ffd8a8" if ours else "#e9ecef", edgecolor="white")
        label = _label(frame)
        if room := int(width * 190):  # characters that fit
            axes.text(start + 0.001, level + 0.46, label[: max(room, 0)], va="center", fontsize=7, clip_on=True)
    axes.set_xlim(0, 1)
    axes.set_ylim(depth, 0)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title(
        f"{profile['stage'].capitalize()} of {profile['rows']:,} {profile['workload']}, main thread (orange: this project)"
    )
    figure.savefig(path, metadata=_METADATA)
    return path


Box = tuple[int, float, float, str]


def _boxes(stacks: Sequence[tuple[tuple[str, ...], int]], start: float, level: int, total: int = 0) -> list[Box]:
    """Return level, left side, width and frame of each box, of stacks that have the same frames above this level."""
    total = total or sum(count for _, count in stacks)
    groups: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for stack, count in stacks:
        if len(stack) > level:
            groups.setdefault(stack[level], []).append((stack, count))
    boxes: list[Box] = []
    for frame, group in sorted(groups.items(), key=lambda item: -sum(count for _, count in item[1])):
        width = sum(count for _, count in group) / total
        if width >= _LEAST_SHARE:
            boxes.append((level, start, width, frame))
            if level + 1 < _DEEPEST:
                boxes += _boxes(group, start, level + 1, total)
        start += width
    return boxes


def _label(frame: str) -> str:
    """Name the function of a frame, and of a library the module it is in."""
    file, _, function = frame.partition(":")
    return function if file.startswith("odp/") else f"{Path(file).stem}.{function}"
