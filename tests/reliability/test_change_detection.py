"""Only what ODP lacks is sent; parameters override that, but never for events."""

from __future__ import annotations

from typing import Any

import pytest

from odp.core.event_claims import EventClaims
from odp.core.exports import CUSTOMER_USER_PROFILES, CUSTOMERS, EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES, Export
from tests.reliability.harness import Pipeline, events_in, fates, orders_in, uploads_to
from tests.reliability.shop import Shop, entity_id

RECORDS = (WAREHOUSES, PRODUCTS, CUSTOMERS, USER_PROFILES, CUSTOMER_USER_PROFILES)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_second_run_of_an_unchanged_source_sends_nothing(pipeline: Pipeline, odp: Any, export: Export) -> None:
    first = pipeline.run(export)
    sent = len(uploads_to(odp))

    second = pipeline.run(export)

    assert first.summary["delivered"] > 0
    assert sent > 0
    assert uploads_to(odp, since=sent) == []
    assert second.summary["unchanged"] == first.summary["delivered"]
    assert second.summary["delivered"] == 0
    assert second.summary["extracted"] == first.summary["extracted"]


@pytest.mark.parametrize("export", RECORDS, ids=lambda export: export.dag_id)
def test_resend_sends_unchanged_records(pipeline: Pipeline, odp: Any, export: Export) -> None:
    first = pipeline.run(export)
    before = odp.counts()
    sent = len(uploads_to(odp))

    again = pipeline.run(export, resend=True)

    assert again.summary["delivered"] == first.summary["delivered"]
    assert sum(request["items"] for request in uploads_to(odp, since=sent)) == first.summary["delivered"]
    assert odp.counts()["objects"] == before["objects"]


def test_resend_never_repeats_an_event(pipeline: Pipeline, odp: Any) -> None:
    first = pipeline.run(ORDERS)
    events, headers = events_in(odp), orders_in(odp)
    sent = len(uploads_to(odp))

    again = pipeline.run(ORDERS, resend=True)

    assert again.summary["delivered"] == first.summary["delivered"]
    assert {request["path"] for request in uploads_to(odp, since=sent)} == {"/v3/objects/orders"}
    assert events_in(odp) == events
    assert len(set(events)) == len(events)
    assert orders_in(odp) == headers


def test_only_the_changed_record_is_sent(changing: Pipeline, odp: Any) -> None:
    first = changing.run(PRODUCTS)
    sent = len(uploads_to(odp))
    changing.change("UPDATE Product SET ShortDescription = 'New words' WHERE Id = (SELECT min(Id::text)::uuid FROM Product)")

    second = changing.run(PRODUCTS)

    assert second.summary["delivered"] == 1
    assert second.summary["unchanged"] == first.summary["delivered"] - 1
    assert [request["items"] for request in uploads_to(odp, since=sent)] == [1]
    assert [row["name"] for row in odp.dump("objects/products")].count("New words") == 1


def test_a_change_that_is_taken_back_is_sent_again(changing: Pipeline, odp: Any) -> None:
    changing.run(WAREHOUSES)
    before = odp.dump("objects/warehouses")
    one = "Id = (SELECT min(Id::text)::uuid FROM Warehouse)"
    changing.change(f"UPDATE Warehouse SET Description = Description || '!' WHERE {one}")
    assert changing.run(WAREHOUSES).summary["delivered"] == 1
    changing.change(f"UPDATE Warehouse SET Description = left(Description, -1) WHERE {one}")

    assert changing.run(WAREHOUSES).summary["delivered"] == 1
    assert odp.dump("objects/warehouses") == before


def test_ids_send_just_these_entities(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", "1002", "1003")

    run = orders.run(ORDERS, ids=["1002", entity_id("1003")])

    assert fates(run) == {"extracted": 2, "delivered": 2}
    assert events_in(odp) == [("1002", "purchase"), ("1003", "purchase")]
    assert fates(orders.run(ORDERS)) == {"extracted": 3, "delivered": 1, "unchanged": 2}


@pytest.mark.parametrize("export", [PRODUCTS, USER_PROFILES, ORDERS], ids=lambda export: export.family)
def test_dry_run_sends_and_claims_nothing_and_keeps_the_bodies(
    pipeline: Pipeline, odp: Any, export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    dry = pipeline.run(export, dry_run=True)

    assert odp.requests() == []
    for table in ("event_delivery", "record_state", "reject", "run_part"):
        assert pipeline.query(f"SELECT count(*) FROM {table}") == [(0,)]
    items = dry.items()
    assert dry.summary["not_sent"] == dry.summary["extracted"] - dry.summary["skipped"] - dry.summary["rejected"]
    assert len(items) >= dry.summary["not_sent"] > 0
    assert str(dry.staging.folder) in caplog.text

    real = pipeline.run(export)
    assert real.summary["delivered"] == dry.summary["not_sent"]
    assert real.items() == items


def test_dry_run_leaves_open_claims_alone(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001")
    with orders.ledger(ORDERS) as ledger:
        EventClaims(ledger).claim([("1001", "purchase", "0" * 32)], "dead run", 0)
    orders.age_claims()
    before = orders.query("SELECT * FROM event_delivery")

    dry = orders.run(ORDERS, dry_run=True)

    assert orders.query("SELECT * FROM event_delivery") == before
    assert fates(dry) == {"extracted": 1, "uncertain": 1}
    assert odp.requests() == []
