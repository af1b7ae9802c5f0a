"""One generated replica for all tests of the generator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.commerce import generate
from sandbox.postgres import PostgresServer
from tests.sandbox.commerce.generated_replica import NOW, SIZES, Replica


@pytest.fixture(scope="session")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with PostgresServer(tmp_path_factory.mktemp("postgres") / "cluster") as server:
        dsn = server.create_database("commerce")
        yield Replica(dsn, generate(dsn, seed=7, now=NOW, **SIZES))
