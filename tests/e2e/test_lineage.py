"""The lineage that Airflow's OpenLineage provider reports of real runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from odp.core.exports import ORDERS, WAREHOUSES
from odp.core.replica import locate_tables
from odp.lineage import staged_files
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World

# In a process of its own: the provider reads its configuration once, and the other tests run without it.
_SCRIPT = """
import sys
from tests.e2e.runs import load_dag, run_by_hand

for dag_id in sys.argv[1:]:
    assert run_by_hand(load_dag(dag_id), LookBackDays=2).state == "success"
"""


def test_tables_and_odp_s_objects_are_linked(airflow_db: World, tmp_path: Path) -> None:
    log, staging = tmp_path / "events.json", tmp_path / "staging"
    with SandboxOdp(profiles_per_second=0) as odp:
        environment = {
            **os.environ,
            "AIRFLOW_CONN_ODP_DEFAULT": json.dumps({"conn_type": "odp", "host": odp.url, "password": odp.key}),
            "AIRFLOW_VAR_ODP_SETTINGS": json.dumps({"staging": str(staging), "read_back_sample": 0}),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(log), "append": True}),
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'plugins'}",
        }
        command = [sys.executable, "-c", _SCRIPT, WAREHOUSES.dag_id, ORDERS.dag_id]
        result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert odp.key.rpartition(".")[2] not in log.read_text()
    completed = [event for event in map(json.loads, log.read_text().splitlines()) if event["eventType"] == "COMPLETE"]
    links = {event["job"]["name"]: (names(event["inputs"]), names(event["outputs"])) for event in completed}

    replica = f"postgres://127.0.0.1:{airflow_db.ports['postgres']} commerce.dbo."
    staged = {export.dag_id: f"file {staging}/{export.dag_id}" for export in (WAREHOUSES, ORDERS)}
    read, written = links[f"{WAREHOUSES.dag_id}.extract"]
    assert {f"{replica}warehouse", f"{replica}country"} <= read
    assert written == {staged[WAREHOUSES.dag_id]}
    assert links[f"{WAREHOUSES.dag_id}.load"] == ({staged[WAREHOUSES.dag_id]}, {f"{odp.url} objects/warehouses"})
    read, written = links[f"{ORDERS.dag_id}.extract"]
    assert {f"{replica}customerorder", f"{replica}orderline", f"{replica}orderstatusmapping"} <= read
    assert written == {staged[ORDERS.dag_id]}
    assert links[f"{ORDERS.dag_id}.load"] == ({staged[ORDERS.dag_id]}, {f"{odp.url} events", f"{odp.url} objects/orders"})


def names(datasets: list[dict[str, Any]]) -> set[str]:
    """Return the namespace and name of each dataset."""
    return {f"{dataset['namespace']} {dataset['name']}" for dataset in datasets}


def test_staged_files_on_object_storage() -> None:
    dataset = staged_files("s3://bucket/odp", WAREHOUSES)
    assert (dataset.namespace, dataset.name) == ("s3://bucket", f"odp/{WAREHOUSES.dag_id}")


def test_tables_that_the_replica_lacks_are_not_named(empty_replica: str) -> None:
    with psycopg.connect(empty_replica) as connection:
        connection.execute("DROP TABLE Country")
        located = locate_tables(connection, WAREHOUSES.tables)
    assert ("dbo", "warehouse") in located
    assert "country" not in {table for _, table in located}
