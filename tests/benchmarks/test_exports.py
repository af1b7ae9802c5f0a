"""The exports of the benchmarks, small: every row of a seed can be sent, and the project and its peers send the same."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from benchmarks.peers.profiles import CONTRACT, SCHEMA, VIEW, to_profile
from benchmarks.replicas import Replicas
from benchmarks.side_by_side import create_view
from benchmarks.stages import CountError, check_counts
from benchmarks.tasks import ExportRun, run_export
from benchmarks.workloads import WORKLOADS, Workload
from sandbox.world import World
from tests.benchmarks.conftest import RunningSink

ROWS = 60


@pytest.fixture
def replicas(world: World) -> Replicas:
    """The replicas, on the session's server."""
    return Replicas(world.postgres)


@pytest.fixture
def surroundings(
    world: World, sink: RunningSink, ledger_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Connections to the sink and to an empty ledger, and settings as in a benchmark."""
    connection = {"conn_type": "odp", "host": sink.url, "password": "benchmarks.key", "extra": {"profiles_per_second": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", ledger_database)
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"staging": str(tmp_path), "read_back_sample": 0, "part_rows": 25}))
    return monkeypatch


def run(workload: Workload, run_id: str) -> ExportRun:
    with ThreadPoolExecutor(1) as pool:
        return run_export(pool, workload.export_id, run_id)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_every_row_of_a_seed_is_sent_once(
    world: World, replicas: Replicas, sink: RunningSink, surroundings: pytest.MonkeyPatch, workload: Workload
) -> None:
    replica = world.dsn(replicas.replica(workload, ROWS))
    surroundings.setenv("AIRFLOW_CONN_COMMERCE_DB", f"{replica}?options=-c%20search_path%3Ddbo")

    first = run(workload, "first")

    check_counts("first", ROWS, sink.counts(), first.summary)
    assert first.summary["skipped"] == first.summary["not_sent"] == first.summary["cut_texts"] == 0
    assert (len(first.transforms), len(first.loads)) == (3, 3)
    assert 0 < first.seconds < first.reconcile.ended_at - first.extract.started_at

    sink.reset()
    again = run(workload, "again")
    check_counts("again", 0, sink.counts(), again.summary)
    assert again.summary["unchanged"] == ROWS


def test_orders_have_five_lines(world: World, replicas: Replicas) -> None:
    with psycopg.connect(world.dsn(replicas.replica(WORKLOADS["orders"], ROWS))) as connection:
        lines = connection.execute("SELECT count(*) FROM dbo.OrderLine GROUP BY CustomerOrderId").fetchall()
    assert lines == [(5,)] * ROWS


def test_the_peers_send_what_the_project_sends(
    world: World, replicas: Replicas, sink: RunningSink, surroundings: pytest.MonkeyPatch
) -> None:
    workload = WORKLOADS["profiles"]
    replica = world.dsn(replicas.replica(workload, ROWS))
    surroundings.setenv("AIRFLOW_CONN_COMMERCE_DB", f"{replica}?options=-c%20search_path%3Ddbo")
    run(workload, "run")
    ours = sink.counts()

    create_view(replica)
    with psycopg.connect(replica, row_factory=dict_row) as connection:
        profiles = [to_profile(row) for row in connection.execute(f"SELECT * FROM {SCHEMA}.{VIEW}")]
    CONTRACT.validate_python(profiles)
    sink.reset()
    assert sink.send("/profiles", profiles) == 202
    theirs = sink.counts()
    assert ours["items"] == theirs["items"] == ROWS
    assert ours["content"] == theirs["content"]


SINK: dict[str, Any] = {"items": 5, "unique": 5, "refused": 0, "largest": 5}
SUMMARY: dict[str, Any] = {"extracted": 5, "delivered": 5, "unchanged": 0, "rejected": 0, "uncertain": 0}


@pytest.mark.parametrize(
    ("sink", "summary"),
    [
        ({**SINK, "items": 4, "unique": 4}, SUMMARY),
        ({**SINK, "unique": 4}, SUMMARY),
        ({**SINK, "refused": 1}, SUMMARY),
        ({**SINK, "largest": 501}, SUMMARY),
        (SINK, {**SUMMARY, "delivered": 4, "rejected": 1}),
        (SINK, {**SUMMARY, "extracted": 6}),
        (SINK, {**SUMMARY, "extracted": 6, "uncertain": 1}),
    ],
)
def test_a_run_that_is_not_exact_has_no_figures(sink: dict[str, Any], summary: dict[str, Any]) -> None:
    check_counts("exact", 5, SINK, SUMMARY)
    with pytest.raises(CountError):
        check_counts("not exact", 5, sink, summary)
