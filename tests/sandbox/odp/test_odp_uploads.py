"""Keys, routes, limits and error bodies of the uploads."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import (
    BAD_REQUEST,
    BUSINESS_USERS,
    FORBIDDEN,
    NOT_FOUND,
    UPDATE,
    WAREHOUSES,
    Client,
)

PROFILE = {"attributes": {"email": "ana.ruiz@example.com", "first_name": "Ana"}}
EVENT = {"type": "product", "action": "detail", "identifiers": {"email": "ana@example.com"}, "data": {"product_id": "1"}}
PRODUCT = {"product_id": "SKU-77", "name": "Trail lamp", "price": 25.0}
UPLOADS = [("/profiles", PROFILE), ("/events", EVENT), ("/objects/products", PRODUCT)]


@pytest.mark.parametrize(("path", "item"), UPLOADS)
class TestEveryUpload:
    @pytest.mark.parametrize("wrap", [lambda item: [item], lambda item: item], ids=["array", "single"])
    def test_accepts(self, api: Client, path: str, item: dict[str, Any], wrap: Any) -> None:
        answer = api.send_items(path, wrap(item))
        assert answer.status_code == 202
        jsonschema.validate(answer.json(), UPDATE)

    def test_takes_the_public_key(self, api: Client, server: SandboxOdp, path: str, item: dict[str, Any]) -> None:
        assert api.send_items(path, [item], key=server.public_key).status_code == 202

    @pytest.mark.parametrize("key", ["", "wrong", "secretPART456", "pubKEY123.", "pubKEY123.secretPART45"])
    def test_refuses_a_wrong_key(self, api: Client, server: SandboxOdp, path: str, item: dict[str, Any], key: str) -> None:
        answer = api.send_items(path, [item], key=key)
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
        assert server.counts()["profiles"] == 0

    def test_refuses_a_missing_key_before_anything_else(self, api: Client, path: str, item: dict[str, Any]) -> None:
        del api.headers["x-api-key"]
        answer = api.post(path, content=b"{", headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)

    def test_takes_500_items_and_refuses_501(self, api: Client, server: SandboxOdp, path: str, item: dict[str, Any]) -> None:
        answer = api.send_items(path, [item] * 501)
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)
        counts = server.counts()
        assert (counts["profiles"], counts["events"], counts["objects"]["products"]) == (0, {}, 0)
        assert api.send_items(path, [item] * 500).status_code == 202

    @pytest.mark.parametrize("body", [b"", b"{", b"[1,", b'"text"', b"1", b"null", b'[{"a":NaN}]', b"\xff"])
    def test_refuses_what_is_no_json_batch(self, api: Client, path: str, item: dict[str, Any], body: bytes) -> None:
        answer = api.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)
        assert answer.json()["detail"]["message"] == "Unable to parse request body."

    def test_refuses_an_empty_array_unless_told(self, api: Client, server: SandboxOdp, path: str, item: dict[str, Any]) -> None:
        answer = api.send_items(path, [])
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)
        server.settings(accept_empty=True)
        api.accept(path, [])

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
    def test_wants_json_as_content_type(self, api: Client, path: str, item: dict[str, Any], content_type: str | None) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        answer = api.post(path, content=json.dumps([item]).encode(), headers=headers)
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)

    def test_takes_a_content_type_with_charset(self, api: Client, path: str, item: dict[str, Any]) -> None:
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert api.post(path, content=json.dumps([item]), headers=headers).status_code == 202

    def test_refuses_gzip(self, api: Client, path: str, item: dict[str, Any]) -> None:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        assert api.post(path, content=b"\x1f\x8b", headers=headers).status_code == 400

    def test_names_items_that_are_no_objects(self, api: Client, path: str, item: dict[str, Any]) -> None:
        assert [position for position, _ in api.refuse(path, [item, 1, "x", None, [item]])] == [1, 2, 3, 4]


def test_body_above_ten_megabytes(api: Client, server: SandboxOdp) -> None:
    limit = 10 * 1024 * 1024
    start, end = b'[{"product_id":"1","name":"', b'"}]'
    for size, status in ((limit, 202), (limit + 1, 413)):
        body = start + b"x" * (size - len(start) - len(end)) + end
        answer = api.post("/objects/products", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
    assert answer.json() == {"message": "Request Too Long"}
    assert server.counts()["objects"]["products"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/products"),
        ("POST", "/customers"),
        ("POST", "/profiles/"),
        ("GET", "/events"),
        ("DELETE", "/profiles"),
        ("PUT", "/objects/products"),
        ("GET", "/objects/products"),
        ("POST", "/objects"),
        ("GET", "/schema"),
        ("GET", ""),
    ],
)
def test_unknown_route_is_forbidden(api: Client, method: str, path: str) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_unknown_path_outside_the_api_is_forbidden(server: SandboxOdp, api: Client) -> None:
    answer = api.get(f"{server.url}/v2/profiles")
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_public_key_reads_nothing(api: Client, server: SandboxOdp) -> None:
    api.headers["x-api-key"] = server.public_key
    calls = [
        api.get("/profiles", params={"email": "a@example.com"}),
        api.post("/graphql", json={"query": "{__typename}"}),
        api.get("/schema/objects"),
        api.post("/schema/objects", json=WAREHOUSES),
        api.post("/schema/identifiers", json={}),
    ]
    assert [(call.status_code, call.json()) for call in calls] == [(403, FORBIDDEN)] * len(calls)


class TestObjects:
    @pytest.mark.parametrize("name", ["warehouses", "warehouse", "order_items"])
    def test_unknown_object(self, api: Client, name: str) -> None:
        answer = api.send_items(f"/objects/{name}", [{"warehouse_id": "1"}])
        assert answer.status_code == 404
        jsonschema.validate(answer.json(), NOT_FOUND)

    @pytest.mark.parametrize(("name", "home"), [("customers", "/v3/profiles"), ("events", "/v3/events")])
    def test_people_and_events_have_their_own_calls(self, api: Client, name: str, home: str) -> None:
        answer = api.send_items(f"/objects/{name}", [{"email": "a@example.com"}])
        assert answer.status_code == 404
        assert home in answer.json()["detail"]["message"]

    def test_custom_object_takes_rows_once_created(self, api: Client, server: SandboxOdp) -> None:
        api.create("objects", WAREHOUSES)
        api.accept("/objects/warehouses", [{"warehouse_id": "WH-EAST", "is_default": True}, {"warehouse_id": "WH-WEST"}])
        assert server.dump("objects/warehouses") == [
            {"warehouse_id": "WH-EAST", "is_default": True},
            {"warehouse_id": "WH-WEST"},
        ]

    @pytest.mark.parametrize("bad", [{}, {"product_id": None}, {"product_id": ""}, {"product_id": True}, {"product_id": [1]}])
    def test_missing_primary_key(self, api: Client, server: SandboxOdp, bad: dict[str, Any]) -> None:
        found = api.refuse("/objects/products", [PRODUCT, {"name": "x", **bad}, {"product_id": "2"}, bad])
        assert found == [(1, "Missing required field `product_id`"), (3, "Missing required field `product_id`")]
        assert server.dump("objects/products") == []

    def test_every_part_of_a_composite_key(self, api: Client, server: SandboxOdp) -> None:
        api.create("objects", BUSINESS_USERS)
        found = api.refuse("/objects/business_users", [{"business_id": "1"}, {"user_id": "1"}, {"role": "buyer"}])
        assert found == [
            (0, "Missing required field `user_id`"),
            (1, "Missing required field `business_id`"),
            (2, "Missing required field `business_id`"),
        ]
        rows = [{"business_id": "1", "user_id": "11"}, {"business_id": "11", "user_id": "1"}]
        api.accept("/objects/business_users", rows)
        assert server.dump("objects/business_users") == rows


class TestGoodItemsOfABadBatch:
    @pytest.mark.parametrize("keep", [False, True])
    def test_follow_the_switch(self, api: Client, server: SandboxOdp, keep: bool) -> None:
        server.settings(keep_good_items=keep)
        assert [position for position, _ in api.refuse("/objects/products", [{"name": "x"}, PRODUCT])] == [0]
        assert [position for position, _ in api.refuse("/profiles", [PROFILE, {"attributes": {"city": "Leeds"}}])] == [1]
        assert [position for position, _ in api.refuse("/events", [EVENT, {"type": "x"}, EVENT])] == [1]
        counts = server.counts()
        assert counts["profiles"] == (1 if keep else 0)
        assert counts["objects"]["products"] == (1 if keep else 0)
        assert counts["events"] == ({"product/detail": 2} if keep else {})

    def test_a_refused_item_counts_no_dropped_value(self, api: Client, server: SandboxOdp) -> None:
        server.settings(keep_good_items=True)
        api.refuse("/objects/products", [{"colour": "red"}, {**PRODUCT, "size": "L"}])
        assert server.counts()["dropped_fields"] == {"products.size": 1}


class TestEvents:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"type": None}, "missing 'type' field"),
            ({"type": ""}, "missing 'type' field"),
            ({"identifiers": None}, "missing 'identifiers' field"),
            ({"identifiers": {}}, "missing 'identifiers' field"),
            ({"identifiers": {"email": ""}}, "missing 'identifiers' field"),
            ({"identifiers": "a@example.com"}, "missing 'identifiers' field"),
            ({"action": 5}, "Invalid value for field `action`"),
            ({"data": [1]}, "Invalid value for field `data`"),
        ],
    )
    def test_refused(self, api: Client, server: SandboxOdp, changes: dict[str, Any], message: str) -> None:
        assert api.refuse("/events", [EVENT, {**EVENT, **changes}]) == [(1, message)]
        assert server.counts()["events"] == {}

    def test_need_neither_action_nor_data(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", {"type": "pageview", "identifiers": {"vuid": "a1"}})
        assert server.counts()["events"] == {"pageview": 1}

    def test_are_kept_as_they_came_and_appended(self, api: Client, server: SandboxOdp) -> None:
        event = {**EVENT, "data": {"ts": 1730000000, "idempotence_id": "i-1", "unheard_of": {"a": [1]}}}
        api.accept("/events", [event, event])
        api.accept("/events", event)
        assert server.dump("events") == [event] * 3
        assert server.counts()["events"] == {"product/detail": 3}
        assert server.counts()["dropped_fields"] == {"events.unheard_of": 3}

    def test_repeats_are_dropped_when_told(self, api: Client, server: SandboxOdp) -> None:
        server.settings(drop_repeats=True)
        marked = {**EVENT, "data": {"idempotence_id": "i-1"}}
        api.accept("/events", [marked, marked, EVENT, EVENT])
        api.accept("/events", marked)
        assert server.dump("events") == [marked, EVENT, EVENT]
