"""Faults, seen by a real client."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import Client

PRODUCT = {"product_id": "1"}
EVENT = {"type": "pageview", "identifiers": {"vuid": "a"}}


def product_count(server: SandboxOdp) -> int:
    return server.counts()["objects"]["products"]


class TestFail:
    def test_hits_the_next_requests_only(self, api: Client, server: SandboxOdp) -> None:
        server.faults(path="/v3/objects", count=2, status=503, retry_after=2)
        answers = [api.send_items("/objects/products", PRODUCT) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 202]
        assert answers[0].json() == {"message": "Service Unavailable"}
        assert answers[0].headers["retry-after"] == "2"
        assert [entry["fault"] for entry in server.requests()] == ["fail", "fail", None]
        assert server.counts()["requests"] == {"503": 2, "202": 1}

    def test_stores_nothing(self, api: Client, server: SandboxOdp) -> None:
        server.faults(status=500)
        assert api.send_items("/objects/products", PRODUCT).status_code == 500
        assert product_count(server) == 0

    @pytest.mark.parametrize(
        ("body", "content_type", "text"),
        [
            ("upstream gone", "text/plain; charset=utf-8", "upstream gone"),
            ({"message": "x"}, "application/json", '{"message":"x"}'),
            ("", "text/plain; charset=utf-8", ""),
        ],
    )
    def test_body(self, api: Client, server: SandboxOdp, body: Any, content_type: str, text: str) -> None:
        server.faults(status=502, body=body)
        answer = api.send_items("/objects/products", PRODUCT)
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (502, content_type, text)

    def test_leaves_other_paths_and_methods_alone(self, api: Client, server: SandboxOdp) -> None:
        server.faults(path="/v3/events", status=503)
        server.faults(path="/v3/profiles", method="get", status=503)
        api.accept("/objects/products", PRODUCT)
        api.accept("/profiles", {"attributes": {"email": "a@example.com"}})
        assert api.send_items("/events", EVENT).status_code == 503
        assert api.get("/profiles", params={"email": "a@example.com"}).status_code == 503

    def test_after_some_requests(self, api: Client, server: SandboxOdp) -> None:
        server.faults(path="/v3/events", after=2, count=1, status=500)
        assert [api.send_items("/events", EVENT).status_code for _ in range(4)] == [202, 202, 500, 202]

    def test_several_in_a_row(self, api: Client, server: SandboxOdp) -> None:
        server.faults(path="/v3/events", status=500)
        server.faults(path="/v3/events", status=429)
        assert [api.send_items("/events", EVENT).status_code for _ in range(3)] == [500, 429, 202]

    def test_a_wrong_key_uses_none_up(self, api: Client, server: SandboxOdp) -> None:
        server.faults(status=503)
        assert api.send_items("/events", EVENT, key="wrong").status_code == 403
        assert api.send_items("/events", EVENT).status_code == 503

    def test_stored_but_answered_with_an_error(self, api: Client, server: SandboxOdp) -> None:
        server.faults(mode="store_then_fail", status=504)
        assert api.send_items("/objects/products", PRODUCT).json() == {"message": "Endpoint request timed out"}
        assert product_count(server) == 1
        assert server.counts()["requests"] == {"504": 1}


class TestDrop:
    @pytest.mark.parametrize(("mode", "stored"), [("drop", 0), ("store_then_drop", 1)])
    def test_client_sees_a_connection_error(self, api: Client, server: SandboxOdp, mode: str, stored: int) -> None:
        server.faults(path="/v3/objects/products", mode=mode)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            api.send_items("/objects/products", [PRODUCT])
        assert product_count(server) == stored
        assert server.counts()["requests"] == {"dropped": 1}
        (entry,) = server.requests()
        assert (entry["status"], entry["fault"]) == (None, mode)
        api.accept("/objects/products", [PRODUCT])

    def test_a_large_body_too(self, api: Client, server: SandboxOdp) -> None:
        server.faults(mode="drop")
        rows = [{"product_id": str(number), "name": "x" * 1000} for number in range(500)]
        with pytest.raises(httpx.TransportError):
            api.send_items("/objects/products", rows)
        api.accept("/objects/products", rows)


class TestDelay:
    def test_answers_as_usual_afterwards(self, api: Client, server: SandboxOdp) -> None:
        server.faults(delay=0.3)
        start = time.monotonic()
        api.accept("/objects/products", PRODUCT)
        assert time.monotonic() - start >= 0.3

    def test_a_client_that_gave_up_does_not_know_that_it_was_stored(self, api: Client, server: SandboxOdp) -> None:
        server.faults(delay=0.4)
        with pytest.raises(httpx.ReadTimeout):
            api.post("/objects/products", json=PRODUCT, timeout=0.1)
        time.sleep(0.5)
        assert product_count(server) == 1

    def test_does_not_hold_up_others(self, api: Client, server: SandboxOdp) -> None:
        server.faults(path="/v3/events", delay=1, status=503)
        with Client(server.url, server.key) as slow:
            with pytest.raises(httpx.ReadTimeout):
                slow.post("/events", json=EVENT, timeout=0.05)
            start = time.monotonic()
            api.accept("/objects/products", PRODUCT)
            assert time.monotonic() - start < 0.5


class TestControl:
    def test_lists_and_clears(self, server: SandboxOdp) -> None:
        assert server.faults() == []
        (waiting,) = server.faults(path="/v3/events", count=3, status=503)
        assert (waiting["path"], waiting["count"], waiting["status"]) == ("/v3/events", 3, 503)
        assert httpx.delete(f"{server.url}/_sandbox/faults", trust_env=False).json() == {"faults": []}
        assert server.faults() == []

    def test_takes_an_array(self, server: SandboxOdp) -> None:
        answer = httpx.post(f"{server.url}/_sandbox/faults", json=[{"status": 500}, {"mode": "drop"}], trust_env=False)
        assert len(answer.json()["faults"]) == 2

    @pytest.mark.parametrize("fault", [{"mode": "explode"}, {"count": 0}, {"status": 99}, {"unknown": 1}, {"delay": -1}])
    def test_refuses_nonsense(self, server: SandboxOdp, fault: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(fault))):
            server.faults(**fault)
        assert server.faults() == []
