"""Order events and the order header they keep."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import Client

ITEMS = [
    {"product_id": "2045", "price": 19, "quantity": 5, "discount": 0, "subtotal": 95},
    {"product_id": "2091", "price": 10, "quantity": 1, "discount": 2, "subtotal": 8},
]
ORDER = {
    "order_id": "OR345",
    "total": 109.65,
    "discount": 5,
    "subtotal": 103,
    "tax": 5.15,
    "shipping": 6.5,
    "coupon_code": "5OFF",
}


def event(action: str, order: Any, **data: Any) -> dict[str, Any]:
    data = {"ts": 123456789, "order": order, **data}
    return {"type": "order", "action": action, "identifiers": {"email": "bob@example.com"}, "data": data}


def header(server: SandboxOdp) -> dict[str, Any]:
    (row,) = server.dump("objects/orders")
    return row


class TestHeader:
    def test_purchase_creates_it(self, api: Client, server: SandboxOdp) -> None:
        purchase = event("purchase", {**ORDER, "items": ITEMS})
        api.accept("/events", [purchase])
        assert header(server) == {**ORDER, "status": "purchase"}
        assert server.dump("events") == [purchase]
        assert server.counts()["events"] == {"order/purchase": 1}
        assert server.counts()["objects"]["products"] == 0

    @pytest.mark.parametrize("action", ["return", "refund", "cancel"])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_taking_back_subtracts_the_absolute_amount(self, api: Client, server: SandboxOdp, action: str, sign: int) -> None:
        api.accept("/events", [event("purchase", ORDER)])
        api.accept("/events", [event(action, {"order_id": "OR345", "total": sign * 100, "subtotal": sign * 90, "tax": 0})])
        assert header(server) == {**ORDER, "total": 9.65, "subtotal": 13, "tax": 0, "status": action}

    def test_a_repeated_cancel_subtracts_again(self, api: Client, server: SandboxOdp) -> None:
        cancel = event("cancel", {"order_id": "OR345", "total": 100, "subtotal": 100})
        api.accept("/events", [event("purchase", ORDER), cancel, cancel])
        assert header(server)["total"] == pytest.approx(-90.35)

    def test_a_cancel_may_come_before_its_purchase(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", [event("cancel", {"order_id": "OR345", "total": 100, "subtotal": 100})])
        assert header(server) == {"order_id": "OR345", "total": -100, "subtotal": -100, "status": "cancel"}
        api.accept("/events", [event("purchase", ORDER)])
        assert (header(server)["total"], header(server)["subtotal"]) == (9.65, 3)

    def test_a_repeated_purchase_changes_nothing(self, api: Client, server: SandboxOdp) -> None:
        refund = event("refund", {"order_id": "OR345", "total": 10, "subtotal": 10})
        api.accept("/events", [event("purchase", ORDER), refund, event("purchase", ORDER)])
        assert header(server)["total"] == 99.65
        assert server.counts()["events"] == {"order/purchase": 2, "order/refund": 1}

    def test_the_header_can_be_changed_without_event(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", [event("purchase", ORDER)])
        api.accept("/objects/orders", [{"order_id": "OR345", "total": 120, "coupon_code": None}])
        row = header(server)
        assert row["total"] == 120
        assert "coupon_code" not in row
        assert server.counts()["events"] == {"order/purchase": 1}

    def test_other_actions_change_no_order(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", [event("shipped", ORDER)])
        assert server.counts()["objects"]["orders"] == 0


class TestChecks:
    @pytest.mark.parametrize(
        ("order", "message"),
        [
            (None, "Missing required field `order`"),
            ({}, "Missing required field `order_id`"),
            ({"order_id": ""}, "Missing required field `order_id`"),
            ({"order_id": "1", "items": "x"}, "Invalid value for field `items`"),
            ({"order_id": "1", "items": [1]}, "Invalid value for field `items`"),
            ({"order_id": "1", "items": [{"product_id": "1"}, {"price": 5}]}, "Missing required field `product_id`"),
        ],
    )
    @pytest.mark.parametrize("action", ["purchase", "cancel"])
    def test_refused(self, api: Client, server: SandboxOdp, order: Any, message: str, action: str) -> None:
        assert api.refuse("/events", [event("purchase", ORDER), event(action, order)]) == [(1, message)]
        assert server.counts()["objects"]["orders"] == 0

    def test_what_no_field_holds_is_counted(self, api: Client, server: SandboxOdp) -> None:
        items = [{"product_id": 1, "colour": "red", "price": "19.00"}]
        api.accept(
            "/events", [event("purchase", {"order_id": 7, "total": "5.00", "terms": "net30", "items": items}, ts=1730000000000)]
        )
        assert header(server) == {"order_id": "7", "status": "purchase"}
        assert server.counts()["dropped_fields"] == {
            "orders.total": 1,
            "orders.terms": 1,
            "orders.items.colour": 1,
            "events.price": 1,
            "events.ts": 1,
        }


class TestEventRows:
    def test_one_row_per_line_of_a_purchase(self, api: Client, server: SandboxOdp) -> None:
        api.create("objects/events/fields", {"name": "sales_rep", "display_name": "Sales Rep", "type": "string"})
        api.accept("/events", [event("purchase", {**ORDER, "sales_rep": "Kim", "items": ITEMS})])
        common = {
            "event_type": "order",
            "action": "purchase",
            "ts": 123456789,
            "event_email": "bob@example.com",
            "order_id": "OR345",
            "sales_rep": "Kim",
        }
        assert server.dump("event_rows") == [{**common, **item} for item in ITEMS]
        assert server.counts()["dropped_fields"] == {}

    def test_a_line_does_not_take_the_orders_own_amounts(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", [event("purchase", {**ORDER, "items": [{"product_id": "1"}]})])
        (row,) = server.dump("event_rows")
        assert row["product_id"] == "1"
        assert not row.keys() & {"subtotal", "discount"}

    def test_one_row_for_any_other_event(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/events", [event("cancel", {"order_id": "1", "items": ITEMS}), event("purchase", {"order_id": "2"})])
        assert [row["order_id"] for row in server.dump("event_rows")] == ["1", "2"]
