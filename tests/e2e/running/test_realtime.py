"""Real time in a running Airflow: what is committed in the replica arrives in ODP by itself."""

from __future__ import annotations

import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from sandbox.odp.server import SandboxOdp
from sandbox.programs import Program
from sandbox.world import PROJECT, World
from tests.e2e.running.waiting import until

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(600)]

CHANGES = 6


@pytest.fixture(scope="module")
def replica(running: World) -> Iterator[psycopg.Connection[Any]]:
    """The replica, to change it."""
    with psycopg.connect(f"{running.dsn('commerce')}?options=-c%20search_path%3Ddbo", autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def watched(api: httpx.Client, running: World) -> Iterator[None]:
    """Real time is on, and the trigger is at work."""
    assert api.patch("/dags/odp_realtime", json={"is_paused": False}).status_code == 200
    until(lambda: looked_at(running), "the trigger's first look")
    yield
    assert api.patch("/dags/odp_realtime", json={"is_paused": True}).status_code == 200


@pytest.fixture(scope="package")
def start_triggerer(running: World) -> Iterator[Callable[[], None]]:
    """Return a function that starts a triggerer, which the tests after this one use as well."""
    command = [str(Path(sys.executable).parent / "airflow"), "triggerer"]
    program = Program(command, {**os.environ, **running.airflow_environment()}, running.folder / "triggerer.log")
    with ExitStack() as stack:

        def start() -> None:
            stack.enter_context(program)

        yield start


def looked_at(running: World) -> Any:
    """Return when the trigger last looked at the replica."""
    with psycopg.connect(running.dsn("odp_ledger")) as ledger:
        row = ledger.execute("SELECT max(looked_at) FROM change_watch").fetchone()
        return row and row[0]


def change_a_product(replica: psycopg.Connection[Any], odp: SandboxOdp) -> float:
    """Rename a product; return the seconds from its commit to ODP's answer."""
    name = f"Renamed {uuid.uuid4()}"
    product = replica.execute(
        "UPDATE Product SET ShortDescription = %s, ModifiedOn = clock_timestamp()"
        " WHERE Id = (SELECT Id FROM Product ORDER BY Id LIMIT 1) RETURNING Id::text",
        (name,),
    ).fetchone()
    committed = time.time()
    assert product
    until(lambda: (product[0], name) in {(row["product_id"], row["name"]) for row in odp.dump("objects/products")}, "the product")
    return answered(odp, "/v3/objects/products", committed)


def add_an_order(replica: psycopg.Connection[Any], odp: SandboxOdp) -> float:
    """Place an order; return the seconds from its commit to ODP's answer."""
    number = place_an_order(replica)
    committed = time.time()
    until(lambda: number in str(odp.dump("events")), "the order")
    return answered(odp, "/v3/events", committed)


def place_an_order(replica: psycopg.Connection[Any]) -> str:
    """Place an order; return its number."""
    number, order_id = f"WEB{uuid.uuid4().hex[:10]}", uuid.uuid4()
    with replica.transaction():
        replica.execute(
            "INSERT INTO CustomerOrder (Id, OrderNumber, Status, OrderDate, BTEmail, OrderTotal, ModifiedOn)"
            " VALUES (%s, %s, 'Submitted', now(), 'ana@example.com', 20, clock_timestamp())",
            (order_id, number),
        )
        replica.execute(
            "INSERT INTO OrderLine (Id, CustomerOrderId, ProductId, Line, QtyOrdered, UnitNetPrice, TotalNetPrice, ModifiedOn)"
            " SELECT %s, %s, Id, 1, 2, 10, 20, clock_timestamp() FROM Product ORDER BY Id LIMIT 1",
            (uuid.uuid4(), order_id),
        )
    return number


def report(capsys: pytest.CaptureFixture[str], how: str, seconds: list[float]) -> None:
    """Show what was measured; docs/real-time.md quotes it."""
    with capsys.disabled():
        print(f"\nFrom commit to 202, {how}: median {statistics.median(seconds):.1f} s of {[round(s, 1) for s in seconds]}")


def answered(odp: SandboxOdp, path: str, committed: float) -> float:
    times = [r["received"] + r["seconds"] for r in odp.requests(path=path) if r["status"] == 202 and r["received"] > committed]
    return min(times) - committed


def test_what_is_committed_arrives_by_itself(
    watched: None,
    api: httpx.Client,
    running: World,
    replica: psycopg.Connection[Any],
    odp: SandboxOdp,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = [(change_a_product if number % 2 else add_an_order)(replica, odp) for number in range(CHANGES)]
    report(capsys, "asked every 2 s", seconds)
    # The runs say what they carried, and the ledger knows them like any run.
    runs = api.get("/dags/odp_realtime/dagRuns", params={"limit": 100}).json()["dag_runs"]
    assert {run["run_type"] for run in runs} == {"asset_triggered"}
    (event, *_) = api.get(f"/dags/odp_realtime/dagRuns/{runs[0]['dag_run_id']}/upstreamAssetEvents").json()["asset_events"]
    assert set(event["extra"]["payload"]["changes"]) <= {"product_odp_export", "order_odp_export"}
    with psycopg.connect(running.dsn("odp_ledger")) as ledger:
        (delivered,) = ledger.execute(
            "SELECT sum(delivered) FROM export_run WHERE run_id LIKE 'odp_realtime/%' AND state = 'success' AND ids > 0"
        ).fetchone() or (0,)
    assert delivered >= CHANGES


def test_a_burst_makes_few_runs(watched: None, api: httpx.Client, replica: psycopg.Connection[Any], odp: SandboxOdp) -> None:
    def runs() -> int:
        count: int = api.get("/dags/odp_realtime/dagRuns", params={"limit": 1}).json()["total_entries"]
        return count

    before = runs()
    name = f"Burst {uuid.uuid4()}"
    for _ in range(100):  # each a transaction of its own
        replica.execute(
            "INSERT INTO Product (Id, Name, ErpNumber, ModifiedOn)"
            " SELECT gen_random_uuid(), %s, gen_random_uuid(), clock_timestamp() FROM generate_series(1, 10)",
            (name,),
        )
    until(lambda: sum(row["name"] == name for row in odp.dump("objects/products")) == 1_000, "the burst")
    assert 1 <= runs() - before <= 10


def test_nothing_is_missed_while_the_triggerer_is_restarted(
    watched: None,
    running: World,
    replica: psycopg.Connection[Any],
    odp: SandboxOdp,
    start_triggerer: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # From now on the replica tells of its changes, which the next triggerer listens to.
    replica.execute((PROJECT / "include" / "sql" / "change_notifications.sql").read_text())
    for process in triggerers(running):
        process.kill()
    until(lambda: not triggerers(running), "the end of the triggerer")
    last = looked_at(running)
    number = place_an_order(replica)
    start_triggerer()
    until(lambda: looked_at(running) > last, "the trigger's next look")
    until(lambda: number in str(odp.dump("events")), "the order of that time")
    report(capsys, "told by NOTIFY", [(change_a_product if n % 2 else add_an_order)(replica, odp) for n in range(CHANGES)])


def triggerers(running: World) -> list[psutil.Process]:
    """Return the processes of the triggerer."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get("AIRFLOW_HOME") == str(running.airflow_home)
            if is_ours and "triggerer" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
