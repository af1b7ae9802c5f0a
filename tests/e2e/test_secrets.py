"""The API key must not be found anywhere a run leaves traces: logs, XCom, rendered fields, staged files, the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard

from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.runs import load_dag, run_by_hand

SECRET = "TopSecretPart7f3a9c"
KEY = f"leaktest.{SECRET}"


@pytest.fixture
def strict_odp(airflow_db: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxOdp]:
    """A sandbox ODP with a key that is easy to look for, which the connection names; it gives up on retries soon."""
    with SandboxOdp(key=KEY, profiles_per_second=0) as odp:
        connection = {"conn_type": "odp", "host": odp.url, "password": KEY, "extra": {"retry_budget": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
        yield odp


def _texts_of_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path), content
            if path.suffix == ".zst":
                with path.open("rb") as file:
                    yield str(path), zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


def _texts_of_tables(dsn: str, tables: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    with psycopg.connect(dsn) as connection:
        for table in tables:
            for (row,) in connection.execute(f"SELECT to_jsonb(t)::text FROM {table} t"):
                yield table, row.encode()


def _places_with_the_secret(world: World, staging: Path) -> list[str]:
    ledger = ("record_state", "event_delivery", "export_run", "run_part", "reject", "pacing")
    metadata = ("xcom", "rendered_task_instance_fields", "task_instance", "task_instance_history", "dag_run", "log")
    texts = [
        *_texts_of_files(staging),
        *_texts_of_files(world.airflow_home),
        *_texts_of_tables(world.dsn("odp_ledger"), ledger),
        *_texts_of_tables(world.dsn("airflow"), metadata),
    ]
    assert len(texts) > 20
    return sorted({place for place, text in texts if SECRET.encode() in text})


def _export() -> Any:
    dag = load_dag("warehouse_odp_export")
    for task in dag.tasks:  # a failing task need not be retried, minutes later, to leave its traces
        if task.is_mapped:
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0
    return run_by_hand(dag, Resend=True)


def _run(case: str, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> Any:
    uploads = "/v3/objects/warehouses"
    if case == "rejected by ODP":
        answer = {"title": "Bad Request", "status": 400, "detail": {"message": "refused"}}
        odp.faults(path=uploads, count=1_000, status=400, body=json.dumps(answer))
    elif case == "ODP is down":
        odp.faults(path=uploads, count=1_000, status=503)
    elif case == "connection drops":
        odp.faults(path=uploads, count=1_000, mode="drop")
    elif case == "forbidden":
        connection = {"conn_type": "odp", "host": odp.url, "password": f"other.{SECRET}", "extra": {"retry_budget": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    return _export()


@pytest.mark.parametrize("case", ["delivered", "rejected by ODP", "ODP is down", "connection drops", "forbidden"])
def test_the_key_leaves_no_trace(
    case: str,
    strict_odp: SandboxOdp,
    airflow_db: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    finished = _run(case, strict_odp, monkeypatch)
    assert finished.state == ("success" if case == "delivered" else "failed")
    printed = capfd.readouterr()
    assert "warehouse_odp_export" in printed.out + printed.err
    for text in (printed.out, printed.err, caplog.text):
        assert SECRET not in text
    assert _places_with_the_secret(airflow_db, finished.staging.folder) == []


def test_the_search_finds_a_secret_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.zst").write_bytes(zstandard.ZstdCompressor().compress(SECRET.encode()))
    (tmp_path / "plain").write_text(SECRET)
    places = {place for place, text in _texts_of_files(tmp_path) if SECRET.encode() in text}
    assert str(tmp_path / "plain") in places
    assert str(tmp_path / "x.zst") in places
