"""One server for all tests of the room; every test starts with an empty account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import Client

KEY = "pubKEY123.secretPART456"


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxOdp]:
    with SandboxOdp(key=KEY, profiles_per_second=0) as server:
        yield server


@pytest.fixture
def server(running: SandboxOdp) -> SandboxOdp:
    running.reset()
    return running


@pytest.fixture
def api(server: SandboxOdp) -> Iterator[Client]:
    with Client(server.url, server.key) as client:
        yield client
