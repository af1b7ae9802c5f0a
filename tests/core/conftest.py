"""One sandbox ODP for all tests of the core, as empty as a new one for each of them."""

from __future__ import annotations

import uuid
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


@pytest.fixture
def ledger_dsn(world: World) -> Iterator[str]:
    """The connection string of an empty ledger, beside a replica that has a database of its own."""
    name = f"ledger_{uuid.uuid4().hex[:12]}"
    dsn = world.postgres.create_database(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    yield dsn
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
