"""Typed columns to JSON items."""

from __future__ import annotations

import json
import uuid
from typing import Any

import polars as pl  # noqa: TID253
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odp.core.encode import flat_json, idempotence_id, object_items, order_line_item, profile_items
from odp.core.records import Order
from tests.core.staged import items_of, order, transform, transformer_of


def encoded(row: dict[str, Any], schema: dict[str, Any] | None = None) -> str:
    frame = pl.DataFrame({name: [value] for name, value in row.items()}, schema=schema or dict.fromkeys(row, pl.String))
    return frame.select(flat_json(list(row))).item()


def ids(orders: list[str], actions: list[str]) -> list[str]:
    return pl.DataFrame({"order": orders, "action": actions}).select(idempotence_id("order", "action")).to_series().to_list()


class TestFlatJson:
    @pytest.mark.parametrize(
        ("row", "json_text"),
        [
            ({"a": "1", "b": "2"}, '{"a":"1","b":"2"}'),
            ({"a": None, "b": "2"}, '{"b":"2"}'),
            ({"a": "1", "b": None}, '{"a":"1"}'),
            ({"a": None, "b": None, "c": "3"}, '{"c":"3"}'),
            ({"a": None, "b": "2", "c": None, "d": None, "e": "5"}, '{"b":"2","e":"5"}'),
            ({"a": None}, "{}"),
            ({"a": None, "b": None, "c": None}, "{}"),
        ],
    )
    def test_absent_values_are_left_out_and_the_order_stays(self, row: dict[str, Any], json_text: str) -> None:
        assert encoded(row) == json_text

    @pytest.mark.parametrize(
        "text",
        [
            '","x":null',
            ',"x":null',
            '{"a":null,"b":null}',
            'a","b":null,"c":"',
            "null",
            ":null",
            '":null',
            ",",
            '"',
            "\\",
            '\\"',
            '\\","b":null',
            "a\nb\r\t\x01\x1f\x7f\u2028\x85",
            "🙂é",
            "</script>",
            "{",
            "}",
            "[]",
            "\ufeff",
        ],
    )
    @pytest.mark.parametrize("place", ["a", "b", "c"])
    def test_text_that_looks_like_json_stays_text(self, text: str, place: str) -> None:
        for others in (None, ",", '"', "x"):
            row = dict.fromkeys("abc", others) | {place: text}
            assert json.loads(encoded(row)) == {name: value for name, value in row.items() if value is not None}

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    name: st.none() | st.text(st.sampled_from('",:{}[]\\nul x\n\x01é🙂')) | st.text(st.characters(codec="utf-8"))
                    for name in ("a", "b", "long_name")
                }
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_any_text_survives(self, rows: list[dict[str, str | None]]) -> None:
        frame = pl.DataFrame(rows, schema=dict.fromkeys(("a", "b", "long_name"), pl.String))
        items = frame.select(flat_json(["a", "b", "long_name"]).alias("json")).to_series().to_list()
        assert [json.loads(item) for item in items] == [
            {name: value for name, value in row.items() if value is not None} for row in rows
        ]
        assert all("\n" not in item for item in items)

    @settings(max_examples=300, deadline=None)
    @given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**62), 2**62), st.booleans())
    def test_numbers_and_booleans_survive_with_their_type(self, number: float, second: int, flag: bool) -> None:
        row = {"number": number, "second": second, "flag": flag}
        item = json.loads(encoded(row, {"number": pl.Float64, "second": pl.Int64, "flag": pl.Boolean}))
        assert item == row
        assert [type(value) for value in item.values()] == [float, int, bool]

    def test_zero_false_and_empty_text_are_values(self) -> None:
        row = {"n": 0.0, "b": False, "t": ""}
        assert json.loads(encoded(row, {"n": pl.Float64, "b": pl.Boolean, "t": pl.String})) == row


def test_objects_are_flat_rows_and_profiles_are_wrapped_in_attributes() -> None:
    frame = pl.DataFrame({"email": ["a@b.c"], "name": [None]}, schema={"email": pl.String, "name": pl.String})
    assert frame.select(object_items(["email", "name"])).item() == '{"email":"a@b.c"}'
    assert frame.select(profile_items(["email", "name"])).item() == '{"attributes":{"email":"a@b.c"}}'


def event(**values: str | None) -> dict[str, Any]:
    """Return the event of one order."""
    (item,) = items_of(transform(Order, [order(**values)]))
    return item


CANCELLED = {"order_status": "CancellationRequested"}
AMOUNTS = {"total": "36.5", "subtotal": "30", "discount": "2", "tax": "3.5", "shipping": "5"}


