"""The template macros: alone, and rendered by Airflow for each way a run comes about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.utils.types import DagRunType

from odp.macros import window_end, window_start
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World
from tests.e2e.runs import load_dag, run_as, run_by_hand

DAY = (datetime(2026, 11, 2, tzinfo=timezone.utc), datetime(2026, 11, 3, tzinfo=timezone.utc))
ORDERS = "order_odp_export"
EVERYTHING = ("-infinity", "infinity")
ONE_DAY = ("2026-11-02T00:00:00+00:00", "2026-11-03T00:00:00+00:00")


def dag_run(run_type: Any, **times: Any) -> SimpleNamespace:
    """What a template sees of a run, as far as the macros read it."""
    unset = dict.fromkeys(("data_interval_start", "data_interval_end", "logical_date"))
    return SimpleNamespace(**{"dag_id": ORDERS, "run_type": run_type, "run_after": DAY[1], "conf": {}, **unset, **times})


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the Variable ``odp_settings``, to nothing at first."""

    def set_variable(**values: Any) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps(values))

    set_variable()
    return set_variable


def window(run: SimpleNamespace, **params: Any) -> tuple[str, str]:
    return window_start(run, params), window_end(run, params)


INTERVAL = {"data_interval_start": DAY[0], "data_interval_end": DAY[1], "logical_date": DAY[0]}


@pytest.mark.parametrize("run_type", [DagRunType.SCHEDULED, "scheduled", DagRunType.BACKFILL_JOB, "backfill"])
def test_scheduled_and_backfill_runs_take_their_interval(run_type: Any) -> None:
    assert window(dag_run(run_type, **INTERVAL), LookBackDays=None, StartDate=None) == ONE_DAY


def test_a_setting_lets_scheduled_runs_look_back(settings: Callable[..., None]) -> None:
    settings(exports={ORDERS: {"look_back_days": 7}})
    week = ((DAY[1] - timedelta(days=7)).isoformat(), DAY[1].isoformat())
    assert window(dag_run("scheduled", **INTERVAL)) == week
    assert window(dag_run("scheduled", dag_id="product_odp_export", **INTERVAL)) == ONE_DAY
    # What was asked for explicitly stays as it is: parameters, the days of a backfill, everything.
    assert window(dag_run("scheduled", **INTERVAL), LookBackDays=1) == ONE_DAY
    assert window(dag_run("scheduled", **INTERVAL), StartDate="2026-11-02") == (ONE_DAY[0], "infinity")
    assert window(dag_run("backfill", **INTERVAL)) == ONE_DAY
    assert window(dag_run("manual", **INTERVAL)) == EVERYTHING


def test_wrong_settings_fail_a_scheduled_run_in_a_sentence(settings: Callable[..., None]) -> None:
    settings(exports={"orders": {}})
    with pytest.raises(AirflowFailException, match="there is no export orders; the exports are warehouse_odp_export, "):
        window(dag_run("scheduled", **INTERVAL))


@pytest.mark.parametrize("run_type", [DagRunType.MANUAL, "manual", "asset_triggered"])
@pytest.mark.parametrize("times", [{}, INTERVAL])
def test_other_runs_take_everything(run_type: Any, times: dict[str, Any]) -> None:
    assert window(dag_run(run_type, **times)) == EVERYTHING


@pytest.mark.parametrize(
    ("times", "end"),
    [
        (INTERVAL, DAY[1]),
        ({"logical_date": DAY[0]}, DAY[0]),
        ({"run_after": DAY[1] + timedelta(hours=5)}, DAY[1] + timedelta(hours=5)),
    ],
)
def test_look_back_counts_from_the_interval_else_the_logical_date_else_run_after(times: dict[str, Any], end: datetime) -> None:
    run = dag_run("manual", **times)
    assert window(run, LookBackDays=2) == ((end - timedelta(days=2)).isoformat(), end.isoformat())


