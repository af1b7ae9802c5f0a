"""A PostgreSQL server of their own for the tests of the mapping files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.postgres import PostgresServer
from tests.sql.replica import Replica, connect, create_tables


@pytest.fixture(scope="session")
def mapping_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start the server."""
    with PostgresServer(tmp_path_factory.mktemp("mapping") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def full_database(mapping_server: PostgresServer) -> str:
    """Return the connection string of a database with every table and column of the catalogue."""
    dsn = mapping_server.create_database("commerce_full")
    with connect(dsn) as connection:
        create_tables(connection)
    return dsn


@pytest.fixture
def replica(full_database: str) -> Iterator[Replica]:
    """Return an empty replica; what a test inserts is gone after it."""
    connection = connect(full_database)
    yield Replica(connection)
    connection.rollback()
    connection.close()
