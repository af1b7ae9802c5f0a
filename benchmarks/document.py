"""``docs/benchmarks.md``: the figures inside the words of ``document.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.budgets import BUDGET_ROWS, judge
from benchmarks.profiling import by_function
from benchmarks.suite import SECTIONS
from benchmarks.workloads import ORDERS, PROFILES, WORKLOADS

_WORDS = Path(__file__).with_suffix(".md")
_STAGES = ("extract", "transform", "load")
_SIDES = {"the task": "", "PostgreSQL": "postgres_", "the server": "sink_"}
_FUNCTIONS = 8
_PICTURED = (PROFILES.name, ORDERS.name)
NOT_MEASURED = "*Not measured yet.*"


def write_document(results: Mapping[str, Any], docs: Path) -> Path:
    """
    Write the document and its pictures.

    :param results: the suite's results.
    :param docs: folder of the document; the pictures go to ``images`` in it.
    :return: the document.
    """
    from benchmarks.pictures import draw_overview, draw_profile  # needs matplotlib, which only make bench installs

    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    draw_overview(results, images / "benchmarks.svg")
    profiles = [one for one in _figures(results, "profile") or () if one["workload"] in _PICTURED]
    pictures = [draw_profile(profile, images) for profile in profiles]
    page = docs / "benchmarks.md"
    page.write_text(written(results, pictures), encoding="utf-8")
    return page


def written(results: Mapping[str, Any], pictures: Sequence[Path] = ()) -> str:
    """
    Return the document.

    :param results: the suite's results; what they lack is said not to be measured.
    :param pictures: flame graphs that lie in ``images``.
    """
    words = _WORDS.read_text(encoding="utf-8")
    for name, text in _texts(results, pictures).items():
        words = words.replace(f"{{{{{name}}}}}", text)
    return words


def _texts(results: Mapping[str, Any], pictures: Sequence[Path]) -> dict[str, str]:
    measured = [name for name in SECTIONS if name in results]
    return {
        "rows": f"{results['rows']:,}",
        "date": min(results[name]["at"] for name in measured)[:10],
        "processes": str(results["processes"]),
        "machine": table(("", ""), results["machine"].items()),
        "loads": ", ".join(f"{results[name]['load_before']:.1f} ({name.replace('_', ' ')})" for name in measured),
        "sections": ", ".join(SECTIONS),
        "budgets": _budgets(results),
        "side_by_side": _side_by_side(results),
        "items": _items(results),
        "limit": _limit(results),
        "stages": _stages(results),
        "imports": _imports(results),
        "end_to_end": _end_to_end(results),
        "pacing": _pacing(results),
        "latency": _latency(results),
        "busy": _busy(results),
        "functions": _functions(results),
        "profiled": f"{max((one['rows'] for one in _figures(results, 'profile') or ()), default=0):,}",
        "profile_pictures": "\n\n".join(f"![{path.stem.replace('-', ' ')}](images/{path.name})" for path in pictures),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: int = 0) -> str:
    """
    Return a Markdown table.

    :param head: names of the columns.
    :param rows: the cells.
    :param numbers: how many of the last columns hold numbers, which stand to the right.
    """
    lines = [head, ["---"] * (len(head) - numbers) + ["---:"] * numbers, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _figures(results: Mapping[str, Any], section: str) -> Any:
    return results[section]["figures"] if section in results else None


def _budgets(results: Mapping[str, Any]) -> str:
    judgements = judge(results)
    if not judgements:
        return NOT_MEASURED
    rows = [(one.budget, one.required, one.measured, "yes" if one.met else "**no**") for one in judgements]
    met = sum(one.met for one in judgements)
    said = f"**{met} of {len(judgements)} are met.**"
    if results["rows"] < BUDGET_ROWS:
        said += f" They are meant for {BUDGET_ROWS:,} rows: with fewer, what a run or a process costs once weighs more."
    return f"{said}\n\n{table(('Budget', 'Required', 'Measured', 'Met'), rows)}"


def _side_by_side(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "side_by_side")
    if not figures:
        return NOT_MEASURED
    ours = figures[0]
    rows = []
    for one in figures:
        cells = [f"{1e6 * one['cpu_seconds'] / one['rows']:.1f}", f"{one['tree_peak_mb']:,.0f}"]
        seconds, ratio = one["wall_seconds"], f"{one['wall_seconds'] / ours['wall_seconds']:.1f} ×"
        if one["name"] == "limit":  # its preparation is no part of it
            seconds, ratio, cells = one["seconds"], "", ["", ""]
        rows.append((one["name"], f"{seconds:.1f}", f"{one['rows'] / seconds:,.0f}", "" if one is ours else ratio, *cells))
    head = ("", "Seconds", "Rows/s", "The project is faster by", "Processor µs a row", "Memory of all processes, MB")
    return table(head, rows, 5)


def _items(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "side_by_side")
    return f"{figures[0]['rows']:,} items" if figures else "items"


def _limit(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "side_by_side")
    if not figures:
        return NOT_MEASURED
    ours, limit = figures[0], figures[-1]
    return (
        f"Of the limit of {limit['rows'] / limit['seconds']:,.0f} rows/s (reading alone takes {limit['read_seconds']:.1f} of its "
        f"{limit['seconds']:.1f} s) the project reaches **{100 * limit['seconds'] / ours['seconds']:.0f} %** in the work itself, "
        f"{ours['rows'] / ours['seconds']:,.0f} rows/s."
    )


def _stages(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "stages")
    if not figures:
        return NOT_MEASURED
    rows = []
    for one in sorted(figures, key=lambda one: list(WORKLOADS).index(one["workload"])):
        for name in _STAGES:
            stage, count = one["stages"][name], one["rows"]
            per_row = (1e6 * stage[f"{prefix}cpu_seconds"] / count for prefix in _SIDES.values())
            rows.append((
                one["workload"], f"{count:,}", name, f"{stage['seconds']:.1f}", f"{count / stage['seconds']:,.0f}",
                *(f"{value:.1f}" for value in per_row), f"{stage['peak_mb']:.0f}", stage["tasks"],
            ))  # fmt: skip
    head = ("Export", "Rows", "Stage", "Seconds", "Rows/s", "µs a row: task", "PostgreSQL", "Server", "Memory, MB", "Tasks")
    return table(head, rows, 7)


def _imports(results: Mapping[str, Any]) -> str:
    stages = [stage for one in _figures(results, "stages") or () for stage in one["stages"].values()]
    return f"{max(stage['start_mb'] for stage in stages):.0f} MB" if stages else "some"


def _end_to_end(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "end_to_end")
    if not figures:
        return NOT_MEASURED
    in_airflow = {one["workload"]: one for one in _figures(results, "airflow") or ()}
    again = {one["workload"]: one for one in figures if one["again"]}
    rows = []
    for one in figures:
        if one["again"]:
            continue
        name, count, airflow = one["workload"], one["rows"], in_airflow.get(one["workload"])
        rows.append((
            name, f"{count:,}", f"{one['seconds']:.1f}", f"{count / one['seconds']:,.0f}", f"{again[name]['seconds']:.1f}",
            *((
                f"{airflow['seconds']:.1f}", f"{count / airflow['seconds']:,.0f}", f"{airflow['run_seconds']:.1f}",
                f"{max(task['peak_mb'] or 0 for task in airflow['tasks']):.0f}",
            ) if airflow else ("", "", "", "")),
        ))  # fmt: skip
    head = (
        "Export", "Rows", "In the work itself, s", "Rows/s", "Unchanged, s", "In Airflow, s", "Rows/s", "Whole run, s",
        "Highest memory of a task, MB",
    )  # fmt: skip
    return table(head, rows, 8)


def _pacing(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "pacing")
    if not figures:
        return NOT_MEASURED
    rate = figures["requests_per_second"]
    return (
        f"Paced as ODP's profiles API asks, at 10 requests a second, {figures['rows']:,} profiles went out in {rate:.2f} "
        f"requests of 500 a second: {10 * rate:.1f} % of what is allowed. Whatever the exports can do, a million profiles "
        "take 200 seconds there."
    )


def _latency(results: Mapping[str, Any]) -> str:
    figures = _figures(results, "latency")
    if not figures:
        return NOT_MEASURED
    rows = [
        (f"{one['latency_ms']:.0f} ms", f"{one['rows'] / one['seconds']:,.0f}", f"{one['rows'] / one['load_seconds']:,.0f}")
        for one in figures
    ]
    return "Profiles when each answer takes its time:\n\n" + table(
        ("Latency", "End to end, rows/s", "Load alone, one task, rows/s"), rows, 2
    )


def _busy(results: Mapping[str, Any]) -> str:
    figures = [
        one for one in _figures(results, "stages") or () if one["rows"] == WORKLOADS[one["workload"]].rows(results["rows"])
    ]
    if not figures:
        return NOT_MEASURED
    shares = {
        (one["workload"], name): {side: stage[f"{prefix}cpu_seconds"] / stage["seconds"] for side, prefix in _SIDES.items()}
        for one in figures
        for name, stage in one["stages"].items()
        if name in _STAGES
    }
    rows = [(*at, *(f"{share:.0%}" for share in of_sides.values())) for at, of_sides in shares.items()]
    words = [_binding(name, [of_sides for (_, stage), of_sides in shares.items() if stage == name]) for name in _STAGES]
    return f"{table(('Export', 'Stage', *_SIDES), rows, len(_SIDES))}\n\n" + "\n".join(words)


def _binding(stage: str, shares: Sequence[Mapping[str, float]]) -> str:
    """Say which side works most in a stage, over all exports."""
    ranges = {side: sorted(one[side] for one in shares) for side in _SIDES}
    first, *others = sorted(ranges, key=lambda side: -sum(ranges[side]))
    said = [f"{side} {ranges[side][0]:.0%} to {ranges[side][-1]:.0%}" for side in others]
    return f"- **{stage}**: {first} works most, {ranges[first][0]:.0%} to {ranges[first][-1]:.0%} of the time; {', '.join(said)}."


def _functions(results: Mapping[str, Any]) -> str:
    lines = []
    for profile in _figures(results, "profile") or ():
        lines.append(f"- **{profile['stage'].capitalize()} of {profile['workload']}**: {_in_words(profile['main'])}")
        if profile["connections"]:
            lines.append(f"  Meanwhile the threads that hold the connections, while busy: {_in_words(profile['connections'])}")
    return "\n".join(lines) or NOT_MEASURED


def _in_words(stacks: Iterable[tuple[Any, int]]) -> str:
    """Name the functions that take the most."""
    longest = by_function(stacks)[:_FUNCTIONS]
    named = [f"`{name}` {share:.0%}{_where(libraries)}" for name, share, libraries in longest if share >= 0.01]
    return f"{', '.join(named)}; together {sum(share for _, share, _ in longest):.0%}."


def _where(libraries: Iterable[tuple[str, float]]) -> str:
    found = [name for name, share in libraries if share >= 0.01 and name != "itself" and not name.startswith("<")]
    return f" ({', '.join(found[:2])})" if found else ""
