"""Pacing: no request too many, without leaving the limit unused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import psycopg
import pytest

from odp.core.bodies import Body
from odp.core.client import ClientOptions, OdpClient
from odp.core.ledger import Ledger
from odp.core.pacing import REQUESTS_PER_SECOND, LedgerPacer, LocalPacer, Pacer
from sandbox.odp.server import SandboxOdp

RATE = 50.0


@pytest.fixture
def ledgers(ledger_database: str) -> Iterator[list[Ledger]]:
    """The ledgers of three exports of one account, as three workers have them."""
    opened = [Ledger(lambda: psycopg.connect(ledger_database), "account", f"export-{number}") for number in range(3)]
    yield opened
    for ledger in opened:
        ledger.__exit__()


def let_through(pacers: list[Pacer], requests: int, threads: int) -> list[float]:
    """Return the times at which requests were let through."""

    def wait(number: int) -> float:
        pacers[number % len(pacers)].wait()
        return time.monotonic()

    with ThreadPoolExecutor(threads) as executor:
        return sorted(executor.map(wait, range(requests)))


def test_only_profiles_have_a_published_limit() -> None:
    assert REQUESTS_PER_SECOND == {"profiles": 10.0}


class TestLocalPacer:
    def test_requests_of_many_threads_are_spaced_evenly(self) -> None:
        times = let_through([LocalPacer(RATE)], 26, 8)
        assert 20 / RATE <= times[-1] - times[0] < 25 / RATE + 1

    def test_the_first_one_does_not_wait(self) -> None:
        started = time.monotonic()
        LocalPacer(0.1).wait()
        assert time.monotonic() - started < 1

    def test_a_pause_is_not_made_up_for_by_a_burst(self) -> None:
        pacer = LocalPacer(RATE)
        pacer.wait()
        time.sleep(0.3)
        times = let_through([pacer], 6, 6)
        assert times[-1] - times[0] >= 3 / RATE

    def test_without_a_limit_nothing_waits(self) -> None:
        pacer = LocalPacer(0)
        started = time.monotonic()
        for _ in range(10_000):
            pacer.wait()
        assert time.monotonic() - started < 1


class TestLedgerPacer:
    def test_the_workers_of_an_account_share_the_rate(self, ledgers: list[Ledger]) -> None:
        times = let_through([LedgerPacer(ledger, "profiles", RATE) for ledger in ledgers], 31, 6)
        assert 25 / RATE <= times[-1] - times[0] < 30 / RATE + 1

    def test_families_and_accounts_do_not_wait_for_each_other(self, ledgers: list[Ledger], ledger_database: str) -> None:
        slow = 0.2
        LedgerPacer(ledgers[0], "profiles", slow).wait()
        started = time.monotonic()
        LedgerPacer(ledgers[0], "objects", slow).wait()
        with Ledger(lambda: psycopg.connect(ledger_database), "another account", "export-0") as other:
            LedgerPacer(other, "profiles", slow).wait()
        assert time.monotonic() - started < 2

    def test_a_pause_is_not_made_up_for_by_a_burst(self, ledgers: list[Ledger]) -> None:
        pacer = LedgerPacer(ledgers[0], "profiles", RATE)
        pacer.wait()
        time.sleep(0.3)
        times = let_through([pacer], 6, 6)
        assert times[-1] - times[0] >= 3 / RATE


class TestClient:
    """Profiles are sent at ODP's published ten requests a second, which the sandbox enforces."""

    def body(self, number: int) -> Body:
        return Body(1, orjson.dumps([{"attributes": {"email": f"{number}@example.com"}}]))

    def test_paced_profiles_meet_no_429(self, odp: SandboxOdp) -> None:
        odp.settings(profiles_per_second=10)
        client = OdpClient(odp.url, odp.key, ClientOptions(concurrency=8))
        started = time.monotonic()
        list(client.each(map(self.body, range(25)), lambda body: client.deliver("/profiles", body)))
        assert [entry["status"] for entry in odp.requests()] == [202] * 25
        assert time.monotonic() - started >= 2.4

    def test_unpaced_ones_do(self, odp: SandboxOdp) -> None:
        odp.settings(profiles_per_second=10)
        client = OdpClient(odp.url, odp.key, ClientOptions(requests_per_second={}))
        list(client.each(map(self.body, range(13)), lambda body: client.deliver("/profiles", body)))
        assert 429 in [entry["status"] for entry in odp.requests()]
        assert len(odp.dump("profiles")) == 13

    def test_a_families_limit_holds_for_its_uploads_alone(self, odp: SandboxOdp) -> None:
        client = OdpClient(odp.url, odp.key, ClientOptions(requests_per_second={"profiles": 1.0}))
        started = time.monotonic()
        for number in range(5):
            client.deliver("/objects/products", Body(1, orjson.dumps([{"product_id": str(number)}])))
            client.request("GET", "/profiles", query={"email": "a@b.c"})
        assert time.monotonic() - started < 1

    def test_given_pacers_are_used_instead_of_its_own(self, odp: SandboxOdp) -> None:
        waited = []

        class Counting:
            def wait(self) -> None:
                waited.append(1)

        client = OdpClient(odp.url, odp.key, pacers={"objects": Counting()})
        client.deliver("/objects/products", Body(1, orjson.dumps([{"product_id": "1"}])))
        assert waited == [1]
