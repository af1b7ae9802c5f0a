"""The reconcile stage, after the real stages before it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from odp.operators.load import OdpLoadOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator
from sandbox.odp.server import SandboxOdp
from tests.operators.conftest import RUN_ID, Stages


def run_until_reconcile(stages: Stages, **params: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    parts = stages.extract().execute(stages.context(**params))
    transformed = [
        OdpTransformOperator(task_id="transform", export_id=stages.export_id, part=part).execute(stages.context(**params))
        for part in parts
    ]
    loaded = [
        OdpLoadOperator(task_id="load", export_id=stages.export_id, transformed=part).execute(stages.context(**params))
        for part in transformed
    ]
    return transformed, loaded


def reconcile(stages: Stages, transformed: Any, loaded: Any) -> OdpReconcileOperator:
    return OdpReconcileOperator(task_id="reconcile", export_id=stages.export_id, transformed=transformed, loaded=loaded)


def test_arguments_are_kept_as_they_are_and_templated() -> None:
    operator = OdpReconcileOperator(task_id="reconcile", export_id="{{ a }}", transformed=[1], loaded=[2])
    assert (operator.export_id, operator.transformed, operator.loaded) == ("{{ a }}", [1], [2])
    assert set(operator.template_fields) == {"export_id", "odp_conn_id", "ledger_conn_id", "transformed", "loaded"}


def test_the_summary_accounts_for_every_row(stages: Stages) -> None:
    summary = reconcile(stages, *run_until_reconcile(stages)).execute(stages.context())
    assert {name: summary[name] for name in ("extracted", "delivered", "unchanged", "skipped", "rejected", "not_sent")} == {
        "extracted": 12,
        "delivered": 12,
        "unchanged": 0,
        "skipped": 0,
        "rejected": 0,
        "not_sent": 0,
    }
    assert stages.staging.read_json("summary.json") == summary
    row = stages.run_row()
    assert (row["run_id"], row["state"], row["delivered"], row["error"]) == (RUN_ID, "success", 12, None)


def test_an_empty_run_is_a_success(stages: Stages) -> None:
    stages.extract(window_start="2001-01-01T00:00:00Z", window_end="2001-01-02T00:00:00Z").execute(stages.context())
    summary = reconcile(stages, None, None).execute(stages.context())
    assert (summary["extracted"], summary["delivered"]) == (0, 0)
    assert stages.run_row()["state"] == "success"


def test_a_row_without_a_fate_fails_the_run(stages: Stages) -> None:
    transformed, loaded = run_until_reconcile(stages, DryRun=True)
    loaded[0]["not_sent"] -= 1
    with pytest.raises(AirflowFailException, match="12 rows extracted, but"):
        reconcile(stages, transformed, loaded).execute(stages.context(DryRun=True))
    row = stages.run_row()
    assert row["state"] == "failed"
    assert "12 rows extracted, but" in row["error"]


@pytest.fixture
def with_a_reject(stages: Stages, odp: SandboxOdp) -> str:
    """An account that refuses one warehouse, by its name."""
    body = {"title": "Bad Request", "status": 400, "detail": {"invalids": [{"event": 3, "message": "not this one"}]}}
    odp.faults(path="/v3/objects", status=400, body=body)
    return "not this one"


def test_a_reject_fails_the_run_after_the_rest_was_delivered(stages: Stages, odp: SandboxOdp, with_a_reject: str) -> None:
    operator = reconcile(stages, *run_until_reconcile(stages))
    with pytest.raises(AirflowFailException) as error:
        operator.execute(stages.context())
    assert "1 of 12 rows of warehouse_odp_export were rejected (max_reject_ratio is 0)" in str(error.value)
    assert with_a_reject in str(error.value)
    assert len(odp.dump("objects/warehouses")) == 11
    with psycopg.connect(stages.ledger) as connection:
        rejects = connection.execute("SELECT reason, closed_at FROM reject").fetchall()
    assert [(with_a_reject in reason, closed_at) for reason, closed_at in rejects] == [(True, None)]


def test_a_permitted_share_of_rejects_is_no_failure(stages: Stages, with_a_reject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(stages.root), "max_reject_ratio": 0.1}))
    summary = reconcile(stages, *run_until_reconcile(stages)).execute(stages.context())
    assert (summary["delivered"], summary["rejected"]) == (11, 1)
