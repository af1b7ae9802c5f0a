"""The DAG file of the six exports: what Airflow finds in it, and what reading it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.file import might_contain_dag

from odp.core.exports import EXPORTS
from sandbox.world import PROJECT

DAG_FILE = PROJECT / "dags" / "historical_exports.py"

# As Commerce's integration job definitions name them.
COMMERCE_NAMES = {
    "product_odp_export": "ODP Product Export",
    "warehouse_odp_export": "ODP Warehouse Export",
    "order_odp_export": "ODP Order Export",
    "customer_odp_export": "ODP Customer Export",
    "user_profile_odp_export": "ODP User Profile Export",
    "customer_to_user_mapping_odp_export": "ODP Customer To User Mapping Export",
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """What Airflow reads from the file, safe mode included."""
    return DagBag(DAG_FILE, safe_mode=True)


def test_no_dag_file_has_import_errors() -> None:
    whole = DagBag(PROJECT / "dags", safe_mode=True)
    assert whole.import_errors == {}
    files = {Path(dag.fileloc) for dag in whole.dags.values()}
    assert files == set((PROJECT / "dags").glob("*.py"))


def test_the_dags_are_those_of_the_registry_under_commerce_s_names(bag: DagBag) -> None:
    assert {dag.dag_id: dag.dag_display_name for dag in bag.dags.values()} == COMMERCE_NAMES
    assert set(bag.dags) == {export.dag_id for export in EXPORTS}
    assert {dag.fileloc for dag in bag.dags.values()} == {str(DAG_FILE)}


def test_the_dags_can_be_serialised_as_the_scheduler_reads_them(bag: DagBag) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in bag.dags.values():
        read = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        assert sorted(read.task_dict) == ["extract", "load", "reconcile", "transform"]
        assert read.doc_md == dag.doc_md


@pytest.mark.parametrize("file", sorted((PROJECT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_safe_mode_does_not_skip_a_dag_file(file: Path) -> None:
    assert might_contain_dag(str(file), safe_mode=True)


# In a new process: what is imported before and after the file is read, and every attempt to reach a server meanwhile.
_SCRIPT = """
import json, sys

reached = []
servers = ("socket.connect", "sqlite3.connect")
sys.addaudithook(lambda event, arguments: reached.append(str(arguments[-1])) if event in servers else None)

from airflow.dag_processing.dagbag import DagBag
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, ObjectStoragePath, Param, Variable

DagBag(sys.argv[1])
before, reached_before = set(sys.modules), len(reached)
bag = DagBag(sys.argv[2])
heavy = {
    "openlineage", "pandas", "polars", "psycopg", "requests", "zstandard",
    "orjson", "tenacity", "fsspec", "s3fs", "boto3", "sandbox",
}
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({
    "dags": len(bag.dags), "errors": bag.import_errors, "heavy": sorted(heavy & roots), "ours": sorted({"odp"} & roots),
    "reached": reached[reached_before:],
}))
"""


def test_reading_the_file_imports_nothing_heavy_and_reaches_no_server(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_"))}
    environment |= {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": nowhere.replace("://", "+psycopg2://"),
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    command = [sys.executable, "-c", _SCRIPT, str(empty), str(DAG_FILE)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert found == {"dags": len(EXPORTS), "errors": {}, "heavy": [], "ours": ["odp"], "reached": []}
