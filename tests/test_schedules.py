"""The schedules and deadlines that a team sets in a file."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert
from airflow.serialization.serialized_objects import DagSerialization

from odp.core.exceptions import SettingsError
from odp.core.exports import PRODUCTS
from odp.deadlines import DueDeadline
from odp.factory import build_export_dag
from odp.schedules import Schedules, read_schedules
from sandbox.world import PROJECT

ID = PRODUCTS.dag_id


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the schedules."""
    path = tmp_path / "schedules.json"
    monkeypatch.setenv("ODP_SCHEDULES", str(path))
    return path


def test_without_a_file_the_dags_keep_their_own_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODP_SCHEDULES", raising=False)
    assert read_schedules() == Schedules()
    assert build_export_dag(PRODUCTS).deadline in (None, [])


def test_a_schedule_of_one_s_own(file: Path) -> None:
    file.write_text(json.dumps({"timezone": "America/Chicago", "dags": {ID: {"schedule": "15 4 * * 1-5"}}}))
    timetable: Any = build_export_dag(PRODUCTS).timetable
    assert (timetable.expression, str(timetable.timezone)) == ("15 4 * * 1-5", "America/Chicago")


def test_no_schedule_at_all(file: Path) -> None:
    file.write_text(json.dumps({"dags": {ID: {"schedule": None}}}))
    assert build_export_dag(PRODUCTS).schedule is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "schedules.json is not valid JSON"),
        ("[]", "is wrong: file: "),
        ('{"timezone": "Mars/Olympus"}', "is wrong: timezone: .*'Mars/Olympus' is no time zone"),
        ('{"dags": {"x": {"deadline": "24:00"}}}', "is wrong: dags.x.deadline"),
        ('{"dags": {"x": {"deadline": 0}}}', "is wrong: dags.x.deadline"),
        ('{"dags": {"x": {"schedule": "every morning"}}}', "is wrong: dags.x.schedule: .*'every morning' is no cron expression"),
        ('{"dags": {"x": {"cron": "@daily"}}}', "is wrong: dags.x.cron"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(file: Path, content: str, sentence: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError, match=sentence):
        read_schedules()


def test_a_file_that_is_named_has_to_exist(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"schedules\.json does not exist\. Create it, or unset ODP_SCHEDULES\."):
        read_schedules()


def test_airflow_shows_what_is_wrong_as_an_import_error(file: Path) -> None:
    file.write_text('{"timezone": "Mars/Olympus"}')
    (error,) = DagBag(PROJECT / "dags" / "historical_exports.py").import_errors.values()
    assert "'Mars/Olympus' is no time zone" in error


@pytest.mark.parametrize(
    ("deadline", "zone", "due", "expected"),
    [
        ("06:00", "UTC", "2026-11-03T00:00+00:00", "2026-11-03T06:00+00:00"),
        ("06:00", "UTC", "2026-11-03T06:00+00:00", "2026-11-04T06:00+00:00"),
        ("06:00", "Europe/Berlin", "2026-11-03T02:00+01:00", "2026-11-03T06:00+01:00"),
        # The clock is put back in this night: six in the morning is seven hours after midnight.
        ("06:00", "Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-25T06:00+01:00"),
        (90, "UTC", "2026-11-03T00:00+00:00", "2026-11-03T01:30+00:00"),
    ],
)
def test_when_a_run_is_late(file: Path, deadline: str | int, zone: str, due: str, expected: str) -> None:
    file.write_text(json.dumps({"timezone": zone, "dags": {ID: {"deadline": deadline}}}))
    (alert,) = build_export_dag(PRODUCTS).deadline or ()
    reference = alert.reference
    assert isinstance(reference, DueDeadline)
    assert isinstance(alert.interval, timedelta)
    assert reference.after(datetime.fromisoformat(due)) + alert.interval == datetime.fromisoformat(expected)


def test_airflow_keeps_the_deadline_with_the_dag(file: Path) -> None:
    # Which runs get one, and what happens when it is missed: tests/e2e/test_scheduler.py.
    file.write_text(json.dumps({"timezone": "Europe/Berlin", "dags": {ID: {"deadline": "06:00"}}}))
    dag = build_export_dag(PRODUCTS)
    assert DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).deadline
    (alert,) = dag.deadline or ()
    kept: Any = decode_deadline_alert(encode_deadline_alert(alert))
    assert kept.reference.inner_ref == DueDeadline("06:00", "Europe/Berlin")
    assert kept.callback.path == "odp.notifier.OdpNotifier"
