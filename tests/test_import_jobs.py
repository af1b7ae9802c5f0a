"""``python -m odp.import_jobs`` on real replicas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.dag_processing.dagbag import DagBag
from psycopg.rows import dict_row

from odp.core.exports import EXPORTS
from odp.core.settings import read_settings
from odp.import_jobs import main
from odp.schedules import read_schedules
from sandbox.commerce.reference_rows import JOBS
from sandbox.world import PROJECT, World
from tests.sql.replica import Replica

PRODUCTS, ORDERS, LINKS = "product_odp_export", "order_odp_export", "customer_to_user_mapping_odp_export"


def documents(output: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two JSON documents of the command's output."""
    decoder, found = json.JSONDecoder(), []
    for title in ("The value of the Variable odp_settings:\n\n", "include/schedules.json:\n\n"):
        found.append(decoder.raw_decode(output[output.index(title) + len(title) :])[0])
    return found[0], found[1]


def add_job(replica: str, **row: Any) -> Any:
    """Insert a job definition with parameters."""
    parameters = row.pop("parameters", {})
    with psycopg.connect(replica, row_factory=dict_row) as connection:
        inserter = Replica(connection)
        defaults = {"Name": row["PostProcessor"], "RecurringJob": True, "RecurringType": "Days", "RecurringInterval": 1}
        job = inserter.add("JobDefinition", **{**defaults, **row})
        for name, value in parameters.items():
            inserter.add("JobDefinitionParameter", JobDefinitionId=job, Name=name, DefaultValue=value)
    return job


