"""Controls outside the API, the request log, and the page."""

from __future__ import annotations

import asyncio
import time
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from sandbox.odp.app import create_app
from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import WAREHOUSES, Client

PRODUCT = {"product_id": "1", "name": "<b>Lamp</b> & co"}
PROFILE = {"attributes": {"email": "ana@example.com"}}
EVENT = {"type": "pageview", "identifiers": {"vuid": "a"}}


class TestCounts:
    def test_empty(self, server: SandboxOdp) -> None:
        assert server.counts() == {
            "profiles": 0,
            "objects": {"products": 0, "orders": 0},
            "events": {},
            "requests": {},
            "dropped_fields": {},
            "dropped_reasons": {},
        }

    def test_by_kind(self, api: Client, server: SandboxOdp) -> None:
        api.create("objects", WAREHOUSES)
        api.accept("/objects/products", [PRODUCT, {"product_id": "2"}])
        api.accept("/profiles", PROFILE)
        api.accept("/events", [EVENT, EVENT])
        api.send_items("/objects/nope", PRODUCT)
        assert server.counts() == {
            "profiles": 1,
            "objects": {"products": 2, "orders": 0, "warehouses": 0},
            "events": {"pageview": 2},
            "requests": {"200": 1, "202": 3, "404": 1},
            "dropped_fields": {},
            "dropped_reasons": {},
        }


