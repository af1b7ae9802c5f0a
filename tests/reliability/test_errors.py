"""What ODP's errors lead to: retry, split, reject, stop. Every record arrives once the error is over, events once."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odp.core.exceptions import OdpForbiddenError, OdpNotFoundError, OdpUnavailableError
from odp.core.exports import CUSTOMERS, ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.settings import Settings
from sandbox.odp.server import SandboxOdp
from tests.reliability.harness import Pipeline, Run, fates, sent_keys, stored_keys, uploads_to

FAMILIES = [PRODUCTS, USER_PROFILES, ORDERS]


@pytest.fixture(params=FAMILIES, ids=lambda export: export.family)
def export(request: pytest.FixtureRequest) -> Export:
    """One export of each API family."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def small_bodies(pipeline: Pipeline) -> Pipeline:
    return replace(pipeline, batch_size=10)


def has_all(odp: Any, run: Run) -> None:
    """Check that ODP holds each item of a run once."""
    export = run.export
    assert stored_keys(odp, export) == sent_keys(run)
    assert run.summary["delivered"] == run.transformed[0]["records"]
    assert run.pipeline.run(export).summary["delivered"] == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_passing_errors_are_retried(small_bodies: Pipeline, odp: Any, export: Export, status: int) -> None:
    odp.faults(path=f"/v3{export.path}", status=status, count=4, after=1)

    run = small_bodies.run(export)

    statuses = Counter(request["status"] for request in uploads_to(odp))
    assert statuses[status] == 4
    has_all(odp, run)


def test_retry_after_is_waited_for(pipeline: Pipeline, odp: Any, export: Export) -> None:
    odp.faults(path=f"/v3{export.path}", status=429, retry_after=1)

    run = pipeline.run(export)

    first, second = (request["received"] for request in uploads_to(odp)[:2])
    assert second - first >= 1
    has_all(odp, run)


@pytest.mark.parametrize("mode", ["drop", "store_then_drop"])
def test_lost_connections_are_retried(small_bodies: Pipeline, odp: Any, export: Export, mode: str) -> None:
    odp.faults(path=f"/v3{export.path}", mode=mode, count=3, after=1)

    run = small_bodies.run(export)

    assert sum(request["status"] is None for request in uploads_to(odp)) == 3
    has_all(odp, run)


def test_timeouts_are_retried(small_bodies: Pipeline, odp: Any, export: Export) -> None:
    odp.faults(path=f"/v3{export.path}", delay=0.8, mode="drop", count=2)

    run = replace(small_bodies, timeout=0.3).run(export)

    has_all(odp, run)


def test_error_bodies_need_not_be_json(pipeline: Pipeline, odp: Any, export: Export) -> None:
    odp.faults(path=f"/v3{export.path}", status=502, body="<html>Bad Gateway</html>")
    odp.faults(path=f"/v3{export.path}", status=413, body="too long")
    odp.faults(path=f"/v3{export.path}", status=400, body="?")

    has_all(odp, pipeline.run(export))


def test_403_stops_at_once_and_names_causes(small_bodies: Pipeline, odp: Any, export: Export) -> None:
    pipeline = replace(small_bodies, settings=Settings(create_schema=False, visibility_delay_minutes=0))
    odp.faults(path=f"/v3{export.path}", status=403, count=1000)
    run = pipeline.start(export)
    run.extract()
    run.transform()

    with pytest.raises(OdpForbiddenError, match=r"API key may be wrong or revoked.*usage plan.*region.*path may not exist"):
        run.load()

    assert len(uploads_to(odp)) <= 2 * pipeline.concurrency
    assert pipeline.claims() == {}
    odp.reset()
    replace(pipeline, settings=Settings()).run(export)  # creates the schema
    assert stored_keys(odp, export) == sent_keys(run)


def test_404_stops_at_once_and_names_the_object(pipeline: Pipeline, odp: Any) -> None:
    pipeline = replace(pipeline, settings=Settings(create_schema=False))

    with pytest.raises(OdpNotFoundError, match=r"no object 'businesses'.*create_schema"):
        pipeline.run(CUSTOMERS)

    assert [request["status"] for request in uploads_to(odp)] == [404]
    assert replace(pipeline, settings=Settings()).run(CUSTOMERS).summary["delivered"] > 0


def test_413_is_halved_until_it_fits(pipeline: Pipeline, odp: Any, export: Export) -> None:
    odp.faults(path=f"/v3{export.path}", status=413, count=3)

    run = pipeline.run(export)

    sizes = [request["items"] or 0 for request in uploads_to(odp) if request["status"] == 202]
    assert len(sizes) >= 4
    assert max(sizes) < sum(sizes)
    has_all(odp, run)