def test_the_jobs_of_the_sandbox_become_settings_that_the_dags_take(world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "odp.import_jobs", "--timezone", "Europe/Berlin"]
    environment = {
        **os.environ,
        "AIRFLOW_CONN_COMMERCE_DB": world.dsn("commerce") + "?options=-c%20search_path%3Ddbo",
        "AIRFLOW_VAR_ODP_SETTINGS": json.dumps({"email_mode": "non_unique", "exports": {LINKS: {"look_back_days": 2}}}),
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    files = [*("--settings", str(tmp_path / "settings.json")), *("--schedules", str(tmp_path / "schedules.json"))]
    result = subprocess.run([*command, *files], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for _, name, *_ in JOBS:
        assert f"from the job {name!r}" in result.stdout
    assert "Told of always: orders@example.com, it@example.com" in result.stdout

    settings = read_settings((tmp_path / "settings.json").read_text())
    assert settings.email_mode == "non_unique"  # what was set before stays
    looks_back = {export.dag_id: settings.for_export(export.dag_id).look_back_days for export in EXPORTS}
    assert looks_back == {
        "warehouse_odp_export": 7, PRODUCTS: 1, "customer_odp_export": 3, "user_profile_odp_export": None, LINKS: 2, ORDERS: 1,
    }  # fmt: skip
    told = {
        export.dag_id: [(one.condition, one.to) for one in settings.for_export(export.dag_id).notify or ()] for export in EXPORTS
    }
    assert told[ORDERS] == [("always", ("orders@example.com", "it@example.com"))]
    assert told["user_profile_odp_export"] == [("success", ("crm@example.com",))]
    assert (told[PRODUCTS], told[LINKS]) == ([("failure", ("catalog@example.com",))], [])

    # In winter, Berlin is an hour ahead of UTC, in which Commerce keeps its times.
    schedules = read_schedules(tmp_path / "schedules.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODP_SCHEDULES", str(tmp_path / "schedules.json"))
        dags = DagBag(PROJECT / "dags").dags
    assert schedules.timezone == "Europe/Berlin"
    assert str(dags[PRODUCTS].timetable.timezone) == "Europe/Berlin"
    assert dags["customer_odp_export"].timetable.expression == "30 2 * * 1-5"
    assert dags[LINKS].timetable.can_be_scheduled is False
    assert dags["odp_maintenance"].timetable.expression == "30 3 * * *"


def test_what_cannot_be_taken_over_is_said(empty_replica: str, capsys: pytest.CaptureFixture[str]) -> None:
    start = datetime(2026, 3, 2, 1, tzinfo=timezone.utc)
    follower = add_job(empty_replica, PostProcessor="Other", Name="Rebuild Search Index")
    add_job(
        empty_replica,
        PostProcessor="productodpexport",
        Name="Products",
        RecurringStartDateTime=start,
        NotifyEmail="a@example.com,helpdesk; b@example.com",
        NotifyCondition="Whenever",
        LinkedJobId=follower,
        LinkedJobCondition="SuccessOrWarning",
        MaxTimeoutMinutes=90,
        EmailTemplateId=follower,
        parameters={"LookBackDays": "one", "StartDate": "2020-01-01", "EndDate": ""},
    )
    add_job(empty_replica, PostProcessor="ProductOdpExport", Name="Products, once", RecurringJob=False)
    add_job(empty_replica, PostProcessor="OrderOdpExport", Name="Orders", RecurringType="Fortnights")
    assert main([empty_replica]) == 0
    output = capsys.readouterr().out
    for remark in (
        "The job 'Products, once' has the same post processor and is not taken over (run by hand: ",
        "It starts the job 'Rebuild Search Index' (SuccessOrWarning).",
        "Commerce ends it after 90 minutes.",
        "LookBackDays is 'one', which is no number of days",
        "StartDate is fixed at '2020-01-01'",
        "NotifyEmail holds helpdesk, which is no e-mail address.",
        "The notify condition 'Whenever' is not known: the addresses are told always.",
        "Its e-mail template is not taken over",
        "the recurrence 'Fortnights' cannot be read: the DAG keeps its own schedule",
        "Commerce has no job for it",
    ):
        assert f"  ! {remark}" in output
    settings, schedules = documents(output)
    assert settings == {
        "exports": {PRODUCTS: {"notify": [{"condition": "always", "to": ["a@example.com", "b@example.com"]}]}},
    }
    assert schedules == {"timezone": "UTC", "dags": {PRODUCTS: {"schedule": "0 1 * * *"}}}


def test_parameters_of_steps_count_and_names_may_have_any_case(empty_replica: str, capsys: pytest.CaptureFixture[str]) -> None:
    job = add_job(empty_replica, PostProcessor="OrderOdpExport", Name="Orders")
    with psycopg.connect(empty_replica, autocommit=True) as connection:
        connection.execute('ALTER TABLE JobDefinition RENAME TO "JobDefinition"')
        connection.execute('ALTER TABLE "JobDefinition" RENAME PostProcessor TO "PostProcessor"')
        connection.execute('ALTER TABLE "JobDefinition" DROP COLUMN EmailTemplateId')
        connection.execute("CREATE TABLE JobDefinitionStep (Id uuid, JobDefinitionId uuid)")
        connection.execute("CREATE TABLE JobDefinitionStepParameter (JobDefinitionStepId uuid, Name text, DefaultValue text)")
        connection.execute("INSERT INTO JobDefinitionStep VALUES (gen_random_uuid(), %s)", (job,))
        connection.execute("INSERT INTO JobDefinitionStepParameter SELECT Id, 'LookBackDays', '5' FROM JobDefinitionStep")
    assert main([empty_replica]) == 0
    settings, _ = documents(capsys.readouterr().out)
    assert settings == {"exports": {ORDERS: {"look_back_days": 5}}}


def test_without_job_tables_or_replica_or_zone_it_says_so(
    database: str, empty_replica: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(empty_replica, autocommit=True) as connection:
        connection.execute("DROP TABLE JobDefinition CASCADE")
    assert main([empty_replica]) == 1
    assert "The replica has no table JobDefinition in its search_path." in capsys.readouterr().err
    assert main(["postgresql://nobody@127.0.0.1:9/nothing"]) == 1
    assert "Connection refused" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([database, "--timezone", "Mars/Olympus"])
    assert "'Mars/Olympus' is no time zone" in capsys.readouterr().err
