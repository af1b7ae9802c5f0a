"""What parsing costs: the dag-processor reads the DAG files again and again, and each task reads its file once more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.world import PROJECT

DAG_FILES = sorted((PROJECT / "dags").glob("*.py"))
HEAVY = {"boto3", "numpy", "orjson", "pandas", "polars", "psycopg", "pyarrow", "requests", "s3fs"}

_SCRIPT = """
import importlib.util, sys
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, BaseNotifier, BaseOperator, BaseSensorOperator, CronDataIntervalTimetable, DeadlineAlert
from airflow.sdk import Param, Variable
from airflow.sdk.exceptions import AirflowFailException
DAG("empty", schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"), params={"number": Param(1, type="integer")})
before = set(sys.modules)
for number, path in enumerate(sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(f"dag_file_{number}", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
for names in (set(sys.modules) - before, set(sys.modules)):
    print(*sorted({name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The packages that parsing all DAG files imports beyond Airflow's own DAG classes, and all that are imported then."""
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *map(str, DAG_FILES)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "plugins"), "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    parsing, everything = result.stdout.splitlines()[-2:]
    return set(parsing.split()), set(everything.split())


def test_there_are_dag_files() -> None:
    assert Path(PROJECT / "dags" / "historical_exports.py") in DAG_FILES


def test_parsing_imports_nothing_but_this_package_and_airflow(imported: tuple[set[str], set[str]]) -> None:
    parsing, _ = imported
    assert parsing == {"odp", "airflow"}


def test_no_heavy_library_is_there_after_parsing(imported: tuple[set[str], set[str]]) -> None:
    _, everything = imported
    assert {"odp", "airflow", "pydantic"} <= everything  # Airflow itself brings pydantic
    assert everything & HEAVY == set()
