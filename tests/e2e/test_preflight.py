"""The preflight through Airflow: its report in the UI and in XCom, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from airflow import settings as airflow_settings
from airflow.models.dag import DagModel
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from sqlalchemy import update

from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from tests.e2e.conftest import Configure
from tests.e2e.runs import load_dag

ALL = [export.dag_id for export in EXPORTS]


@dataclass(frozen=True)
class Checked:
    """
    A finished preflight.

    :param state: state of the run.
    :param report: what it pushed as XCom.
    :param shown: the report as Airflow's UI shows it among the rendered fields.
    """

    state: str
    report: dict[str, Any]
    shown: str

    def findings(self, verdict: str) -> list[dict[str, Any]]:
        return [finding for finding in self.report["findings"] if finding["verdict"] == verdict]


def preflight(dag_id: str = "odp_preflight", **conf: Any) -> Checked:
    run = load_dag(dag_id).test(run_conf=conf)
    ti = run.get_task_instance("preflight")
    shown = RenderedTaskInstanceFields.get_templated_fields(ti)["report"]
    return Checked(str(run.state.value), ti.xcom_pull("preflight"), shown)


@pytest.fixture
def pause(account: SandboxOdp) -> Iterator[Callable[[bool], None]]:
    """Return a function that pauses or unpauses all exports."""

    def set_paused(paused: bool) -> None:
        session = airflow_settings.Session()
        session.execute(update(DagModel).where(DagModel.dag_id.in_(ALL)).values(is_paused=paused))
        session.commit()

    yield set_paused
    set_paused(True)


def test_the_report_is_shown_and_pushed(account: SandboxOdp, configure: Configure, pause: Callable[[bool], None]) -> None:
    configure(accept_shared_emails=True)
    first = preflight(DryRun=True)  # which also makes the DAGs known
    assert first.state == "success"
    assert "A run that is no dry run will create 1 object" in first.shown
    assert "object warehouses" in first.shown
    assert "warehouses" not in account.counts()["objects"]
    pause(False)
    checked = preflight()
    assert (checked.state, checked.report["verdict"], checked.report["impossible_exports"]) == ("success", "warning", [])
    assert checked.shown.startswith("Failures: 0, warnings: ")
    lines = [line for line in checked.shown.splitlines()[2:] if not line.startswith(" ")]
    assert len(lines) == len(checked.report["findings"]) == sum(checked.report["counts"].values())
    assert [line.split()[0] for line in lines] == sorted((line.split()[0] for line in lines), reverse=True)  # WARNING, OK
    assert "OK       Airflow: DAGs: All exports are there and unpaused." in lines
    assert account.counts()["objects"]["warehouses"] == 0  # there, and empty


def test_paused_exports_are_a_warning_and_stop_an_initial_load(
    account: SandboxOdp, configure: Configure, pause: Callable[[bool], None]
) -> None:
    configure(accept_shared_emails=True)
    checked = preflight()
    assert checked.state == "success"
    assert [finding["exports"] for finding in checked.findings("warning") if finding["area"] == "Airflow"] == [ALL]
    checked = preflight("odp_initial_load")
    assert (checked.state, checked.report["impossible_exports"]) == ("failed", ALL)
    (finding,) = checked.findings("failure")
    assert "A paused export runs neither daily nor when it is triggered." in finding["cause"]
    assert finding["remedy"].startswith("Unpause them")


def test_shared_addresses_fail_it_with_a_report_nevertheless(account: SandboxOdp, configure: Configure) -> None:
    checked = preflight()
    assert checked.state == "failed"
    (finding,) = checked.findings("failure")
    assert (finding["area"], finding["details"]["shared"]) == ("e-mail", 1)
    assert finding["remedy"]
    assert checked.shown.startswith("Failures: 1, ")
    assert "FAILURE  e-mail: uniqueness" in checked.shown


def test_everything_that_is_wrong_is_named_at_once(
    account: SandboxOdp, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(part_row=1)  # no such setting
    monkeypatch.delenv("AIRFLOW_CONN_COMMERCE_DB")
    monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER")
    monkeypatch.delenv("AIRFLOW_CONN_ODP_DEFAULT")
    checked = preflight()
    assert (checked.state, checked.report["impossible_exports"]) == ("failed", ALL)
    causes = {finding["area"]: finding["cause"] for finding in checked.findings("failure")}
    assert set(causes) == {"settings", "replica", "ledger", "ODP"}
    assert "part_row: Extra inputs are not permitted" in causes["settings"]
    assert causes["replica"] == "There is no connection commerce_db."
    assert causes["ledger"] == "There is no connection odp_ledger."
    assert causes["ODP"] == "There is no connection odp_default."


def test_a_wrong_key_fails_it_and_stays_secret(
    account: SandboxOdp, configure: Configure, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(accept_shared_emails=True)
    connection = {"conn_type": "odp", "host": account.url, "password": "wrong.key-that-nobody-may-see"}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    checked = preflight()
    assert (checked.state, checked.report["impossible_exports"]) == ("failed", ALL)
    assert [finding["area"] for finding in checked.findings("failure")] == ["ODP"]
    output = capfd.readouterr()
    assert "refuses this key on every API" in output.out
    assert "key-that-nobody-may-see" not in output.out + output.err + json.dumps(checked.report) + checked.shown
