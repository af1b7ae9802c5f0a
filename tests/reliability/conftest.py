"""A replica, a ledger and an ODP for each test; the replicas are copies of two that are made once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.commerce import generate
from sandbox.world import PROJECT, World
from tests.reliability.harness import Pipeline
from tests.reliability.shop import Shop

_SEARCH_PATH = "?options=-c%20search_path%3Ddbo"


def _copy(world: World, template: str) -> str:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return name


def _drop(world: World, name: str) -> None:
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def generated_template(world: World) -> str:
    """A small generated replica."""
    name = "reliability_generated"
    generate(world.postgres.create_database(name), customers=60, orders=200, products=80, seed=3)
    return name


@pytest.fixture(scope="session")
def empty_template(world: World) -> str:
    """A replica without rows."""
    name = "reliability_empty"
    with psycopg.connect(world.postgres.create_database(name), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        connection.execute((PROJECT / "sandbox" / "commerce" / "schema.sql").read_text())
    return name


@pytest.fixture(scope="session")
def ledger_template(world: World) -> str:
    """An empty ledger."""
    name = "reliability_ledger"
    with psycopg.connect(world.postgres.create_database(name), autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return name


@pytest.fixture
def new_ledger(world: World, ledger_template: str) -> Iterator[Callable[[], str]]:
    """A function that makes ledgers."""
    names: list[str] = []

    def make() -> str:
        names.append(_copy(world, ledger_template))
        return world.dsn(names[-1])

    yield make
    for name in names:
        _drop(world, name)


@pytest.fixture
def pipeline(
    world: World, generated_template: str, new_ledger: Callable[[], str], odp: Any, tmp_path: Path
) -> Iterator[Pipeline]:
    """From a generated replica into an empty ODP."""
    name = _copy(world, generated_template)
    yield Pipeline(
        replica=world.dsn(name) + _SEARCH_PATH, ledger_dsn=new_ledger(), url=odp.url, key=odp.key, root=tmp_path / "staging"
    )
    _drop(world, name)


@pytest.fixture
def shop(world: World, empty_template: str) -> Iterator[Shop]:
    """A replica without rows."""
    name = _copy(world, empty_template)
    yield Shop(world.dsn(name) + _SEARCH_PATH)
    _drop(world, name)


@pytest.fixture
def orders(shop: Shop, new_ledger: Callable[[], str], odp: Any, tmp_path: Path) -> Pipeline:
    """From the shop made by hand into an empty ODP."""
    return Pipeline(replica=shop.dsn, ledger_dsn=new_ledger(), url=odp.url, key=odp.key, root=tmp_path / "staging")
