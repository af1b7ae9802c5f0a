"""The transform stage, on parts that extract staged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from odp.core.exceptions import StagingError
from odp.core.staging import read_lines
from odp.operators.transform import OdpTransformOperator
from sandbox.odp.server import SandboxOdp
from tests.operators.conftest import Stages


def transform(part: dict[str, Any], stages: Stages) -> OdpTransformOperator:
    return OdpTransformOperator(task_id="transform", export_id=stages.export_id, part=part)


def test_arguments_are_kept_as_they_are_and_templated() -> None:
    operator = OdpTransformOperator(task_id="transform", export_id="{{ a }}", part={"part": 0}, odp_conn_id="{{ b }}")
    assert (operator.export_id, operator.part, operator.odp_conn_id) == ("{{ a }}", {"part": 0}, "{{ b }}")
    assert set(operator.template_fields) == {"export_id", "odp_conn_id", "ledger_conn_id", "part"}


def test_the_connection_decides_how_many_items_a_request_has(
    stages: Stages, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "odp", "host": odp.url, "password": odp.key, "extra": {"batch_size": 5}}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    (part,) = stages.extract().execute(stages.context())
    counts = transform(part, stages).execute(stages.context())
    assert (counts["extracted"], counts["records"], counts["rejected"]) == (12, 12, 0)
    (upload,) = counts["uploads"]
    with stages.staging.read(upload["bodies"]) as file:
        bodies = [json.loads(line[line.index(b"[") :]) for line in read_lines(file)]
    assert [len(body) for body in bodies] == [5, 5, 2]
    assert "Minneapolis Main" in {item["name"] for body in bodies for item in body}
    assert odp.requests() == []


def test_a_wrong_connection_fails_at_once(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = stages.extract().execute(stages.context())
    connection = {"conn_type": "odp", "password": "pub.secret", "extra": {"batch_size": 1000}}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    with pytest.raises(AirflowFailException, match="batch_size in its extra must be a number from 1 to 500"):
        transform(part, stages).execute(stages.context())


def test_a_staged_part_that_is_gone_is_named(stages: Stages) -> None:
    (part,) = stages.extract().execute(stages.context())
    with pytest.raises(StagingError, match=r"part-00009\.csv\.zst is gone\. Clear the extract task"):
        transform({**part, "file": "part-00009.csv.zst"}, stages).execute(stages.context())


def test_a_staged_part_that_lost_rows_is_noticed(stages: Stages) -> None:
    (part,) = stages.extract().execute(stages.context())
    with pytest.raises(StagingError, match="holds 12 rows where 13 were extracted"):
        transform({**part, "rows": 13}, stages).execute(stages.context())
