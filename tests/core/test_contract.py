"""Contracts, and the columns a tenant's SQL adds to them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from odp.core.contract import LIST, Column, contract_fields, extended_contract, fields_fed_by, odp_types
from odp.core.exceptions import ReplicaError
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.records import (
    Business,
    BusinessUser,
    Order,
    OrderItem,
    Product,
    ProfileByEmail,
    ProfileByUserId,
    Record,
    Warehouse,
)
from odp.core.user_events import UserEvent
from tests.core.staged import columns_of

CONTRACTS = [Product, Warehouse, Business, BusinessUser, ProfileByEmail, ProfileByUserId, Order, UserEvent]
ANY_CONTRACT = pytest.mark.parametrize("contract", CONTRACTS)


class TestFields:
    @ANY_CONTRACT
    def test_every_field_has_a_kind_and_a_source(self, contract: type[Record]) -> None:
        fields = contract_fields(contract)
        assert {field.name for field in fields} == set(contract.model_fields) - {"items"}
        assert all(field.source for field in fields)

    @ANY_CONTRACT
    def test_the_key_is_required_and_an_identifier_or_an_e_mail_address(self, contract: type[Record]) -> None:
        fields = {field.name: field for field in contract_fields(contract)}
        for name in contract.key:
            assert fields[name].required
            assert fields[name].kind.name in {"identifier", "email"} or (contract, name) == (UserEvent, "ts")

    @pytest.mark.parametrize(
        ("contract", "required"),
        [
            (Product, ["product_id"]),
            (Warehouse, ["warehouse_id"]),
            (Business, ["business_id"]),
            (BusinessUser, ["business_id", "user_id"]),
            (ProfileByEmail, ["email"]),
            (ProfileByUserId, ["business_user_id"]),
            (Order, ["order_id", "order_status", "purchased_at"]),
            (OrderItem, ["product_id"]),
            (UserEvent, ["event_source", "event_id", "ts", "type"]),
        ],
    )
    def test_nothing_else_is_required(self, contract: type[Record], required: list[str]) -> None:
        assert [field.name for field in contract_fields(contract) if field.required] == required

    @ANY_CONTRACT
    def test_standard_fields_and_the_envelope_name_fields_of_the_contract(self, contract: type[Record]) -> None:
        assert contract.standard_fields <= set(contract.model_fields)
        assert contract.envelope <= set(contract.model_fields)

    @ANY_CONTRACT
    def test_odps_types_follow_from_the_kinds(self, contract: type[Record]) -> None:
        types = odp_types(contract)
        assert set(types) == {field.name for field in contract_fields(contract)}
        assert set(types.values()) <= {"string", "number", "boolean", "timestamp"}

    def test_some_types_of_odp(self) -> None:
        types = odp_types(Business)
        assert (types["business_id"], types["credit_hold"], types["created_at"]) == ("string", "boolean", "timestamp")
        assert odp_types(Product)["price"] == "number"


class TestAddedColumns:
    @ANY_CONTRACT
    def test_without_added_columns_the_contract_is_itself(self, contract: type[Record]) -> None:
        assert extended_contract(contract, columns_of(contract), ITEM_COLUMNS) is contract

    def test_columns_that_steer_the_export_add_no_fields(self) -> None:
        assert extended_contract(Product, columns_of(Product, "skip_reason", "entity_id")) is Product

    @pytest.mark.parametrize(
        ("kind", "odp_type", "good", "value", "bad"),
        [
            ("text", "string", "red", "red", None),
            ("number", "number", "1.5", 1.5, "red"),
            ("boolean", "boolean", "t", True, "red"),
            ("timestamp", "timestamp", "1700000000", 1_700_000_000, "2026-11-01"),
        ],
    )
    def test_a_column_becomes_an_optional_field_of_its_type(
        self, kind: str, odp_type: str, good: str, value: object, bad: str | None
    ) -> None:
        contract = extended_contract(Product, [*columns_of(Product), Column("colour_2", kind)])
        assert odp_types(contract)["colour_2"] == odp_type
        assert contract.model_validate({"product_id": "1", "colour_2": good}).colour_2 == value  # type: ignore[attr-defined]
        assert contract.model_validate({"product_id": "1", "colour_2": None}).colour_2 is None  # type: ignore[attr-defined]
        if bad:
            with pytest.raises(ValidationError):
                contract.model_validate({"product_id": "1", "colour_2": bad})

    def test_an_extended_contract_keeps_key_object_and_fields(self) -> None:
        contract = extended_contract(Order, [*columns_of(Order), Column("cost_centre", "text")], ITEM_COLUMNS)
        assert issubclass(contract, Order)
        assert contract.key == Order.key
        assert contract.object_name == "orders"
        assert [field.name for field in contract_fields(contract)] == [f.name for f in contract_fields(Order)] + ["cost_centre"]

    def test_the_contract_itself_is_not_changed(self) -> None:
        extended_contract(Product, [*columns_of(Product), Column("colour", "text")])
        assert "colour" not in Product.model_fields

    @pytest.mark.parametrize("name", ["key", "object_name", "envelope", "standard_fields", "json", "copy", "schema"])
    @pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute:UserWarning")
    def test_a_name_that_python_uses_is_a_name_like_any_other(self, name: str) -> None:
        contract = extended_contract(Product, [*columns_of(Product), Column(name, "text")])
        assert contract.key == ("product_id",)
        assert name in {field.name for field in contract_fields(contract)}

    @pytest.mark.parametrize("name", ["Colour", "colour code", "_colour", "2nd", "__row", 'a"b', "farbe_ü", "a.b", ""])
    def test_a_name_that_odp_does_not_take_is_refused(self, name: str) -> None:
        with pytest.raises(ReplicaError, match="which no field can be called. Give it an alias of lower case letters"):
            extended_contract(Product, [*columns_of(Product), Column(name, "text")])


class TestWrongColumns:
    @ANY_CONTRACT
    def test_a_required_field_that_is_not_selected_is_named(self, contract: type[Record]) -> None:
        required = [field.name for field in contract_fields(contract) if field.required]
        columns = [column for column in columns_of(contract) if column.name not in required]
        with pytest.raises(ReplicaError, match=f"does not select {', '.join(required)}, without which"):
            extended_contract(contract, columns, ITEM_COLUMNS)

    @pytest.mark.parametrize("name", ["tags", "name"])
    def test_a_list_is_refused_whether_or_not_the_contract_has_its_name(self, name: str) -> None:
        columns = [Column("product_id", "text"), Column(name, LIST)]
        with pytest.raises(ReplicaError, match=f"selects {name} as a list, which ODP has no field type for"):
            extended_contract(Product, columns, ITEM_COLUMNS)

    def test_a_list_that_no_item_has_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ReplicaError, match="item_colour as a list.*item_product_id, item_price, item_quantity"):
            extended_contract(Order, [*columns_of(Order), Column("item_colour", LIST)], ITEM_COLUMNS)

    def test_an_item_column_that_is_no_list_is_refused(self) -> None:
        columns = [column for column in columns_of(Order) if column.name != "item_price"]
        with pytest.raises(ReplicaError, match="item_price as a single value.*array_agg"):
            extended_contract(Order, [*columns, Column("item_price", "number")], ITEM_COLUMNS)

    def test_outside_orders_the_name_of_an_item_column_is_free(self) -> None:
        contract = extended_contract(Product, [*columns_of(Product), Column("item_price", "number")], ITEM_COLUMNS)
        assert odp_types(contract)["item_price"] == "number"

    @pytest.mark.parametrize("name", ["action", "ts", "identifiers", "idempotence_id", "items", "status"])
    def test_an_order_cannot_have_a_field_named_like_a_part_of_its_event(self, name: str) -> None:
        with pytest.raises(ReplicaError, match=f"selects {name}, which no field can be called"):
            extended_contract(Order, [*columns_of(Order), Column(name, "text")], ITEM_COLUMNS)
        assert name in extended_contract(Product, [*columns_of(Product), Column(name, "text")]).model_fields


class TestFieldsFedBy:
    @pytest.mark.parametrize(
        ("contract", "absent", "fields"),
        [
            (Product, ["Brand"], ["brand"]),
            (Product, ["Product.Unspsc"], ["unspsc"]),
            (Product, ["Product.Sku"], ["sku"]),
            (Product, ["CategoryProduct"], ["category"]),
            (Product, ["Category"], ["category"]),
            (Product, ["ProductImage.SmallImagePath"], ["image_url"]),
            (Product, ["Product.BasicSaleEndDate", "Vendor"], ["sale_price", "vendor"]),
            (Product, ["CustomProperty"], []),
            (Product, [], []),
            (Order, ["CustomerOrder.BTEmail"], ["identifier_email", "email"]),
            (Order, ["CustomerOrder.TaxAmount"], ["tax"]),
            (Order, ["Currency"], ["currency"]),
        ],
    )
    def test_fields_are_found_by_table_or_column(self, contract: type[Record], absent: list[str], fields: list[str]) -> None:
        assert fields_fed_by(contract, absent) == fields
