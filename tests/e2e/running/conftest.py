"""One Airflow for the tests of this folder: scheduler, dag-processor, API server, triggerer, workers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from odp.core import exports
from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from sandbox.up import Airflow
from sandbox.world import LOGIN, Sizes, World
from tests.e2e.expected import Source
from tests.e2e.running.waiting import until
from tests.mailbox import Mailbox

PRODUCTS = "product_odp_export"


@pytest.fixture(scope="package")
def mailbox() -> Iterator[Mailbox]:
    """The mail server that Airflow's connection leads to."""
    with Mailbox() as server:
        yield server


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[World]:
    """A world of its own with Airflow running in it; afterwards nothing of it may be left."""
    folder = tmp_path_factory.mktemp("scheduler")
    schedules = folder / "schedules.json"
    # The run of the last midnight, which is due, is late one minute after it. The exports that no test expects to run daily have
    # no schedule: their runs would take their time.
    others = {export.dag_id: {"schedule": None} for export in EXPORTS if export not in (exports.ORDERS, exports.WAREHOUSES)}
    schedules.write_text(json.dumps({"dags": {**others, PRODUCTS: {"deadline": 1}}}))
    # Small requests, one after the other, so that even a small export can be watched.
    with World(folder, odp_extra={"batch_size": 10, "concurrency": 1}) as world, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODP_SCHEDULES", str(schedules))
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mailbox.connection)
        world.fill_replica(Sizes(customers=60, orders=300))
        with Airflow(world):
            assert processes_of(world)
            yield world
        left = processes_of(world)
    assert left == []
    assert ports_in_use(world) == []


def processes_of(world: World) -> list[str]:
    """List the processes that work for a world's Airflow, in whatever group they are."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(world.airflow_home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:120])
        except psutil.Error:
            continue
    return found


def ports_in_use(world: World) -> list[str]:
    """List the world's ports on which somebody still listens."""
    listening = {connection.laddr.port for connection in psutil.net_connections("inet") if connection.status == "LISTEN"}
    return [name for name, port in world.ports.items() if port in listening]


@pytest.fixture(scope="package")
def api(running: World) -> Iterator[httpx.Client]:
    """Airflow's REST API, as the user who logged in, once the dag-processor has read the DAGs."""
    answer = httpx.post(f"{running.airflow_url}/auth/token", json={"username": LOGIN[0], "password": LOGIN[1]}, timeout=30)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=f"{running.airflow_url}/api/v2", headers=headers, timeout=60) as client:
        expected = {export.dag_id for export in EXPORTS}
        until(lambda: expected <= {dag["dag_id"] for dag in client.get("/dags").json()["dags"]}, "the DAGs")
        yield client


@pytest.fixture(scope="package")
def source(running: World) -> Iterator[Source]:
    """The world's replica."""
    dsn = f"{running.dsn('commerce')}?options=-c%20search_path%3Ddbo"
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield Source(connection)


@pytest.fixture(scope="package")
def odp(running: World) -> SandboxOdp:
    """The world's sandbox ODP."""
    return SandboxOdp(port=running.ports["odp"])
