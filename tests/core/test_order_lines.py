"""The lines of orders."""

from __future__ import annotations

from typing import Any

import polars as pl  # noqa: TID253
import pytest

from odp.core.bodies import LARGEST_ITEM_BYTES
from odp.core.contract import LIST, Column
from odp.core.exceptions import ReplicaError
from odp.core.order_lines import ITEM_COLUMNS, read_lines
from odp.core.records import Order
from odp.core.replica import LIST_SEPARATOR
from odp.core.transform import Outcome
from tests.core.staged import columns_of, items_of, order, transform


def listed(*values: object) -> str:
    return LIST_SEPARATOR.join(str(value) for value in values)


THREE_LINES = {
    "item_product_id": listed("p-1", "p-2", "p-3"),
    "item_price": listed("10.5", "20", "0"),
    "item_quantity": listed(1, 2, 3),
    "item_discount": listed("", "1.5", ""),
    "item_subtotal": listed("10.5", "38.5", "0"),
}
NO_LINES = dict.fromkeys(ITEM_COLUMNS)


def sent_lines(outcome: Outcome) -> list[Any]:
    return [item["data"]["order"].get("items") for item in items_of(outcome)]


class TestGoodLines:
    def test_lists_become_items_in_their_order_with_their_types(self) -> None:
        outcome = transform(Order, [order(**THREE_LINES)])
        assert sent_lines(outcome) == [
            [
                {"product_id": "p-1", "price": 10.5, "quantity": 1.0, "subtotal": 10.5},
                {"product_id": "p-2", "price": 20.0, "quantity": 2.0, "discount": 1.5, "subtotal": 38.5},
                {"product_id": "p-3", "price": 0.0, "quantity": 3.0, "subtotal": 0.0},
            ]
        ]

    def test_each_order_keeps_its_own_lines(self) -> None:
        orders = [
            order("1", item_product_id="a"),
            order("2", **NO_LINES),
            order("3", **THREE_LINES),
            order("4", order_status="CancellationRequested", item_product_id="b"),
        ]
        lines = sent_lines(transform(Order, orders))
        assert [None if entry is None else [line["product_id"] for line in entry] for entry in lines] == [
            ["a"],
            None,
            ["p-1", "p-2", "p-3"],
            ["b"],
        ]
        assert lines[3][0]["price"] == -10

    def test_an_order_without_lines_is_sent_without_items(self) -> None:
        outcome = transform(Order, [order(**NO_LINES)])
        assert "items" not in items_of(outcome)[0]["data"]["order"]
        assert outcome.rejects == []

    def test_one_line_with_an_absent_value_is_a_line(self) -> None:
        assert sent_lines(transform(Order, [order(item_discount="", item_price=" ")])) == [
            [{"product_id": "p-1", "quantity": 3.0, "subtotal": 30.0}]
        ]

    def test_awkward_product_ids_stay_whole(self) -> None:
        ids = ['a"b', "a,b", "a\nb", "a\\b", "🙂", '","x":null', "  padded  "]
        row = {"item_product_id": listed(*ids)} | {name: listed(*[1] * len(ids)) for name in ITEM_COLUMNS[1:]}
        (lines,) = sent_lines(transform(Order, [order(**row)]))
        assert [line["product_id"] for line in lines] == [*ids[:-1], "padded"]

    def test_a_mapping_file_may_select_some_item_columns_or_none(self) -> None:
        some = [column for column in columns_of(Order) if column.kind != LIST] + [Column("item_product_id", LIST)]
        assert sent_lines(transform(Order, [order(**THREE_LINES)], some)) == [
            [{"product_id": "p-1"}, {"product_id": "p-2"}, {"product_id": "p-3"}]
        ]
        none = [column for column in columns_of(Order) if column.kind != LIST]
        assert sent_lines(transform(Order, [order("1"), order("2")], none)) == [None, None]


class TestBadLines:
    def rejected(self, **values: str | None) -> Any:
        outcome = transform(Order, [order("good-1"), order("bad", **values), order("good-2")])
        assert [item["data"]["order"]["order_id"] for item in items_of(outcome)] == ["good-1", "good-2"]
        (reject,) = outcome.rejects
        assert reject.key == "bad"
        return reject

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"item_price": listed("1", "ten", "3")}, "items.1.price must be a finite number"),
            ({"item_quantity": listed("1", "2", "NaN")}, "items.2.quantity must be a finite number"),
            ({"item_product_id": listed("", "b", "c")}, "items.0.product_id is required"),
            ({"item_product_id": listed("a", "b" * 1025, "c")}, "items.1.product_id must be text of 1 to 1024 characters"),
        ],
    )
    def test_one_bad_line_rejects_its_order_naming_line_and_field(self, values: dict[str, str], reason: str) -> None:
        reject = self.rejected(**THREE_LINES | values)
        assert reject.reason == reason
        assert len(reject.row["items"]) == 3

    def test_all_bad_lines_are_named(self) -> None:
        reject = self.rejected(**THREE_LINES | {"item_price": listed("x", "2", "y")})
        assert reject.reason == "items.0.price must be a finite number; items.2.price must be a finite number"

    def test_a_bad_header_and_a_bad_line_are_named_together(self) -> None:
        reject = self.rejected(total="much", item_price="x")
        assert reject.reason == "total must be a finite number; items.0.price must be a finite number"

    @pytest.mark.parametrize("name", ITEM_COLUMNS)
    @pytest.mark.parametrize("values", [listed(1, 2), listed(1, 2, 3, 4), "1", None])
    def test_lists_of_unequal_lengths_reject_the_order(self, name: str, values: str | None) -> None:
        reject = self.rejected(**THREE_LINES | {name: values})
        assert reject.reason == "The item columns do not hold the same number of values."
        assert reject.row["item_subtotal" if name != "item_subtotal" else "item_price"]

    def test_the_rejects_row_can_be_stored_as_json(self) -> None:
        for values in (THREE_LINES | {"item_price": listed("x", "", "")}, {"item_price": listed(1, 2)}):
            assert b'"key":"bad"' in self.rejected(**values).as_json()

    def test_the_lines_of_an_order_that_is_not_sent_are_not_judged(self) -> None:
        outcome = transform(Order, [order(order_status="Saved", item_price="x")])
        assert outcome.rejects == []
        assert sum(outcome.skipped.values()) == 1


def test_an_item_column_that_no_item_has_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ReplicaError, match="selects item_colour, which is no field.*Select the value for the whole order"):
        read_lines(pl.DataFrame({"__row": [0], "item_colour": ["red"]}), ["item_colour"])


def test_an_order_of_100000_lines_is_rejected_for_its_size_and_the_next_one_is_sent() -> None:
    many = 100_000
    huge = {
        "item_product_id": listed(*(f"9f0c3a52-7a0c-4d0e-9a53-{number:012d}" for number in range(many))),
        **{name: listed(*["12.5"] * many) for name in ITEM_COLUMNS[1:]},
    }
    outcome = transform(Order, [order("huge", **huge), order("next")])
    assert [item["data"]["order"]["order_id"] for item in items_of(outcome)] == ["next"]
    (reject,) = outcome.rejects
    assert reject.key == "huge"
    assert "larger than the 10 MB" in reject.reason
    assert reject.row["bytes"] > LARGEST_ITEM_BYTES
