"""An ODP account for each test, and a way to run an export against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.runs import Finished, load_dag, run_by_hand

Configure: TypeAlias = Callable[..., None]
RunExport: TypeAlias = Callable[..., Finished]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configure:
    """Return a function that sets the Variable ``odp_settings``; without it no record is read back, which takes seconds."""

    def set_variable(**settings: Any) -> None:
        value = {"staging": str(tmp_path), "read_back_sample": 0, **settings}
        monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps(value))

    return set_variable


@pytest.fixture
def account(airflow_db: World, odp: SandboxOdp, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> SandboxOdp:
    """An ODP account of this test's own, unknown to the ledger, which the connection ``odp_default`` leads to."""
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps({"conn_type": "odp", "host": odp.url, "password": odp.key}))
    configure()
    return odp


@pytest.fixture
def run_export(account: SandboxOdp, tmp_path: Path) -> RunExport:
    """Return a function that runs an export by hand with parameters, on a DAG object that no run has used."""

    def run(dag_id: str, **conf: Any) -> Finished:
        return run_by_hand(load_dag(dag_id), staging_root=tmp_path, **conf)

    return run


@pytest.fixture(scope="session")
def source(airflow_db: World) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the replica, for what a test works out by itself."""
    dsn = f"{airflow_db.dsn('commerce')}?options=-c%20search_path%3Ddbo"
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection
