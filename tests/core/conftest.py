"""One sandbox ODP for all tests of the core, as empty as a new one for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World


@pytest.fixture(scope="session")
def shared_odp() -> Iterator[SandboxOdp]:
    """A running sandbox ODP without a rate limit."""
    with SandboxOdp(profiles_per_second=0) as running:
        yield running


@pytest.fixture
def odp(shared_odp: SandboxOdp) -> SandboxOdp:
    """The sandbox ODP, emptied; stopping and starting one takes a hundred times as long."""
    shared_odp.reset()
    return shared_odp


@pytest.fixture
def own_odp() -> Iterator[SandboxOdp]:
    """A sandbox ODP of this test's own, for requests that outlive the test."""
    with SandboxOdp(profiles_per_second=0) as running:
        yield running


@pytest.fixture(scope="session")
def shared_ledger(world: World) -> str:
    """The connection string of a ledger for tests that have accounts of their own."""
    dsn = world.postgres.create_database("core_ledger")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return dsn


@pytest.fixture(scope="session")
def shared_replica(world: World) -> str:
    """The connection string of a replica with all tables, for tests that change none of them."""
    dsn = world.postgres.create_database("core_shared_replica")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        connection.execute((PROJECT / "sandbox" / "commerce" / "schema.sql").read_text())
    return f"{dsn}?options=-c%20search_path%3Ddbo"


@pytest.fixture
def replica_without_rows(shared_replica: str) -> Iterator[str]:
    """The shared replica, emptied after the test; a database of its own takes ten times as long."""
    yield shared_replica
    with psycopg.connect(shared_replica, autocommit=True) as connection:
        connection.execute("TRUNCATE Warehouse, Product, Customer, UserProfile, CustomerOrder, OrderLine, CustomProperty")
