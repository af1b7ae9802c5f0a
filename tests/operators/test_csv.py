"""What the operators add to CSV to S3: which runs use it, what they lack, where the files go."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from odp.core.import_bucket import is_file
from odp.core.settings import Settings
from odp.operators.load import OdpLoadOperator
from odp.operators.preflight import OdpPreflightOperator
from odp.operators.transform import OdpTransformOperator
from sandbox.s3 import S3Server
from tests.operators.conftest import WAREHOUSES, Stages


def configure(monkeypatch: pytest.MonkeyPatch, stages: Stages, **settings: Any) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(stages.root), **settings}))


@pytest.fixture
def csv_settings(s3: S3Server, stages: Stages, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings that send warehouses as CSV, in force."""
    settings = {"csv": {"bucket": s3.bucket, "tracker_id": stages.root.name}, "exports": {WAREHOUSES: {"transport": "csv"}}}
    configure(monkeypatch, stages, **settings)
    return settings


def transform(stages: Stages, context: Any) -> dict[str, Any]:
    (part,) = stages.extract().execute(context)
    return dict(OdpTransformOperator(task_id="transform", export_id=WAREHOUSES, part=part).execute(context))


@pytest.mark.usefixtures("csv_settings")
def test_the_export_s_own_dag_writes_files_and_others_do_not(stages: Stages) -> None:
    assert any(map(is_file, transform(stages, stages.context())["uploads"]))
    repair = {**stages.context(), "dag": SimpleNamespace(dag_id="odp_consistency")}
    assert not any(map(is_file, transform(stages, repair)["uploads"]))


@pytest.mark.usefixtures("csv_settings")
def test_without_the_bucket_s_setting_the_files_stay_and_it_says_what_to_do(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformed = transform(stages, stages.context())
    configure(monkeypatch, stages)
    with pytest.raises(AirflowFailException, match="the setting csv is gone.*clear the transform task"):
        OdpLoadOperator(task_id="load", export_id=WAREHOUSES, transformed=transformed).execute(stages.context())


def test_lineage_names_the_folder_that_odp_imports_from(stages: Stages, csv_settings: dict[str, Any], s3: S3Server) -> None:
    transformed = transform(stages, stages.context())
    lineage = OdpLoadOperator(task_id="load", export_id=WAREHOUSES, transformed=transformed).get_openlineage_facets_on_start()
    assert (f"s3://{s3.bucket}", csv_settings["csv"]["tracker_id"]) in [(one.namespace, one.name) for one in lineage.outputs]


@pytest.mark.parametrize(
    ("bucket", "connection", "verdict", "words"),
    [
        ("staging", {}, "ok", "It can be reached"),
        ("nobodys-bucket", {}, "failure", "There is no bucket nobodys-bucket"),
        ("staging", {"endpoint_url": "http://127.0.0.1:9"}, "warning", "The bucket staging cannot be reached"),
    ],
)
def test_the_preflight_looks_into_the_bucket(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, bucket: str, connection: dict[str, str], verdict: str, words: str
) -> None:
    extra = {"endpoint_url": s3.url, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 0}}, **connection}
    aws = {"conn_type": "aws", "login": "sandbox", "password": "sandbox", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(aws))
    csv = {"bucket": bucket, "tracker_id": "pubKEY123"}
    settings = Settings(csv=csv, exports={WAREHOUSES: {"transport": "csv"}})  # type: ignore[arg-type]
    (finding,) = OdpPreflightOperator(task_id="preflight")._check_bucket(settings)
    assert (finding.verdict, finding.area) == (verdict, "CSV")
    assert words in finding.text
    assert list(finding.exports) == ([] if verdict == "ok" else [WAREHOUSES])


def test_the_preflight_looks_into_no_bucket_that_nobody_uses() -> None:
    settings = Settings(csv={"bucket": "nobodys-bucket", "tracker_id": "pubKEY123"})  # type: ignore[arg-type]
    assert list(OdpPreflightOperator(task_id="preflight")._check_bucket(settings)) == []
