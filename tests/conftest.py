"""
Real parts for the tests: one PostgreSQL, one sandbox ODP and one Airflow metadata database for the whole session.

Airflow reads its configuration when it is first imported, so the environment is set here, before any test module imports it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from sandbox.world import PROJECT, Sizes, World

if TYPE_CHECKING:
    from sandbox.s3 import S3Server

_FOLDER = Path(tempfile.mkdtemp(prefix="odp-tests-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_WORLD = World(_FOLDER)
os.environ.update(_WORLD.airflow_environment())


class _ByWhatIsShared(LoadFileScheduling):
    """Keeps tests on one worker that share what is dear: those of a file, and those of the folder with a running Airflow."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.rpartition("/")[0]
        return folder if folder.endswith("/running") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByWhatIsShared:
    """Distribute the tests over the workers."""
    return _ByWhatIsShared(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folder with a running Airflow: one worker is busy with it for as long as the other with all the rest."""
    items.sort(key=lambda item: item.path.parent.name != "running")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A running PostgreSQL and sandbox ODP, with a small generated replica in database ``commerce``, schema ``dbo``."""
    with _WORLD as running:
        running.fill_replica(Sizes(customers=200, orders=500))
        yield running


@pytest.fixture(scope="session")
def airflow_db(world: World) -> Iterator[World]:
    """The world with the ledger and Airflow's metadata database created."""
    world.migrate()
    yield world
    from airflow import settings

    settings.dispose_orm()  # its connections would complain about a server that is gone


@pytest.fixture
def database(world: World) -> Iterator[str]:
    """The connection string of an empty database that only this test uses."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield world.postgres.create_database(name)
    with psycopg.connect(world.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_replica(database: str) -> str:
    """The connection string of a replica with all tables and no rows; its search_path is ``dbo``."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        connection.execute((PROJECT / "sandbox" / "commerce" / "schema.sql").read_text())
    return f"{database}?options=-c%20search_path%3Ddbo"


@pytest.fixture
def ledger_database(database: str) -> str:
    """The connection string of an empty ledger that only this test uses."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return database


@pytest.fixture
def odp() -> Iterator[Any]:
    """A sandbox ODP of this test's own, without a rate limit."""
    from sandbox.odp.server import SandboxOdp

    with SandboxOdp(profiles_per_second=0) as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A local S3, which Airflow's connection ``aws_default`` leads to."""
    from sandbox.s3 import S3Server

    with S3Server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", running.connection)
        yield running
