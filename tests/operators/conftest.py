"""What a stage finds when Airflow runs it: connections, a ledger of its own, staged files, a context."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from odp.core.exports import get_export
from odp.core.staging import Staging
from odp.operators.extract import CommerceExtractOperator
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World

RUN_ID = "manual__2026-11-03T05:00:00+00:00"
WAREHOUSES = "warehouse_odp_export"
# Open windows are infinite, which Python's datetime cannot hold.
_RUN = "SELECT run_id, window_start::text, window_end::text, ids, state, error, finished_at, delivered FROM export_run"


@dataclass
class Stages:
    """
    The surroundings of a run's stages.

    :param root: where they stage files.
    :param ledger: connection string of the ledger.
    """

    root: Path
    ledger: str
    export_id: str = WAREHOUSES

    def context(self, try_number: int = 1, **params: Any) -> Any:
        """Return what the stages read of Airflow's context."""
        return {
            "dag": SimpleNamespace(dag_id=self.export_id),
            "run_id": RUN_ID,
            "params": params,
            "dag_run": SimpleNamespace(start_date=datetime(2026, 11, 3, 5, tzinfo=timezone.utc), run_after=None),
            "ti": SimpleNamespace(try_number=try_number),
        }

    @property
    def staging(self) -> Staging:
        """The run's staged files."""
        return Staging(self.root, self.export_id, RUN_ID)

    def extract(self, **arguments: Any) -> CommerceExtractOperator:
        """Return an extract stage of everything."""
        sql = (PROJECT / "include" / "sql" / get_export(self.export_id).sql).read_text()
        defaults = {"sql": sql, "window_start": "-infinity", "window_end": "infinity"}
        return CommerceExtractOperator(task_id="extract", export_id=self.export_id, **{**defaults, **arguments})

    def run_row(self) -> dict[str, Any]:
        """Return the run as the ledger knows it."""
        with psycopg.connect(self.ledger, row_factory=dict_row) as connection:
            return connection.execute(_RUN).fetchone() or {}


@pytest.fixture
def stages(world: World, odp: SandboxOdp, ledger_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    """A real replica, a real ODP, an empty ledger and an empty staging folder, as Airflow's connections and settings."""
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", ledger_database)
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps({"conn_type": "odp", "host": odp.url, "password": odp.key}))
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(tmp_path)}))
    return Stages(tmp_path, ledger_database)