def test_dates_win_over_the_interval_and_leave_the_other_side_open() -> None:
    run = dag_run("scheduled", **INTERVAL)
    assert window(run, StartDate="2026-01-01T00:00:00Z") == ("2026-01-01T00:00:00+00:00", "infinity")
    assert window(run, EndDate="2026-01-01") == ("-infinity", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("run", "params", "sentence"),
    [
        (dag_run("manual"), {"LookBackDays": 1, "StartDate": "2026-01-01"}, "either LookBackDays or StartDate/EndDate"),
        (dag_run("manual"), {"StartDate": "yesterday"}, "'yesterday' is not a date that can be read"),
        (dag_run("manual", conf={"LookbackDays": 1}), {}, "Did you mean LookBackDays?"),
        (dag_run("manual"), {"Ids": ["1", 2]}, "Ids must be a list of texts"),
        (dag_run("scheduled"), {}, "no data interval"),
        (dag_run("scheduled", data_interval_start=DAY[0], data_interval_end=DAY[0]), {}, "no data interval"),
    ],
)
def test_wrong_parameters_fail_the_task_in_a_sentence(run: Any, params: dict[str, Any], sentence: str) -> None:
    for macro in (window_start, window_end):
        with pytest.raises(AirflowFailException) as error:
            macro(run, params)
        assert sentence in str(error.value)


@pytest.fixture
def account(airflow_db: World, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> SandboxOdp:
    """An ODP account of this test's own, which the connection odp_default leads to."""
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps({"conn_type": "odp", "host": odp.url, "password": odp.key}))
    return odp


def test_airflow_renders_a_run_without_logical_date(account: SandboxOdp) -> None:
    run = run_by_hand(load_dag("warehouse_odp_export"))
    assert run.state == "success"
    assert tuple(run.window) == EVERYTHING
    assert run.run.logical_date is None


def test_airflow_renders_look_back_of_a_run_without_logical_date(account: SandboxOdp) -> None:
    run = run_by_hand(load_dag("warehouse_odp_export"), LookBackDays=3)
    start, end = map(datetime.fromisoformat, run.window)
    assert (end, end - start) == (run.run.run_after, timedelta(days=3))


def test_airflow_renders_look_back_of_a_manual_run_with_logical_date(account: SandboxOdp) -> None:
    # At 05:00 the last whole day ended at midnight.
    run = run_by_hand(load_dag("warehouse_odp_export"), datetime(2026, 11, 3, 5, tzinfo=timezone.utc), LookBackDays=1)
    assert tuple(run.window) == ONE_DAY


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_airflow_renders_the_interval_of_a_scheduled_run_and_of_a_backfill(account: SandboxOdp, run_type: str) -> None:
    run = run_as(load_dag("warehouse_odp_export"), run_type, DAY)
    assert run.state == "success"
    assert tuple(run.window) == ONE_DAY


