"""The sink counts what it is sent, and nothing else."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any

import pytest

from benchmarks.counting import Upload, count
from tests.benchmarks.conftest import RunningSink


def profiles(*names: str) -> list[dict[str, Any]]:
    return [{"attributes": {"email": f"{name}@example.com", "first_name": name}} for name in names]


def order(order_id: str, action: str = "purchase") -> dict[str, Any]:
    return {"type": "order", "action": action, "data": {"order": {"order_id": order_id}}}


def upload(path: str, *items: dict[str, Any]) -> Upload:
    return Upload(f"/v3{path}", "", json.dumps(items).encode())


def test_items_are_told_apart_by_the_keys_of_their_kind() -> None:
    counts = count([
        upload("/profiles", *profiles("ana", "bo")),
        upload("/profiles", *profiles("ana")),
        upload("/objects/products", {"product_id": "1"}, {"product_id": "2"}, {"product_id": "1"}),
        upload("/objects/businesses", {"business_id": "1"}),
        upload("/objects/business_users", {"business_id": "1", "user_id": "1"}, {"business_id": "1", "user_id": "2"}),
        upload("/events", order("W1"), order("W1", "cancel"), order("W1")),
    ])  # fmt: skip
    assert (counts.items, counts.unique, counts.largest) == (12, 9, 3)


def test_the_checksum_depends_on_contents_and_on_no_order() -> None:
    one = count([upload("/objects/products", {"product_id": "1", "name": "a"}, {"product_id": "2"})])
    same = count(
        [upload("/objects/products", {"product_id": "2"}), upload("/objects/products", {"name": "a", "product_id": "1"})]
    )
    other = count([upload("/objects/products", {"product_id": "1", "name": "b"}, {"product_id": "2"})])
    assert one.content == same.content != other.content


def test_an_item_without_its_key_is_no_upload() -> None:
    with pytest.raises(KeyError, match="email"):
        count([upload("/profiles", {"attributes": {"first_name": "Ana"}})])
    with pytest.raises(KeyError, match="gadgets"):
        count([upload("/objects/gadgets", {"gadget_id": "1"})])


def test_it_takes_uploads_and_counts_them(sink: RunningSink) -> None:
    assert sink.send("/profiles", profiles("ana", "bo")) == 202
    assert sink.send("/profiles", gzip.compress(json.dumps(profiles("cy")).encode()), **{"content-encoding": "gzip"}) == 202
    assert sink.send("/events", [order("W1")]) == 202
    counts = sink.counts()
    assert (counts["requests"], counts["items"], counts["unique"], counts["largest"]) == (3, 4, 4, 2)
    assert counts["refused"] == 0
    sink.reset()
    assert sink.counts()["items"] == 0


def test_it_takes_a_body_in_chunks_over_one_connection(sink: RunningSink) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sink.port)
    for name in ("ana", "bo"):
        body = json.dumps(profiles(name)).encode()
        connection.request("POST", "/v3/profiles", iter([body[:7], body[7:]]), {"x-api-key": "key"}, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (202, b'{"title":"Accepted","status":202}')
    counts = sink.counts()
    assert (counts["requests"], counts["items"], counts["unique"]) == (2, 2, 2)
    assert counts["connections"] == 2  # that one, and the one that asks


def test_what_odp_would_not_take_is_refused(sink: RunningSink) -> None:
    assert sink.send("/profiles", profiles("ana"), **{"x-api-key": ""}) == 403
    assert sink.send("/elsewhere", []) == 404
    counts = sink.counts()
    assert (counts["requests"], counts["refused"]) == (0, 2)


def test_the_schema_can_be_read_and_extended(sink: RunningSink) -> None:
    import httpx

    assert httpx.get(f"{sink.url}/v3/schema/objects", headers={"x-api-key": "key"}).json() == []
    assert sink.send("/schema/objects", {"name": "products"}) == 201
    assert sink.counts()["requests"] == 0


def test_a_slow_answer_counts_from_when_it_is_due(sink: RunningSink) -> None:
    sink.reset(latency_ms=30)
    assert sink.send("/profiles", profiles("ana")) == 202
    counts = sink.counts()
    assert counts["last_at"] == pytest.approx(counts["first_at"] + 0.03)


def test_an_upload_that_cannot_be_counted_is_reported(sink: RunningSink) -> None:
    import httpx

    assert sink.send("/profiles", [{"attributes": {}}]) == 202
    answer = httpx.get(f"{sink.url}/_sink/counts")
    assert answer.status_code == 500
    assert "email" in answer.json()["error"]
