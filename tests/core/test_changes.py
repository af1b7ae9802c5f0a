"""Change detection: which records go out, on which path, and which do not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
import pytest

from odp.core.bodies import ItemState
from odp.core.changes import ChangeDetector, Changes
from odp.core.event_claims import EventClaims
from odp.core.exports import ORDERS, PRODUCTS, Export
from odp.core.ledger import Ledger, hash_text
from odp.core.run_history import KeptReject, keep_rejects
from tests.core.staged import Row, columns_of, csv_of, order, product, transformer_of

PURCHASES, UPDATES = "/events", "/objects/orders"


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


def detect(ledger: Ledger, export: Export, rows: Sequence[Row], *, resend: bool = False) -> Detected:
    columns = columns_of(export.contract, "entity_id", "skip_reason")
    transformer = transformer_of(export.contract, columns)
    chunk = csv_of([row.get(column.name) for column in columns] for row in rows)
    detector = ChangeDetector(export, transformer, ledger, resend=resend)
    outcome = transformer.transform(chunk, transformer.superseded_rows(iter([chunk])), 0, detector.changed)
    assert outcome.rejects == []
    changes = detector.detect(outcome)
    return Detected(changes.uploads, changes.uncertain, outcome.unchanged)


@dataclass
class Detected(Changes):
    unchanged: int = 0


def rows(changes: Changes, path: str) -> list[dict[str, Any]]:
    return changes.uploads[path].to_dicts() if path in changes.uploads else []


def states(changes: Changes, path: str) -> list[ItemState]:
    return [state for row in rows(changes, path) for state in ItemState.read(row["states"])]


def items(changes: Changes, path: str) -> list[Any]:
    return [item for row in rows(changes, path) for item in orjson.loads(b"[" + row["item"] + b"]")]


def acknowledge(ledger: Ledger, changes: Changes) -> None:
    """Record that ODP has taken everything."""
    claims = EventClaims(ledger)
    events = states(changes, PURCHASES)
    claims.claim([(s.record_key, s.action, s.payload_hash) for s in events], "run", 0)
    claims.confirm(ItemState.write(events), "run")
    closing = [s for path in changes.uploads for s in states(changes, path) if s.closes]
    ledger.confirm_records("run", 0, ItemState.write(closing), len(closing))


class TestRecords:
    def test_new_ones_go_out_with_their_states(self, ledger: Ledger) -> None:
        changes = detect(ledger, PRODUCTS, [product("p-1", name="Lamp", entity_id="e-1"), product("p-2")])
        assert items(changes, "/objects/products") == [{"product_id": "p-1", "name": "Lamp"}, {"product_id": "p-2"}]
        first, second = states(changes, "/objects/products")
        content = "\x1eproduct_id\x1fp-1\x1ename\x1fLamp"
        assert first == ItemState("p-1", hash_text("p-1"), hash_text(content), "", closes=True, entity_id="e-1")
        assert second.entity_id == "p-2"
        assert changes.unchanged == 0

    def test_only_what_changed_goes_out_again(self, ledger: Ledger) -> None:
        acknowledge(ledger, detect(ledger, PRODUCTS, [product("p-1", name="Lamp"), product("p-2")]))
        changes = detect(ledger, PRODUCTS, [product("p-2"), product("p-1", name="Light"), product("p-3")])
        assert [item["product_id"] for item in items(changes, "/objects/products")] == ["p-1", "p-3"]
        assert changes.unchanged == 1

    def test_a_field_that_is_no_longer_given_is_a_change(self, ledger: Ledger) -> None:
        acknowledge(ledger, detect(ledger, PRODUCTS, [product("p-1", name="Lamp")]))
        assert detect(ledger, PRODUCTS, [product("p-1")]).unchanged == 0

    def test_resend_sends_all(self, ledger: Ledger) -> None:
        acknowledge(ledger, detect(ledger, PRODUCTS, [product("p-1")]))
        changes = detect(ledger, PRODUCTS, [product("p-1")], resend=True)
        assert (len(items(changes, "/objects/products")), changes.unchanged) == (1, 0)

    def test_rows_that_are_all_skipped(self, ledger: Ledger) -> None:
        changes = detect(ledger, PRODUCTS, [dict(product("p-1"), skip_reason="a variant")])
        assert items(changes, "/objects/products") == []
        assert changes.unchanged == 0

    @pytest.mark.parametrize("key", ['quoted "key"', "comma,key", "ключ 🙂", "back\\slash", "'"])
    def test_keys_of_any_kind(self, ledger: Ledger, key: str) -> None:
        changes = detect(ledger, PRODUCTS, [product(key, entity_id=key)])
        [state] = states(changes, "/objects/products")
        assert (state.record_key, state.entity_id) == (key, key)
        assert len(next(csv.reader([rows(changes, "/objects/products")[0]["states"].decode()]))) == 6
        acknowledge(ledger, changes)
        assert detect(ledger, PRODUCTS, [product(key)]).unchanged == 1


class TestOrders:
    def test_a_new_purchase(self, ledger: Ledger) -> None:
        changes = detect(ledger, ORDERS, [order("1001")])
        assert [(s.action, s.closes) for s in states(changes, PURCHASES)] == [("purchase", True)]
        assert items(changes, UPDATES) == []

    def test_a_new_cancel_brings_its_purchase(self, ledger: Ledger) -> None:
        changes = detect(ledger, ORDERS, [order("1001", order_status="CancellationRequested", tax="2", entity_id="e-1")])
        [row] = rows(changes, PURCHASES)
        assert row["items"] == len(states(changes, PURCHASES)) == 2
        purchase, cancel = items(changes, PURCHASES)
        assert (purchase["action"], cancel["action"]) == ("purchase", "cancel")
        assert (purchase["data"]["order"]["total"], cancel["data"]["order"]["total"]) == (30, -30)
        assert (purchase["data"]["order"]["tax"], cancel["data"]["order"]["tax"]) == (2, 0)
        assert purchase["data"]["idempotence_id"] != cancel["data"]["idempotence_id"]
        assert [(s.action, s.closes, s.entity_id) for s in states(changes, PURCHASES)] == [
            ("purchase", False, "e-1"),
            ("cancel", True, "e-1"),
        ]

    def test_the_purchase_it_brings_is_the_one_that_would_have_been_sent(self, ledger: Ledger) -> None:
        alone = detect(ledger, ORDERS, [order("1001")])
        pair = detect(ledger, ORDERS, [order("1001", order_status="CancellationRequested")])
        purchase = items(pair, PURCHASES)[0]
        purchase["data"]["order"]["commerce_status"] = "x"
        expected = items(alone, PURCHASES)[0]
        expected["data"]["order"]["commerce_status"] = "x"
        assert purchase == expected

    def test_changed_later(self, ledger: Ledger) -> None:
        acknowledge(ledger, detect(ledger, ORDERS, [order("1001"), order("1002")]))
        changes = detect(ledger, ORDERS, [order("1001", total="45"), order("1002")])
        assert items(changes, PURCHASES) == []
        [update] = items(changes, UPDATES)
        assert (update["order_id"], update["total"], update["status"]) == ("1001", 45, "purchase")
        assert "items" not in update
        assert changes.unchanged == 1
        [state] = states(changes, UPDATES)
        assert (state.action, state.closes) == ("", True)

    def test_an_update_of_a_cancelled_order_leaves_nothing_of_it(self, ledger: Ledger) -> None:
        cancelled = order("1001", order_status="CancellationRequested")
        acknowledge(ledger, detect(ledger, ORDERS, [cancelled]))
        [update] = items(detect(ledger, ORDERS, [dict(cancelled, customer_po="7")]), UPDATES)
        assert (update["total"], update["status"], update["customer_po"]) == (0, "cancel", "7")

    def test_resend_updates_and_repeats_no_event(self, ledger: Ledger) -> None:
        acknowledge(ledger, detect(ledger, ORDERS, [order("1001")]))
        changes = detect(ledger, ORDERS, [order("1001"), order("1002")], resend=True)
        assert [item["order_id"] for item in items(changes, UPDATES)] == ["1001"]
        assert [s.record_key for s in states(changes, PURCHASES)] == ["1002"]

    @pytest.mark.parametrize("resend", [False, True])
    def test_an_open_event_holds_its_order_back(self, ledger: Ledger, resend: bool) -> None:
        acknowledge(ledger, detect(ledger, ORDERS, [order("1001")]))
        EventClaims(ledger).claim([("1001", "cancel", "0" * 32)], "run", 0)
        # As acknowledged before the cancel, and changed since.
        for row in (order("1001", entity_id="e-1"), order("1001", total="45", entity_id="e-1")):
            changes = detect(ledger, ORDERS, [row, order("1002")], resend=resend)
            assert changes.uncertain == [("1001", "e-1")]
            assert [s.record_key for s in states(changes, PURCHASES)] == ["1002"]
            assert items(changes, UPDATES) == []
            assert changes.unchanged == 0

    def test_what_odp_refused_before_goes_alone(self, ledger: Ledger) -> None:
        keep_rejects(
            ledger, "run", [KeptReject("e-1", "1001", "odd", {}, "ODP answered 400"), KeptReject("e-2", "1002", "odd", {})]
        )
        changes = detect(ledger, ORDERS, [order(f"100{n}", entity_id=f"e-{n}") for n in (1, 2, 3)])
        assert [row["alone"] for row in rows(changes, PURCHASES)] == [True, False, False]