@pytest.fixture
def since_last_success(account: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window mode, with the default overlap of 15 minutes."""
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"window_mode": "since_last_success", "read_back_sample": 0}))


def past_day(number: int) -> tuple[datetime, datetime]:
    """A data interval that is over: a run that has not begun yet covers nothing."""
    start = datetime(2024, 5, number, tzinfo=timezone.utc)
    return start, start + timedelta(days=1)


def texts(start: datetime, end: datetime) -> list[str]:
    return [start.isoformat(), end.isoformat()]


@pytest.mark.usefixtures("since_last_success")
class TestSinceLastSuccess:
    def test_downtime_leaves_no_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        export = "warehouse_odp_export"
        overlap = timedelta(minutes=15)
        first = run_as(load_dag(export), "scheduled", past_day(1))
        assert first.window == texts(*past_day(1))

        # The 2nd is missing, and the 3rd fails.
        with monkeypatch.context() as broken:
            broken.setenv("AIRFLOW_CONN_COMMERCE_DB", os.environ["AIRFLOW_CONN_ODP_LEDGER"])
            failed = run_as(load_dag(export), "scheduled", past_day(3))
        assert failed.state == "failed"
        since_the_first = past_day(1)[1] - overlap
        assert failed.window == texts(since_the_first, past_day(3)[1])

        # What a person exports for one of the days fills that day and no more; a backfill takes its own interval.
        by_hand = run_by_hand(load_dag(export), StartDate="2024-05-04T00:00:00Z", EndDate="2024-05-05T00:00:00Z")
        assert by_hand.window == texts(*past_day(4))
        backfill = run_as(load_dag(export), "backfill", past_day(5))
        assert backfill.window == texts(*past_day(5))

        recovered = run_as(load_dag(export), "scheduled", past_day(6))
        assert (recovered.state, recovered.window) == ("success", texts(since_the_first, past_day(6)[1]))
        after = run_as(load_dag(export), "scheduled", past_day(7))
        assert after.window == texts(past_day(6)[1] - overlap, past_day(7)[1])

        # Another try of a run reads what its first one read, whatever has been covered since.
        dag = load_dag(export)
        assert window_start(recovered.run, {}, dag.get_task("extract")) == since_the_first.isoformat()

    def test_parameters_win(self) -> None:
        run = run_as(load_dag("warehouse_odp_export"), "scheduled", past_day(2), LookBackDays=3)
        assert run.window == texts(past_day(2)[1] - timedelta(days=3), past_day(2)[1])

    def test_a_missing_ledger_fails_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER")
        run = run_as(load_dag("warehouse_odp_export"), "scheduled", past_day(3))
        assert (run.state, run.window) == ("failed", [])
        assert run.tries == {"extract": 1}


def test_wrong_parameters_fail_without_a_retry_and_nothing_is_sent(account: SandboxOdp) -> None:
    dag = load_dag("warehouse_odp_export")
    assert dag.get_task("extract").retries == 3
    run = run_by_hand(dag, LookBackDays=1, StartDate="2026-11-01T00:00:00Z")
    assert run.state == "failed"
    assert run.tasks == {
        "extract": "failed",
        "transform": "upstream_failed",
        "load": "upstream_failed",
        "reconcile": "upstream_failed",
    }
    assert run.tries == {"extract": 1}
    assert account.requests() == []


_SCRIPT = """
import json, sys
from pathlib import Path

plugins = Path(sys.argv[1])
from airflow import plugins_manager as core
from airflow.sdk import macros
from airflow.sdk import plugins_manager as sdk

core.ensure_plugins_loaded()
core.integrate_macros_plugins()
sdk.integrate_macros_plugins()
files = {name: Path(module.__file__) for name, module in list(sys.modules.items()) if getattr(module, "__file__", None)}
ours = {name: str(file.relative_to(plugins)) for name, file in files.items() if file.is_relative_to(plugins)}
print(json.dumps({
    "errors": core.get_import_errors(),
    "ours": [plugin.name for plugin in core._get_plugins()[0] if plugin.name == "odp"],
    "deadlines": list(core.get_deadline_references_plugins()),
    "macros": sorted(name for name in vars(macros.odp) if name.startswith("window")),
    "rendered": macros.odp.window_start.__module__,
    "stdlib replaced": sorted(set(ours) & set(sys.stdlib_module_names)),
    "bare names": sorted(name for name, file in ours.items() if not name.startswith("odp") and file != "odp_plugin.py"),
    "json": json.loads(json.dumps({"intact": True})),
}))
"""


def test_the_plugin_loads_and_leaves_the_standard_library_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-c", _SCRIPT, str(PROJECT / "plugins")]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "errors": {},
        "ours": ["odp"],
        "deadlines": ["odp.deadlines.DueDeadline"],
        "macros": ["window_end", "window_start"],
        "rendered": "odp.macros",
        "stdlib replaced": [],
        "bare names": [],
        "json": {"intact": True},
    }


def test_the_plugin_scan_skips_the_package() -> None:
    assert "odp/" in (PROJECT / "plugins" / ".airflowignore").read_text().splitlines()
