"""The document says what was measured, and nothing that was not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.budgets import BUDGET_ROWS, judge
from benchmarks.document import NOT_MEASURED, written
from benchmarks.profiling import by_function, read_samples

Figures = dict[str, Any]


def results(rows: int = BUDGET_ROWS, **sections: Any) -> Figures:
    """What the suite saves: sections with their circumstances."""
    circumstances = {"at": "2026-11-24T10:00:00+00:00", "took_seconds": 1.0, "load_before": 0.2}
    measured = {name: {**circumstances, "figures": figures} for name, figures in sections.items()}
    return {"rows": rows, "processes": 2, "machine": {"processors": "2"}, **measured}


def end_to_end(seconds: float, seconds_again: float, workload: str = "profiles", rows: int = BUDGET_ROWS) -> list[Figures]:
    return [
        {"workload": workload, "rows": rows, "seconds": seconds, "again": False},
        {"workload": workload, "rows": rows, "seconds": seconds_again, "again": True},
    ]


def side_by_side(ours: float, **theirs: float) -> list[Figures]:
    shared = {"rows": BUDGET_ROWS, "cpu_seconds": 1.0, "tree_peak_mb": 100.0}
    names = {"airflow": "Airflow idiom", "dlt": "dlt", "singer": "Singer pair", "limit": "limit"}
    return [
        {"name": "the project", "wall_seconds": ours, "seconds": ours, **shared},
        *(
            {"name": names[name], "wall_seconds": seconds, "seconds": seconds, "read_seconds": seconds / 2, **shared}
            for name, seconds in theirs.items()
        ),
    ]


def test_a_budget_is_met_or_not() -> None:
    judged = judge(results(end_to_end=end_to_end(20.0, 5.0)))
    assert [(one.measured, one.met) for one in judged] == [("50,000 rows/s", True), ("4.0 × as fast", True)]
    judged = judge(results(end_to_end=end_to_end(20.1, 7.0)))
    assert [(one.measured, one.met) for one in judged] == [("49,751 rows/s", False), ("2.9 × as fast", False)]


def test_orders_have_a_budget_of_their_own() -> None:
    (rate, _) = judge(results(end_to_end=end_to_end(13.3, 1.0, "orders", BUDGET_ROWS // 5)))
    assert (rate.required, rate.measured, rate.met) == ("≥ 15,000 rows/s", "15,038 rows/s", True)


def test_each_tool_has_its_ratio() -> None:
    judged = judge(results(side_by_side=side_by_side(10, airflow=30, dlt=49, singer=250, limit=4)))
    assert [(one.budget, one.met) for one in judged] == [
        ("against Airflow idiom", True),
        ("against dlt", False),
        ("against Singer pair", True),
    ]


def test_the_largest_memory_of_any_task_counts() -> None:
    def stage(seconds: float, peak: float) -> Figures:
        costs = {"cpu_seconds": 1.0, "postgres_cpu_seconds": 1.0, "sink_cpu_seconds": 0.1, "start_mb": 170.0, "tasks": 4}
        return {"seconds": seconds, "peak_mb": peak, **costs}

    figures = [
        {
            "workload": name,
            "rows": rows,
            "stages": {
                "extract": stage(rows / 200_000, 190.0),
                "transform": stage(rows / 90_000, 301.0 if (name, rows) == ("orders", 200_000) else 290.0),
                "load": stage(rows / 100_000, 200.0),
            },
        }
        for name, share in (("profiles", 1.0), ("customers", 1.0), ("products", 1.0), ("orders", 0.2))
        for rows in (int(100_000 * share), int(1_000_000 * share), int(5_000_000 * share))
    ]
    judged = {one.budget: one for one in judge(results(stages=figures))}
    assert judged["extract alone, profiles"].met
    assert not judged["transform alone, profiles"].met
    assert judged["load alone, products"].met
    assert judged["memory of any task at 100,000 rows (the most: transform of profiles)"].met
    assert not judged["memory of any task at 1,000,000 rows (the most: transform of orders)"].met
    assert judged["time a row at 5,000,000 rows against 1,000,000, customers"].measured == "1.00 ×"
    page = written(results(stages=figures))
    assert "| orders | 200,000 | transform | 2.2 | 90,000 | 5.0 | 5.0 | 0.5 | 301 | 4 |" in page
    assert "| profiles | transform | 9% | 9% | 1% |" in page


def test_what_was_not_measured_is_said() -> None:
    page = written(results(end_to_end=end_to_end(20.0, 5.0)))
    assert "| profiles | 1,000,000 | 20.0 | 50,000 | 5.0 |" in page
    assert "**2 of 2 are met.**" in page
    assert page.count(NOT_MEASURED) == 7
    assert "{{" not in page


def test_fewer_rows_than_the_budgets_are_for_are_said() -> None:
    assert "They are meant for 1,000,000 rows" in written(results(20_000, end_to_end=end_to_end(1, 1, rows=20_000)))


def test_the_share_of_the_limit_is_stated() -> None:
    page = written(results(side_by_side=side_by_side(20, airflow=60, limit=8)))
    assert "Of the limit of 125,000 rows/s (reading alone takes 4.0 of its 8.0 s) the project reaches **40 %**" in page
    assert "| Airflow idiom | 60.0 | 16,667 | 3.0 × | 1.0 | 100 |" in page


SAMPLES = """
thread (7): MainThread;<module> (benchmarks/one_stage.py);Op.run_stage (odp/operators/load.py:31);load (odp/core/deliver.py:9) 3
thread (7): MainThread;Op.run_stage (odp/operators/load.py:31);load (odp/core/deliver.py:9);wait (psycopg/connection.py:4) 5
thread (7): MainThread;<module> (odp/core/ledger.py:1);create (typing.py:9) 90
thread (7);<module> (odp/core/ledger.py:1) 90
thread (8): odp_0;_worker (concurrent/futures/thread.py:81) 90
thread (9): odp_11;run (threading.py:1);send.<locals>.once (odp/core/client.py:7);recv (socket.py:7) 2
""".strip().splitlines()


def test_samples_are_of_the_task_alone() -> None:
    threads = read_samples(SAMPLES)
    assert by_function(threads["main"].items()) == [("deliver.load", 1.0, [("psycopg", 0.625), ("itself", 0.375)])]
    assert by_function(threads["connections"].items()) == [("client.send.once", 1.0, [("socket", 1.0)])]


@pytest.mark.parametrize("profile", [{"main": [(["odp/core/a.py:one"], 3), (["odp/core/a.py:two", "polars/f.py:g"], 1)]}])
def test_functions_are_named_with_their_shares(profile: Figures) -> None:
    figures = [{"workload": "orders", "rows": 10, "stage": "transform", "connections": [], **profile}]
    page = written(results(profile=figures))
    assert "- **Transform of orders**: `a.one` 75%, `a.two` 25% (polars); together 100%." in page