class TestDump:
    def test_is_ndjson(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", [{"product_id": str(number), "name": "a\nb"} for number in range(400)])
        answer = httpx.get(f"{server.url}/_sandbox/dump/objects/products", trust_env=False)
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert len(answer.text.splitlines()) == 400
        assert answer.text.endswith("\n")

    def test_of_many_pages(self, api: Client, server: SandboxOdp) -> None:
        for start in range(0, 4500, 500):
            api.accept("/objects/products", [{"product_id": f"{start + number}"} for number in range(500)])
        assert [row["product_id"] for row in server.dump("objects/products")] == [str(number) for number in range(4500)]

    @pytest.mark.parametrize("kind", ["profiles", "events", "event_rows", "objects/products"])
    def test_of_nothing(self, server: SandboxOdp, kind: str) -> None:
        assert server.dump(kind) == []

    @pytest.mark.parametrize("kind", ["products", "objects/nope", "objects/customers", "objects", ""])
    def test_unknown_kind(self, server: SandboxOdp, kind: str) -> None:
        assert httpx.get(f"{server.url}/_sandbox/dump/{kind}", trust_env=False).status_code == 404


class TestReset:
    @pytest.mark.parametrize("keep_schema", [False, True])
    def test_forgets_everything(self, api: Client, server: SandboxOdp, keep_schema: bool) -> None:
        api.create("objects", WAREHOUSES)
        api.create("objects/products/fields", {"name": "colour", "display_name": "Colour", "type": "string"})
        api.accept("/objects/warehouses", {"warehouse_id": "1", "x": 1})
        api.accept("/profiles", PROFILE)
        api.accept("/events", EVENT)
        server.faults(status=500)
        server.settings(keep_good_items=True)
        server.reset(keep_schema=keep_schema)
        counts = server.counts()
        assert (counts["profiles"], counts["events"], counts["requests"], counts["dropped_fields"]) == (0, {}, {}, {})
        assert counts["objects"] == {"products": 0, "orders": 0, **({"warehouses": 0} if keep_schema else {})}
        assert server.faults() == []
        assert server.requests() == []
        assert server.settings()["keep_good_items"] is False
        assert api.get("/schema/objects/products/fields/colour").status_code == (200 if keep_schema else 404)
        assert api.get("/profiles", params={"email": "ana@example.com"}).status_code == 404


class TestSettings:
    def test_change_some_of_them(self, server: SandboxOdp) -> None:
        before = server.settings()
        assert server.settings(visibility_delay=1.5) == {**before, "visibility_delay": 1.5}

    @pytest.mark.parametrize(
        "change", [{"unknown": 1}, {"visibility_delay": -1}, {"profile_read_status": 404}, {"keep_good_items": "maybe"}]
    )
    def test_refuse_nonsense(self, server: SandboxOdp, change: dict[str, Any]) -> None:
        before = server.settings()
        with pytest.raises(ValueError, match=next(iter(change))):
            server.settings(**change)
        assert server.settings() == before


class TestRequestLog:
    def test_keeps_order_items_and_times(self, api: Client, server: SandboxOdp) -> None:
        start = time.time()
        api.accept("/events", [EVENT, EVENT])
        time.sleep(0.05)
        api.get("/profiles", params={"email": "ana@example.com"})
        first, second = server.requests()
        assert (first["method"], first["path"], first["status"], first["items"]) == ("POST", "/v3/events", 202, 2)
        assert (second["method"], second["path"], second["status"], second["items"]) == ("GET", "/v3/profiles", 404, None)
        assert start - 0.01 <= first["received"] <= second["received"] - 0.05 <= time.time()
        assert first["time"].endswith("Z")

    def test_limit_and_path(self, api: Client, server: SandboxOdp) -> None:
        for path, item in (("/events", EVENT), ("/profiles", PROFILE), ("/events", EVENT)):
            api.accept(path, item)
        assert [entry["path"] for entry in server.requests(limit=2)] == ["/v3/profiles", "/v3/events"]
        assert len(server.requests(path="/v3/events")) == 2
        assert server.requests(limit=0) == []

    def test_holds_no_key_and_no_identifier(self, api: Client, server: SandboxOdp) -> None:
        api.get("/profiles", params={"email": "ana@example.com"})
        api.send_items("/events", EVENT, key="wrong-key")
        text = httpx.get(f"{server.url}/_sandbox/requests", trust_env=False).text
        assert not any(secret in text for secret in (server.key, server.public_key, "wrong-key", "ana@example.com"))

    def test_counts_items_of_a_refused_batch(self, api: Client, server: SandboxOdp) -> None:
        api.send_items("/events", [EVENT] * 501)
        assert server.requests()[0]["items"] == 501


class PageParser(HTMLParser):
    """Finds unbalanced tags, and everything a browser would fetch."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [f"{tag} {value}" for name, value in attrs if name in {"src", "href"} and value != "data:,"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


class TestPage:
    def test_shows_what_arrived(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", {**PRODUCT, "colour": "red"})
        api.accept("/profiles", PROFILE)
        api.accept("/events", EVENT)
        server.faults(path="/v3/profiles", mode="drop")
        with pytest.raises(httpx.TransportError):
            api.send_items("/profiles", PROFILE)
        server.faults(path="/v3/graphql", status=503, count=1234)
        answer = httpx.get(f"{server.url}/", trust_env=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        page = PageParser()
        page.feed(answer.text)
        assert page.open == []
        assert page.fetched == []
        assert "<script" not in answer.text
        assert "<b>Lamp" not in answer.text
        shown = ("<b>Lamp</b> & co", "ana@example.com", "pageview", "products.colour", "unknown field", "dropped", "1,234")
        assert [text for text in shown if text not in page.text] == []
        assert not any(secret in answer.text for secret in (server.key, server.public_key))
        assert "prefers-color-scheme: dark" in answer.text

    def test_of_an_empty_account(self, server: SandboxOdp) -> None:
        assert "nothing since the start" in httpx.get(f"{server.url}/", trust_env=False).text


class TestAccess:
    def test_health(self, server: SandboxOdp) -> None:
        assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200

    def test_unknown_control(self, server: SandboxOdp) -> None:
        assert httpx.get(f"{server.url}/_sandbox/nope", trust_env=False).status_code == 404

    @pytest.mark.parametrize(
        ("address", "open_controls", "allowed"),
        [("127.0.0.1", False, True), ("10.0.0.7", False, False), ("10.0.0.7", True, True)],
    )
    def test_controls_are_for_this_machine_unless_opened(self, address: str, open_controls: bool, allowed: bool) -> None:
        async def statuses() -> list[int]:
            app = create_app("pub.sec", open_controls=open_controls)
            transport = httpx.ASGITransport(app, client=(address, 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://odp") as client:
                answers = [await client.get(path) for path in ("/", "/_sandbox/counts", "/_sandbox/requests")]
                answers.append(await client.post("/_sandbox/reset"))
                health = await client.get("/healthz")
            app.account.close()
            assert health.status_code == 200
            return [answer.status_code for answer in answers]

        assert asyncio.run(statuses()) == [200 if allowed else 403] * 4
