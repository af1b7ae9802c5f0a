"""The load stage, against a sandbox ODP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from odp.core.exceptions import OdpUnavailableError
from odp.operators.load import OdpLoadOperator
from odp.operators.transform import OdpTransformOperator
from sandbox.odp.server import SandboxOdp
from tests.operators.conftest import Stages


@pytest.fixture
def transformed(stages: Stages) -> dict[str, Any]:
    """The only part of the warehouses, transformed."""
    (part,) = stages.extract().execute(stages.context())
    return OdpTransformOperator(task_id="transform", export_id=stages.export_id, part=part).execute(stages.context())


def load(transformed: dict[str, Any], stages: Stages) -> OdpLoadOperator:
    return OdpLoadOperator(task_id="load", export_id=stages.export_id, transformed=transformed)


def connect(monkeypatch: pytest.MonkeyPatch, odp: SandboxOdp, **changes: Any) -> None:
    connection = {"conn_type": "odp", "host": odp.url, "password": odp.key, **changes}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))


def test_arguments_are_kept_as_they_are_and_templated() -> None:
    operator = OdpLoadOperator(task_id="load", export_id="{{ a }}", transformed={"part": 0}, odp_conn_id="{{ b }}")
    assert (operator.export_id, operator.transformed, operator.odp_conn_id) == ("{{ a }}", {"part": 0}, "{{ b }}")
    assert set(operator.template_fields) == {"export_id", "odp_conn_id", "ledger_conn_id", "transformed"}


def test_the_part_is_delivered_and_counted(stages: Stages, odp: SandboxOdp, transformed: dict[str, Any]) -> None:
    counts = load(transformed, stages).execute(stages.context())
    assert (counts["delivered"], counts["rejected"], counts["not_sent"]) == (12, 0, 0)
    assert len(odp.dump("objects/warehouses")) == 12


def test_a_dry_run_sends_nothing(stages: Stages, odp: SandboxOdp, transformed: dict[str, Any]) -> None:
    counts = load(transformed, stages).execute(stages.context(DryRun=True))
    assert (counts["delivered"], counts["not_sent"]) == (0, 12)
    assert odp.requests() == []


def test_a_second_try_does_not_send_what_the_first_delivered(
    stages: Stages, odp: SandboxOdp, transformed: dict[str, Any]
) -> None:
    load(transformed, stages).execute(stages.context())
    counts = load(transformed, stages).execute(stages.context(try_number=2))
    assert counts["delivered"] == 12
    assert [request["items"] for request in odp.requests(path="/v3/objects")] == [12]


@pytest.mark.parametrize(
    ("status", "words"), [(403, "The API key may be wrong or revoked"), (404, "ODP has no object 'warehouses'")]
)
def test_what_cannot_be_mended_fails_at_once(
    stages: Stages, odp: SandboxOdp, transformed: dict[str, Any], status: int, words: str
) -> None:
    odp.faults(path="/v3/objects", status=status, body={"detail": {"message": "no"}})
    with pytest.raises(AirflowFailException) as error:
        load(transformed, stages).execute(stages.context())
    assert words in str(error.value)
    assert odp.key not in str(error.value)
    assert len(odp.requests(path="/v3/objects")) == 1


def test_a_server_that_is_busy_is_tried_again_and_then_left_to_a_retry(
    stages: Stages, odp: SandboxOdp, transformed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, odp, extra={"retry_budget": 1})
    odp.faults(path="/v3/objects", status=503, count=100)
    with pytest.raises(OdpUnavailableError, match="503"):
        load(transformed, stages).execute(stages.context())
    assert len(odp.requests(path="/v3/objects")) > 1
    odp.reset(keep_schema=True)
    assert load(transformed, stages).execute(stages.context(try_number=2))["delivered"] == 12


def test_without_a_key_nothing_is_tried(
    stages: Stages, odp: SandboxOdp, transformed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, odp, password="")
    with pytest.raises(AirflowFailException, match="odp_default has no API key"):
        load(transformed, stages).execute(stages.context())
    assert odp.requests() == []
