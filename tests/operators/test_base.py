"""What all stages share: settings, staging, and which errors are worth a retry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from odp.core import exceptions
from odp.core.exceptions import CannotSucceedError, OdpExportError, SettingsError
from odp.core.exports import PRODUCTS
from odp.core.staging import Staging
from odp.operators.base import ExportStageOperator
from sandbox.s3 import S3Server
from tests.operators.conftest import Stages

ERRORS = [error for error in vars(exceptions).values() if isinstance(error, type) and issubclass(error, OdpExportError)]
WORTH_A_RETRY = {
    *("OdpExportError", "OdpApiError", "OdpUnavailableError", "OdpUnknownOutcomeError"),
    *("RealTimeError", "ReplicaTimeoutError", "StagingError"),
    *("CustomFunctionError", "BucketError", "BucketUnknownOutcomeError"),
}


class Failing(ExportStageOperator):
    """A stage that fails."""

    def __init__(self, *, error: Callable[[], Exception], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def run_stage(self, context: Any) -> Any:
        raise self.error()


def stage(error: type[Exception] = ValueError, message: str = "what went wrong") -> Failing:
    return Failing(task_id="failing", export_id=PRODUCTS.dag_id, error=lambda: error(message))


def test_a_stage_is_constructed_without_any_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ODP_DEFAULT", "ODP_LEDGER", "COMMERCE_DB"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}")
    operator = stage()
    assert (operator.export_id, operator.odp_conn_id, operator.ledger_conn_id) == (PRODUCTS.dag_id, "odp_default", "odp_ledger")
    assert operator.export is PRODUCTS
    assert {"export_id", "odp_conn_id", "ledger_conn_id"} == set(ExportStageOperator.template_fields)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_which_errors_are_tried_again(stages: Stages, error: type[OdpExportError]) -> None:
    # Only these two outcomes exist: Airflow retries every exception but this one.
    expected = error if error.__name__ in WORTH_A_RETRY else AirflowFailException
    assert issubclass(error, CannotSucceedError) is (expected is AirflowFailException)
    with pytest.raises(expected, match="what went wrong") as caught:
        stage(error).execute(stages.context())
    assert caught.type is expected


def test_other_errors_are_passed_on(stages: Stages) -> None:
    with pytest.raises(ZeroDivisionError):
        stage(ZeroDivisionError).execute(stages.context())


def test_a_failure_is_written_into_the_run_s_history(stages: Stages) -> None:
    stages.extract().execute(stages.context())
    assert stages.run_row()["state"] == "running"
    failing = Failing(task_id="load", export_id=stages.export_id, error=lambda: ZeroDivisionError("by nothing"))
    with pytest.raises(ZeroDivisionError):
        failing.execute(stages.context())
    row = stages.run_row()
    assert (row["state"], row["error"]) == ("failed", "load: ZeroDivisionError: by nothing")
    assert row["finished_at"] is not None


def test_a_ledger_that_is_down_does_not_hide_the_failure(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", "postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(ZeroDivisionError):
        stage(ZeroDivisionError).execute(stages.context())


def test_a_missing_ledger_connection_is_named(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER")
    with pytest.raises(AirflowFailException, match=r"There is no connection odp_ledger\. .*python -m odp\.create_ledger"):
        stages.extract().execute(stages.context())


def test_an_empty_ledger_database_is_named(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", stages.ledger.rpartition("/")[0] + "/postgres")
    with pytest.raises(AirflowFailException, match=r"has no tables\. .*python -m odp\.create_ledger"):
        stages.extract().execute(stages.context())


def test_settings_come_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_VAR_ODP_SETTINGS", raising=False)
    assert stage().settings.email_mode == "unique"
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", '{"email_mode": "non_unique", "part_rows": 10}')
    assert (stage().settings.email_mode, stage().settings.part_rows) == ("non_unique", 10)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{", "The Variable odp_settings is not valid JSON"),
        ('{"email_mode": "both"}', "email_mode: Input should be 'unique' or 'non_unique'"),
        ('{"part_row": 10}', "part_row: Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_fail_the_stage_at_once(
    stages: Stages, monkeypatch: pytest.MonkeyPatch, value: str, sentence: str
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", value)
    with pytest.raises(AirflowFailException) as error:
        stages.extract().execute(stages.context())
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/shared/odp", Path("/shared/odp")),
        ("file:///shared/odp", Path("/shared/odp")),
        ("file:///shared/with space", Path("/shared/with space")),
    ],
)
def test_local_staging(monkeypatch: pytest.MonkeyPatch, location: str, path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": location}))
    assert stage().staging_root() == path
    assert isinstance(stage().staging_root(), Path)


def test_staging_is_under_airflow_home_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.configuration import AIRFLOW_HOME

    monkeypatch.delenv("AIRFLOW_VAR_ODP_SETTINGS", raising=False)
    assert stage().staging_root() == Path(AIRFLOW_HOME) / "odp_staging"


def test_staging_on_object_storage(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": f"s3://aws_default@{s3.bucket}/odp"}))
    root = stage().staging_root()
    assert isinstance(root, ObjectStoragePath)
    assert (root.conn_id, root.bucket, root.key) == ("aws_default", s3.bucket, "odp")
    staging = Staging(root, "a_dag", "a_run")
    staging.write_json("manifest.json", {"rows": 1})
    assert s3.keys("odp/") == ["odp/a_dag/a_run/manifest.json"]


def test_a_storage_that_nothing_installed_knows_is_named(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", '{"staging": "nfs://server/odp"}')
    with pytest.raises(
        AirflowFailException, match=r"Setting staging is nfs://server/odp, but no installed provider knows nfs://"
    ):
        stages.extract().execute(stages.context())


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (OSError("the network"), 1, True),
        (OSError("the network"), 3, True),
        (OSError("the network"), 4, False),
        (SettingsError("wrong"), 1, False),
        (AirflowNotFoundException("no connection"), 1, False),
    ],
)
def test_what_is_tried_again(error: Exception, attempt: int, expected: bool) -> None:
    context: Any = {"ti": SimpleNamespace(try_number=attempt, max_tries=3)}
    works = ExportStageOperator(task_id="stage", export_id="product_odp_export")
    assert works.may_retry(context, error) is expected


def test_a_stage_works_for_one_account_after_the_other_and_then_as_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    accounts = {"Main": "odp_main", "Outlet": "odp_outlet"}
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(tmp_path), "accounts": accounts}))
    works = ExportStageOperator(task_id="stage", export_id="product_odp_export")
    context: Any = {"dag": SimpleNamespace(dag_id="product_odp_export"), "run_id": "run"}

    def state() -> tuple[Any, ...]:
        return works.odp_conn_id, works.odp_hook.odp_conn_id, works.settings.websites, works.staging(context).folder.parent.name

    seen = [state() for _ in works.each_account()]

    assert seen == [
        ("odp_main", "odp_main", ("Main",), "product_odp_export.odp_main"),
        ("odp_outlet", "odp_outlet", ("Outlet",), "product_odp_export.odp_outlet"),
    ]
    assert state() == ("odp_default", "odp_default", (), "product_odp_export")
