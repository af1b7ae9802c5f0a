"""What a field keeps: merge semantics and value rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.odp.server import SandboxOdp
from sandbox.odp.values import RowChecker, is_timestamp
from tests.sandbox.odp.odp_client import WAREHOUSES, Client


class TestMerge:
    def test_absent_keeps_null_clears_last_wins(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", [{"product_id": "1", "name": "a", "brand": "b", "price": 1}])
        api.accept("/objects/products", [{"product_id": "1", "name": None, "price": 2}, {"product_id": "1", "price": 3.5}])
        assert server.dump("objects/products") == [{"product_id": "1", "brand": "b", "price": 3.5}]

    def test_null_in_a_new_row_leaves_nothing(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", [{"product_id": "1", "name": None}, {"product_id": "2", "name": ""}])
        assert server.dump("objects/products") == [{"product_id": "1"}, {"product_id": "2", "name": ""}]

    def test_a_repeat_changes_nothing(self, api: Client, server: SandboxOdp) -> None:
        rows = [{"product_id": str(number), "name": f"näme ☃ {number}\n\"'\\", "price": 0.1 + number} for number in range(500)]
        for _ in range(2):
            api.accept("/objects/products", rows)
        assert server.dump("objects/products") == rows

    def test_numeric_ids_are_text(self, api: Client, server: SandboxOdp) -> None:
        # The published sample of the products call sends numbers.
        api.accept("/objects/products", [{"product_id": 123, "name": "Red Shirt"}, {"product_id": 456, "name": "Blue Shirt"}])
        api.accept("/objects/products", [{"product_id": "123", "parent_product_id": 456}])
        assert server.dump("objects/products") == [
            {"product_id": "123", "name": "Red Shirt", "parent_product_id": "456"},
            {"product_id": "456", "name": "Blue Shirt"},
        ]

    def test_number_as_key(self, api: Client, server: SandboxOdp) -> None:
        key = {"name": "row_number", "display_name": "Row Number", "type": "number", "primary": True}
        api.create("objects", {"name": "things", "display_name": "Things", "alias": "thing", "fields": [key]})
        api.accept("/objects/things", [{"row_number": 1}, {"row_number": 1.0}, {"row_number": 2.5}])
        assert server.counts()["objects"]["things"] == 2


KEPT: list[tuple[str, Any, Any]] = [
    ("name", "text", "text"),
    ("name", "x" * 1024, "x" * 1024),
    ("capacity", 12, 12),
    ("capacity", -0.5, -0.5),
    ("is_default", True, True),
    ("is_default", False, False),
    ("is_default", 1, True),
    ("is_default", 0, False),
    ("opened_on", 1730000000, 1730000000),
    ("opened_on", "2019-04-11", "2019-04-11"),
    ("opened_on", "2019-04-11T10:20:30.5+02:00", "2019-04-11T10:20:30.5+02:00"),
]
DROPPED: list[tuple[str, Any, str]] = [
    ("colour", "red", "unknown field"),
    ("colour", None, "unknown field"),
    ("name", 5, "wrong type"),
    ("name", True, "wrong type"),
    ("name", ["a"], "wrong type"),
    ("name", {"a": 1}, "wrong type"),
    ("name", "x" * 1025, "too long"),
    ("capacity", "12", "wrong type"),
    ("capacity", True, "wrong type"),
    ("capacity", "", "wrong type"),
    ("is_default", "true", "wrong type"),
    ("is_default", 2, "wrong type"),
    ("is_default", 1.0, "wrong type"),
    ("opened_on", 1730000000000, "wrong type"),
    ("opened_on", "11/04/2019", "wrong type"),
    ("opened_on", True, "wrong type"),
]


class TestRows:
    @pytest.mark.parametrize(("field", "value", "kept"), KEPT)
    def test_kept(self, api: Client, server: SandboxOdp, field: str, value: Any, kept: Any) -> None:
        api.create("objects", WAREHOUSES)
        api.accept("/objects/warehouses", {"warehouse_id": "1", field: value})
        (row,) = server.dump("objects/warehouses")
        assert row == {"warehouse_id": "1", field: kept}
        assert type(row[field]) is type(kept)
        assert server.counts()["dropped_fields"] == {}

    @pytest.mark.parametrize(("field", "value", "reason"), DROPPED)
    def test_dropped_and_counted(self, api: Client, server: SandboxOdp, field: str, value: Any, reason: str) -> None:
        api.create("objects", WAREHOUSES)
        api.accept("/objects/warehouses", {"warehouse_id": "1", field: value})
        assert server.dump("objects/warehouses") == [{"warehouse_id": "1"}]
        counts = server.counts()
        assert counts["dropped_fields"] == {f"warehouses.{field}": 1}
        assert counts["dropped_reasons"] == {reason: 1}

    def test_a_dropped_value_keeps_what_was_stored(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", [{"product_id": "1", "price": 5}, {"product_id": "1", "price": "6.00"}])
        assert server.dump("objects/products") == [{"product_id": "1", "price": 5}]

    def test_strict_switch(self, api: Client, server: SandboxOdp) -> None:
        server.settings(reject_wrong_types=True)
        found = api.refuse("/objects/products", [{"product_id": "1", "colour": "x"}, {"product_id": "2", "price": "5"}])
        assert found == [(1, "Invalid value for field `price`: wrong type")]

    def test_truncate_switch(self, api: Client, server: SandboxOdp) -> None:
        server.settings(truncate_text=True)
        api.accept("/objects/products", {"product_id": "1", "name": "x" * 1025})
        assert server.dump("objects/products") == [{"product_id": "1", "name": "x" * 1024}]
        assert server.counts()["dropped_fields"] == {}

    def test_a_field_keeps_data_only_once_it_exists(self, api: Client, server: SandboxOdp) -> None:
        row = {"product_id": "1", "colour": "red"}
        api.accept("/objects/products", row)
        api.create("objects/products/fields", {"name": "colour", "display_name": "Colour", "type": "string"})
        assert server.dump("objects/products") == [{"product_id": "1"}]
        api.accept("/objects/products", row)
        assert server.dump("objects/products") == [row]


@pytest.mark.parametrize(
    "value",
    [
        0,
        -62135596800,
        253402300799,
        1730000000.25,
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "2024-02-29",
        "2019-04-11 10:20",
        "2019-04-11T10:20:30",
        "2019-04-11T10:20:30.123456Z",
        "2019-04-11T10:20:30-0500",
        "2019-04-11T10:20:30+05",
    ],
)
def test_timestamp(value: object) -> None:
    assert is_timestamp(value)


@pytest.mark.parametrize(
    "value",
    [
        253402300800,
        -62135596801,
        float("nan"),
        float("inf"),
        "",
        "now",
        "1730000000",
        "2023-02-29",
        "2019-13-01",
        "2019-04-11T25:00",
        "2019-04-11T10:20:30+25:00",
        "10:20",
        "20190411",
        "0000-01-01",
        " 2019-04-11",
        "２０１９-04-11",
        None,
        [],
    ],
)
def test_no_timestamp(value: object) -> None:
    assert not is_timestamp(value)


ANY_JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.just([])


@settings(max_examples=100, deadline=None)
@given(row=st.dictionaries(st.sampled_from([field["name"] for field in WAREHOUSES["fields"]] + ["x"]), ANY_JSON))
def test_a_checked_row_needs_no_further_check(row: dict[str, Any]) -> None:
    checker = RowChecker("warehouses", WAREHOUSES["fields"])
    drops: list[tuple[str, str, str]] = []
    checked = checker.check(row, drops)
    assert checked.keys() | {field for _, field, _ in drops} == row.keys()
    again: list[tuple[str, str, str]] = []
    assert checker.check(checked, again) is checked
    assert again == []
