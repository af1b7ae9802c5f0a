"""The extract stage, against a real replica."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from odp.core.extract import MANIFEST
from odp.core.staging import read_frames
from odp.operators.extract import CommerceExtractOperator
from sandbox.world import World
from tests.operators.conftest import Stages
from tests.reliability.killing import wait_until


def test_arguments_are_kept_as_they_are_and_templated() -> None:
    operator = CommerceExtractOperator(
        task_id="extract",
        export_id="order_odp_export",
        sql="orders.sql",
        lookups={"order_status_mapping": "order_status_mapping.sql"},
        window_start="{{ a }}",
        window_end="{{ b }}",
        commerce_conn_id="{{ c }}",
    )
    assert (operator.sql, operator.window_start, operator.window_end, operator.commerce_conn_id) == (
        "orders.sql",
        "{{ a }}",
        "{{ b }}",
        "{{ c }}",
    )
    assert set(operator.template_fields) == {
        *("export_id", "odp_conn_id", "ledger_conn_id"),
        *("sql", "lookups", "window_start", "window_end", "commerce_conn_id"),
    }
    assert operator.template_ext == (".sql",)
    assert operator.template_fields_renderers == {"sql": "sql", "lookups": "json"}


def test_everything_in_parts(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(stages.root), "part_rows": 5}))
    parts = stages.extract().execute(stages.context())
    assert [part["rows"] for part in parts] == [5, 5, 2]
    assert [part["part"] for part in parts] == [0, 1, 2]
    rows = b""
    for part in parts:
        with stages.staging.read(part["file"]) as file:
            rows += b"".join(read_frames(file))
    assert b"Minneapolis Main" in rows
    manifest = stages.staging.read_json(MANIFEST)
    assert (manifest["rows"], manifest["window"]) == (12, ["-infinity", "infinity"])
    # What goes through XCom is small and holds no row.
    assert len(json.dumps(parts)) < 300
    row = stages.run_row()
    assert (row["state"], row["window_start"], row["window_end"], row["ids"]) == ("running", "-infinity", "infinity", None)


def test_there_are_never_more_parts_than_airflow_maps_over(
    stages: Stages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "4")
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(stages.root), "part_rows": 2}))
    parts = stages.extract().execute(stages.context())
    assert [part["rows"] for part in parts] == [2, 2, 4, 4]
    logged = capsys.readouterr().out
    assert "Parts grew to 4 rows" in logged
    assert "raise part_rows and part_megabytes in odp_settings" in logged


def test_a_window_and_ids(stages: Stages, world: World) -> None:
    with psycopg.connect(world.dsn("commerce")) as connection:
        query = "SELECT name, modifiedon FROM dbo.warehouse WHERE name = btrim(name) ORDER BY modifiedon"
        rows = connection.execute(query).fetchall()
        (number,) = connection.execute("SELECT count(*) FROM dbo.warehouse").fetchone() or (0,)
    (outside, _), *_, (name, modified) = rows
    window = {"window_start": modified.isoformat(), "window_end": (modified + timedelta(hours=1)).isoformat()}

    def extracted(**params: Any) -> int:
        return sum(part["rows"] for part in stages.extract(**window).execute(stages.context(**params)))

    assert 1 <= extracted() < number
    assert extracted(Ids=[name]) == 1
    assert extracted(Ids=[name, outside]) == 1
    assert extracted(Ids=[outside]) == 0


def test_nothing_to_extract(stages: Stages) -> None:
    window = {"window_start": "2001-01-01T00:00:00+00:00", "window_end": "2001-01-02T00:00:00+00:00"}
    assert stages.extract(**window).execute(stages.context()) == []
    assert stages.staging.read_json(MANIFEST)["rows"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sql": "SELEC 1"}, "The mapping query does not run on this replica"),
        ({"sql": "SELECT 1 AS name"}, "does not select warehouse_id"),
        ({"window_start": "yesterday"}, "window_start 'yesterday' is not a date that can be read"),
    ],
)
def test_what_cannot_be_mended_fails_at_once(stages: Stages, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AirflowFailException) as error:
        stages.extract(**arguments).execute(stages.context())
    assert sentence in str(error.value)


def test_a_replica_without_the_tables_fails_at_once(stages: Stages, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", world.dsn("commerce"))  # without its search_path
    with pytest.raises(AirflowFailException, match=r"The Commerce replica lacks Warehouse .*search_path=dbo"):
        stages.extract().execute(stages.context())


def test_a_replica_that_is_down_is_tried_again(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", "postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(psycopg.OperationalError):
        stages.extract().execute(stages.context())
    assert stages.run_row()["state"] == "failed"


def test_the_replica_cannot_be_written_to(stages: Stages) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        stages.extract(sql="SELECT Id AS warehouse_id, lo_create(0)::text AS name FROM Warehouse").execute(stages.context())


def test_no_session_on_the_replica_outlives_the_stage(stages: Stages, world: World) -> None:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = 'commerce' AND pid <> pg_backend_pid()"
    with psycopg.connect(world.dsn("commerce"), autocommit=True) as connection:
        before = set(connection.execute(query).fetchall())
        stages.extract().execute(stages.context())
        wait_until(lambda: set(connection.execute(query).fetchall()) <= before)
        with pytest.raises(AirflowFailException) as held:  # whose traceback holds on to all that failed
            stages.extract(sql="SELECT 1 AS name").execute(stages.context())
        wait_until(lambda: set(connection.execute(query).fetchall()) <= before)
        assert "does not select warehouse_id" in str(held.value)