class TestPurchase:
    def test_it_is_an_order_event_as_odp_documents_it(self) -> None:
        assert event(**AMOUNTS, coupon_code="SPRING", identifier_business_user_id="u-1") == {
            "type": "order",
            "action": "purchase",
            "identifiers": {"email": "ana@example.com", "business_user_id": "u-1"},
            "data": {
                "ts": 1_700_000_000,
                "active_event": False,
                "idempotence_id": ids(["1001"], ["purchase"])[0],
                "order": {
                    "order_id": "1001",
                    "total": 36.5,
                    "discount": 2.0,
                    "subtotal": 30.0,
                    "tax": 3.5,
                    "shipping": 5.0,
                    "coupon_code": "SPRING",
                    "items": [{"product_id": "p-1", "price": 10.0, "quantity": 3.0, "discount": 0.0, "subtotal": 30.0}],
                },
            },
        }

    def test_what_decides_how_it_is_sent_is_no_part_of_the_order(self) -> None:
        assert not Order.envelope - {"items"} & event()["data"]["order"].keys()

    def test_one_identifier_is_enough(self) -> None:
        assert event(identifier_email=None, identifier_business_user_id="u-1")["identifiers"] == {"business_user_id": "u-1"}

    def test_absent_amounts_are_left_out(self) -> None:
        assert "tax" not in event()["data"]["order"]
        assert event(total="0")["data"]["order"]["total"] == 0

    def test_a_key_that_looks_like_json_stays_text(self) -> None:
        awkward = '1","x":null,"y":"\\'
        item = event(order_id=awkward, identifier_email='a"b\\@c.d', customer_po='},"items":[')
        assert item["data"]["order"]["order_id"] == awkward
        assert item["data"]["order"]["customer_po"] == '},"items":['
        assert item["identifiers"] == {"email": 'a"b\\@c.d'}
        assert len(item["data"]["order"]["items"]) == 1

    def test_imported_history_does_not_count_as_activity(self) -> None:
        assert event()["data"]["active_event"] is False
        assert event(**CANCELLED)["data"]["active_event"] is False


class TestCancel:
    def test_amounts_are_negative_and_nothing_of_tax_shipping_and_discount_is_left(self) -> None:
        item = event(**CANCELLED, **AMOUNTS)
        assert item["action"] == "cancel"
        assert item["data"]["order"] == {
            "order_id": "1001",
            "total": -36.5,
            "subtotal": -30.0,
            "tax": 0.0,
            "shipping": 0.0,
            "items": [{"product_id": "p-1", "price": -10.0, "quantity": 3.0, "subtotal": -30.0}],
        }

    def test_zero_is_not_written_as_minus_zero(self) -> None:
        (text,) = transform(Order, [order(**CANCELLED, total="0", item_price="0")]).items
        assert "-0.0" not in text

    def test_tax_and_shipping_are_overwritten_even_when_they_are_absent(self) -> None:
        sent = event(**CANCELLED, total=None)["data"]["order"]
        assert (sent["tax"], sent["shipping"]) == (0, 0)
        assert "total" not in sent

    def test_its_time_is_that_of_the_cancellation_else_of_the_purchase(self) -> None:
        assert event(**CANCELLED)["data"]["ts"] == 1_700_000_500
        assert event(**CANCELLED, cancelled_at=None)["data"]["ts"] == 1_700_000_000

    def test_the_published_signs_hold_for_each_line(self) -> None:
        frame = pl.DataFrame({"price": [2.5, 2.5], "quantity": [2.0, 2.0], "discount": [1.0, 1.0], "cancel": [True, False]})
        items = frame.select(order_line_item(["price", "quantity", "discount"], is_cancel=pl.col("cancel")).alias("json"))
        assert items["json"].to_list() == ['{"price":-2.5,"quantity":2.0}', '{"price":2.5,"quantity":2.0,"discount":1.0}']


class TestIdempotence:
    def test_an_event_has_the_same_id_in_every_run_and_release(self) -> None:
        assert ids(["W-5001", "W-5001"], ["purchase", "cancel"]) == [
            "c962fc81-638e-891c-a874-864e6db317df",
            "fb4a2501-fccf-85e8-a15f-1dd6121ca305",
        ]

    def test_order_and_action_are_told_apart(self) -> None:
        made = ids(["1", "1", "2", "1\npurchase", "🙂"], ["purchase", "cancel", "purchase", "x", "purchase"])
        assert len(set(made)) == len(made)
        assert all(str(uuid.UUID(text)) == text for text in made)

    def test_a_change_of_the_order_does_not_change_its_id(self) -> None:
        assert event()["data"]["idempotence_id"] == event(total="31", customer_po="x")["data"]["idempotence_id"]


class TestUpdate:
    """A row of the ``orders`` object, for an order whose event was sent before."""

    def update(self, **values: str | None) -> dict[str, Any]:
        outcome = transform(Order, [order(**values)])
        assert outcome.orders is not None
        (item,) = transformer_of(Order).encode_updates(outcome.orders).to_list()
        return json.loads(item)

    def test_a_purchase_is_the_header_as_it_is_now_without_lines(self) -> None:
        assert self.update(**AMOUNTS) == {
            "order_id": "1001",
            "total": 36.5,
            "discount": 2.0,
            "subtotal": 30.0,
            "tax": 3.5,
            "shipping": 5.0,
            "status": "purchase",
        }

    def test_of_a_cancelled_order_nothing_is_left(self) -> None:
        sent = self.update(**CANCELLED, **AMOUNTS)
        assert [sent[name] for name in ("total", "subtotal", "tax", "shipping")] == [0, 0, 0, 0]
        assert sent["status"] == "cancel"
