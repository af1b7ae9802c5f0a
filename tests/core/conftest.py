"""One sandbox ODP for all tests of the core, as empty as a new one for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.odp.server import SandboxOdp


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