def test_413_of_a_single_item_is_a_reject(pipeline: Pipeline, odp: Any, export: Export) -> None:
    odp.faults(path=f"/v3{export.path}", status=413)
    pipeline = replace(pipeline, batch_size=1, concurrency=1, settings=Settings(max_reject_ratio=1, visibility_delay_minutes=0))
    key = {"events": "CustomerOrder", "profiles": "UserProfile", "objects": "Product"}[export.family]
    where = " WHERE Status = 'Submitted' AND OrderNumber <> ''" if export.family == "events" else ""
    where = " WHERE NOT IsGuest AND Email <> ''" if export.family == "profiles" else where
    with_id = pipeline.run(export, ids=[select_one(pipeline, f"SELECT min(Id::text) FROM {key}{where}")])

    assert fates(with_id) == {"extracted": 1, "rejected": 1}
    assert "413" in with_id.rejects[0]
    assert stored_keys(odp, export) == {}


def select_one(pipeline: Pipeline, query: str) -> str:
    with psycopg.connect(pipeline.replica) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return str(row[0])


def test_400_that_names_nothing_is_halved_down_to_the_bad_item(pipeline: Pipeline, odp: Any, export: Export) -> None:
    # With six items: the whole, one half, and in it one single item are refused.
    pipeline = replace(pipeline, settings=Settings(max_reject_ratio=1, visibility_delay_minutes=0))
    odp.faults(path=f"/v3{export.path}", status=400, count=20, body={"detail": {"invalids": []}})

    run = pipeline.run(export)

    assert run.summary["rejected"] >= 1
    assert run.summary["delivered"] + run.summary["rejected"] == run.transformed[0]["records"]
    last = pipeline.run(export)
    assert last.summary["rejected"] == 0
    stored = stored_keys(odp, export)
    assert stored == sent_keys(run)
    assert pipeline.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


class TestOdpIsDown:
    @pytest.mark.parametrize("status", [429, 503])
    def test_the_budget_ends_and_the_next_try_delivers_the_rest(
        self, small_bodies: Pipeline, odp: Any, export: Export, status: int
    ) -> None:
        pipeline = replace(small_bodies, retry_budget=0.5)
        run = pipeline.start(export)
        run.extract()
        run.transform()
        odp.faults(path=f"/v3{export.path}", status=status, count=10_000, after=2)

        with pytest.raises(OdpUnavailableError, match="Check that .* can be reached|was down for the whole retry budget"):
            run.load()

        stored = stored_keys(odp, export).total()
        assert stored >= 10
        assert len(odp.faults()) == 1
        clear_faults(odp)
        sent = len(uploads_to(odp))
        run.load()
        run.reconcile()
        assert sum(request["items"] for request in uploads_to(odp, since=sent)) == len(run.items()) - stored
        has_all(odp, run)

    def test_a_circuit_opens_and_requests_stop(self, small_bodies: Pipeline, odp: Any, export: Export) -> None:
        pipeline = replace(small_bodies, retry_budget=0.5, concurrency=2, batch_size=2)
        run = pipeline.start(export)
        run.extract()
        run.transform()
        odp.faults(path=f"/v3{export.path}", status=503, count=10_000)

        started = time.monotonic()
        with pytest.raises(OdpUnavailableError):
            run.load()

        # Without a circuit, each of the bodies would be tried for the whole budget, two at a time.
        requests = sum(upload["requests"] for upload in run.transformed[0]["uploads"])
        assert requests >= 20
        assert time.monotonic() - started < requests / 2 * 0.5 / 2
        assert len(uploads_to(odp)) < requests

    def test_nobody_listens(self, small_bodies: Pipeline, odp: Any, export: Export) -> None:
        """A refused connection carried nothing: no event is in doubt."""
        run = small_bodies.start(export)
        run.extract()
        run.transform()
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        run.pipeline = replace(
            small_bodies, url=address, retry_budget=0.3, settings=Settings(create_schema=False, visibility_delay_minutes=0)
        )
        with pytest.raises(OdpUnavailableError, match="no connection to|was down for the whole retry budget"):
            run.load()
        assert small_bodies.claims() == {}

        run.pipeline = small_bodies
        run.load()
        run.reconcile()
        has_all(odp, run)

    def test_odp_restarts_during_the_load(self, pipeline: Pipeline, export: Export, tmp_path: Path) -> None:
        with SandboxOdp(profiles_per_second=0, state=tmp_path / "odp.sqlite") as first:
            first_pipeline = replace(pipeline, url=first.url, key=first.key, batch_size=10, retry_budget=20)
            run = first_pipeline.start(export)
            run.extract()
            run.transform()
            first.faults(path=f"/v3{export.path}", status=503, after=2, count=10_000)
            with ThreadPoolExecutor(1) as executor:
                loading = executor.submit(run.load)
                while sum(request["status"] == 503 for request in uploads_to(first)) < 2:
                    assert not loading.done()
                    time.sleep(0.01)
                first.stop()
                with SandboxOdp(profiles_per_second=0, state=tmp_path / "odp.sqlite", key=first.key, port=first.port) as second:
                    loading.result(60)
                    run.reconcile()
                    has_all(second, run)


def clear_faults(odp: Any) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{odp.url}/_sandbox/faults", method="DELETE")).close()
