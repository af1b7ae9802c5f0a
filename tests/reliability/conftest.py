"""
A replica, a ledger and an ODP for each test.

The ODP is new each time. The databases are made once and emptied, as making one takes longer than most tests; the generated
replica is shared, and only the tests that change it get a copy.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sandbox.commerce import generate
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World
from tests.reliability.harness import Pipeline
from tests.reliability.shop import Shop

SEARCH_PATH = "?options=-c%20search_path%3Ddbo"


@pytest.fixture(scope="session")
def generated_replica(world: World) -> str:
    """The name of a small generated replica, which nobody changes."""
    generate(world.postgres.create_database("reliability"), customers=60, orders=200, products=80, seed=3)
    return "reliability"


@pytest.fixture(scope="session")
def shop_database(world: World) -> str:
    """The connection string of a replica without rows."""
    dsn = world.postgres.create_database("reliability_shop")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        connection.execute((PROJECT / "sandbox" / "commerce" / "schema.sql").read_text())
    return dsn + SEARCH_PATH


@pytest.fixture(scope="session")
def ledger_of_all(world: World) -> str:
    """The connection string of a ledger."""
    dsn = world.postgres.create_database("reliability_ledger")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return dsn


@pytest.fixture
def ledger_dsn(ledger_of_all: str) -> str:
    """The connection string of an empty ledger."""
    with psycopg.connect(ledger_of_all, autocommit=True) as connection:
        connection.execute("TRUNCATE record_state, event_delivery, pacing, export_run, run_part, reject")
    return ledger_of_all


@pytest.fixture(scope="session")
def later() -> Iterator[ThreadPoolExecutor]:
    """Stops what tests have used, while the next ones run."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def odp(later: ThreadPoolExecutor) -> Iterator[SandboxOdp]:
    """A sandbox ODP of this test's own, without a rate limit."""
    running = SandboxOdp(profiles_per_second=0).start()
    yield running
    later.submit(running.stop)


@pytest.fixture
def pipeline(world: World, generated_replica: str, ledger_dsn: str, odp: SandboxOdp, tmp_path: Path) -> Pipeline:
    """From the generated replica into an empty ODP."""
    replica = world.dsn(generated_replica) + SEARCH_PATH
    return Pipeline(replica=replica, ledger_dsn=ledger_dsn, url=odp.url, key=odp.key, root=tmp_path / "staging")


@pytest.fixture
def changing(world: World, generated_replica: str, pipeline: Pipeline) -> Iterator[Pipeline]:
    """From a generated replica that the test may change into an empty ODP."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {generated_replica}")
        yield replace(pipeline, replica=world.dsn(name) + SEARCH_PATH)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shop(shop_database: str) -> Shop:
    """A replica without rows."""
    with psycopg.connect(shop_database, autocommit=True) as connection:
        connection.execute("TRUNCATE CustomerOrder, OrderLine")
    return Shop(shop_database)


@pytest.fixture
def orders(shop: Shop, ledger_dsn: str, odp: SandboxOdp, tmp_path: Path) -> Pipeline:
    """From the shop made by hand into an empty ODP."""
    return Pipeline(replica=shop.dsn, ledger_dsn=ledger_dsn, url=odp.url, key=odp.key, root=tmp_path / "staging")
