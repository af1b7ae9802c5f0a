"""Rejects: kept with everything needed to mend them, tried again by every later run, closed when they are done with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from odp.core.exceptions import TooManyRejectsError
from odp.core.exports import ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.run_history import open_reject_ids
from odp.core.settings import Settings
from tests.reliability.harness import Pipeline, events_in, fates, stored_keys, uploads_to
from tests.reliability.shop import Shop, entity_id
from tests.reliability.test_uncertain import LATER

LENIENT = Settings(max_reject_ratio=1, visibility_delay_minutes=0)


@pytest.fixture
def lenient(orders: Pipeline) -> Pipeline:
    return replace(orders, settings=LENIENT)


def rejects(pipeline: Pipeline, *columns: str) -> list[tuple[Any, ...]]:
    return pipeline.query(f"SELECT {', '.join(columns)} FROM reject ORDER BY id")


def open_rejects(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.query("SELECT record_key, tries FROM reject WHERE closed_at IS NULL ORDER BY record_key")


def test_a_row_that_cannot_be_sent_is_kept_with_reason_and_values(shop: Shop, lenient: Pipeline, odp: Any) -> None:
    shop.place("1001", "1002")
    shop.place("1003", OrderDate=None, CustomerPO="PO 9")

    run = lenient.run(ORDERS)

    assert fates(run) == {"extracted": 3, "delivered": 2, "rejected": 1}
    [(account, export, entity, key, reason, payload, answer, run_id, tries, closed)] = rejects(
        lenient, "account", "export", "entity_id", "record_key", "reason", "payload", "odp_answer", "run_id", "tries", "closed_at"
    )
    assert (account, export) == (lenient.account, ORDERS.dag_id)
    assert (entity, key, run_id, tries, closed) == (entity_id("1003"), "1003", run.run_id, 1, None)
    assert reason == "purchased_at is required (from CustomerOrder.OrderDate)"
    assert payload["customer_po"] == "PO 9"
    assert [item["product_id"] for item in payload["items"]]
    assert answer is None
    assert sorted(events_in(odp)) == [("1001", "purchase"), ("1002", "purchase")]


@pytest.mark.parametrize("export", [PRODUCTS, USER_PROFILES], ids=lambda export: export.family)
def test_a_record_that_odp_refuses_is_kept_with_item_and_answer(pipeline: Pipeline, odp: Any, export: Export) -> None:
    pipeline = replace(pipeline, settings=LENIENT)
    named = {"title": "Bad Request", "status": 400, "detail": {"invalids": [{"event": 3, "message": "odd price"}]}}
    odp.faults(path=f"/v3{export.path}", status=400, body=named)

    run = pipeline.run(export)

    assert run.summary["rejected"] == 1
    [(entity, key, reason, payload, answer)] = rejects(pipeline, "entity_id", "record_key", "reason", "payload", "odp_answer")
    assert payload == run.items()[3]
    assert "odd price" in reason
    assert "odd price" in answer
    assert key
    assert stored_keys(odp, export).total() == len(run.items()) - 1

    again = pipeline.run(export, window=LATER)
    assert fates(again) == {"extracted": 1, "delivered": 1}
    assert open_rejects(pipeline) == []
    assert stored_keys(odp, export).total() == len(run.items())
    assert entity


def test_the_key_is_in_no_reject(pipeline: Pipeline, odp: Any) -> None:
    odp.faults(path="/v3/objects", status=400, count=30)
    replace(pipeline, settings=LENIENT, batch_size=50).run(PRODUCTS)

    texts = json.dumps(rejects(pipeline, "reason", "payload::text", "odp_answer"))
    assert len(texts) > 1000
    assert odp.key.rpartition(".")[2] not in texts


class TestLaterRuns:
    @pytest.fixture(autouse=True)
    def one_reject(self, shop: Shop, lenient: Pipeline) -> None:
        shop.place("1001")
        shop.place("1003", OrderDate=None)
        lenient.run(ORDERS)

    def test_another_window_tries_it_again_and_counts(self, lenient: Pipeline) -> None:
        for tries in (2, 3):
            run = lenient.run(ORDERS, window=LATER)
            assert fates(run) == {"extracted": 1, "rejected": 1}
            assert run.summary["retried"] == 1
            assert open_rejects(lenient) == [("1003", tries)]
            assert rejects(lenient, "run_id") == [(run.run_id,)]

    def test_judging_a_run_twice_counts_once(self, lenient: Pipeline) -> None:
        run = lenient.run(ORDERS, window=LATER)
        run.reconcile()
        assert open_rejects(lenient) == [("1003", 2)]

    def test_a_cleared_run_that_mends_it_closes_it(self, shop: Shop, lenient: Pipeline) -> None:
        run = lenient.run(ORDERS, window=LATER)
        shop.change("1003", OrderDate="2026-01-01")
        run.all()
        assert fates(run) == {"extracted": 1, "delivered": 1}
        assert open_rejects(lenient) == []

    def test_one_that_was_mended_is_sent_and_closed(self, shop: Shop, lenient: Pipeline, odp: Any) -> None:
        shop.change("1003", OrderDate="2026-01-01")

        run = lenient.run(ORDERS, window=LATER)

        assert fates(run) == {"extracted": 1, "delivered": 1}
        assert sorted(events_in(odp)) == [("1001", "purchase"), ("1003", "purchase")]
        assert rejects(lenient, "closed_by", "closed_at IS NULL") == [(run.run_id, False)]
        assert fates(lenient.run(ORDERS, window=LATER)) == {}

    def test_one_whose_row_is_gone_is_closed(self, shop: Shop, lenient: Pipeline) -> None:
        shop.remove("1003")
        assert fates(lenient.run(ORDERS, window=LATER)) == {}
        assert open_rejects(lenient) == []

    def test_one_that_is_not_to_be_sent_any_more_is_closed(self, shop: Shop, lenient: Pipeline) -> None:
        shop.change("1003", Status="Saved")
        assert fates(lenient.run(ORDERS, window=LATER)) == {"extracted": 1, "skipped": 1}
        assert open_rejects(lenient) == []

    def test_one_that_fails_anew_after_it_was_closed_is_a_reject_of_its_own(self, shop: Shop, lenient: Pipeline) -> None:
        shop.change("1003", OrderDate="2026-01-01")
        lenient.run(ORDERS)
        shop.change("1003", OrderDate=None, CustomerPO="PO 2")
        lenient.run(ORDERS)
        assert open_rejects(lenient) == [("1003", 1)]
        assert len(rejects(lenient, "id")) == 2

    @pytest.mark.parametrize("ids", [["1003"], [entity_id("1003")], [entity_id("1003").upper()]])
    def test_ids_send_it_at_once(self, shop: Shop, lenient: Pipeline, odp: Any, ids: list[str]) -> None:
        shop.place("1004", OrderDate=None)
        lenient.run(ORDERS, ids=["1004"])
        shop.change("1003", OrderDate="2026-01-01")

        run = lenient.run(ORDERS, ids=ids)

        assert run.summary["delivered"] == 1
        assert ("1003", "purchase") in events_in(odp)
        assert open_rejects(lenient) == [("1004", 1)]

    def test_a_dry_run_leaves_them_alone(self, lenient: Pipeline) -> None:
        before = rejects(lenient, "*")
        assert fates(lenient.run(ORDERS, dry_run=True, window=LATER)) == {}
        lenient.run(ORDERS, dry_run=True)
        assert rejects(lenient, "*") == before

    def test_another_export_does_not_see_them(self, lenient: Pipeline) -> None:
        with lenient.ledger(PRODUCTS) as ledger:
            assert open_reject_ids(ledger) == []


def test_a_run_with_rejects_fails_after_it_delivered_the_rest_and_names_the_first_ten(
    shop: Shop, orders: Pipeline, odp: Any
) -> None:
    shop.place(*(str(number) for number in range(2001, 2013)), OrderDate=None)
    shop.place("1001")

    with pytest.raises(TooManyRejectsError, match=r"12 of 13 rows of order_odp_export were rejected") as caught:
        orders.run(ORDERS)

    assert str(caught.value).count("purchased_at is required") == 10
    assert events_in(odp) == [("1001", "purchase")]
    [(state, extracted, delivered, rejected, error)] = orders.query(
        "SELECT state, extracted, delivered, rejected, error FROM export_run"
    )
    assert (state, extracted, delivered, rejected) == ("failed", 13, 1, 12)
    assert "12 of 13" in error
    assert len(open_rejects(orders)) == 12


def test_a_run_within_the_ratio_succeeds(shop: Shop, orders: Pipeline) -> None:
    shop.place("1001", "1002", "1003", "1004")
    shop.place("2001", OrderDate=None)
    run = replace(orders, settings=Settings(max_reject_ratio=0.2)).run(ORDERS)
    assert run.summary["rejected"] == 1
    assert orders.query("SELECT state FROM export_run") == [("success",)]


def test_a_refused_event_is_tried_again_in_a_request_of_its_own(shop: Shop, lenient: Pipeline, odp: Any) -> None:
    field = {"name": "customer_po", "display_name": "Customer PO", "type": "number"}
    lenient.client().request("POST", "/schema/objects/orders/fields", orjson.dumps(field))
    odp.settings(reject_wrong_types=True)
    shop.place("666", "667", CustomerPO="not a number")
    shop.place("1001", "1002")
    lenient.run(ORDERS)
    shop.place("1003", "1004")
    sent = len(uploads_to(odp))

    run = lenient.run(ORDERS)

    assert (run.summary["rejected"], run.summary["delivered"]) == (2, 2)
    sizes = sorted((request["items"], request["status"]) for request in uploads_to(odp, since=sent))
    assert sizes == [(1, 400), (1, 400), (2, 202)]
