"""The schema calls: definitions, errors by field and reason, identifiers."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from sandbox.odp.schema_rules import derived_alias
from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import (
    BAD_REQUEST,
    BUSINESS_USERS,
    FIELD,
    NO_SCHEMA_PART,
    OBJECT,
    RELATION,
    WAREHOUSES,
    Client,
)

USED = "already used by another object"
TO_WAREHOUSE = {
    "name": "warehouse",
    "display_name": "Warehouse",
    "child_object": "warehouses",
    "join_fields": [{"parent": "warehouse_id", "child": "warehouse_id"}],
}
ERP_NUMBER = {"name": "erp_customer_number", "display_name": "ERP Customer Number", "merge_confidence": "high"}


class TestReads:
    def test_standard_objects(self, api: Client) -> None:
        answer = api.get("/schema/objects")
        assert answer.status_code == 200
        jsonschema.validate(answer.json(), {"type": "array", "items": OBJECT})
        keys = {entry["name"]: [field["name"] for field in entry["fields"] if field.get("primary")] for entry in answer.json()}
        assert keys == {"customers": [], "products": ["product_id"], "orders": ["order_id"], "events": []}

    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("customers", {"email": "identifier", "phone": "string", "country": "string"}),
            ("products", {"product_id": "string", "price": "number", "image_url": "string"}),
            ("orders", {"order_id": "string", "total": "number", "ship_address": "string"}),
            ("events", {"ts": "timestamp", "quantity": "number", "active_event": "boolean"}),
        ],
    )
    def test_standard_fields(self, api: Client, name: str, fields: dict[str, str]) -> None:
        definition = api.get(f"/schema/objects/{name}").json()
        listed = api.get(f"/schema/objects/{name}/fields").json()
        assert definition["fields"] == listed
        jsonschema.validate(listed, {"type": "array", "items": FIELD})
        types = {field["name"]: field["type"] for field in listed}
        assert fields.items() <= types.items()
        for field in fields:
            assert api.get(f"/schema/objects/{name}/fields/{field}").json()["name"] == field

    @pytest.mark.parametrize(
        "path",
        [
            "nope",
            "nope/fields",
            "nope/fields/x",
            "nope/relations",
            "nope/relations/x",
            "products/fields/nope",
            "products/relations/nope",
        ],
    )
    def test_unknown_name(self, api: Client, path: str) -> None:
        answer = api.get(f"/schema/objects/{path}")
        assert answer.status_code == 404
        jsonschema.validate(answer.json(), NO_SCHEMA_PART)


class TestCreateObject:
    def test_answers_with_the_definition(self, api: Client) -> None:
        created = api.create("objects", WAREHOUSES)
        jsonschema.validate(created, OBJECT)
        assert {key: created[key] for key in ("name", "display_name", "alias", "public_read", "relations")} == {
            "name": "warehouses",
            "display_name": "Warehouses",
            "alias": "warehouse",
            "public_read": False,
            "relations": [],
        }
        assert [field["name"] for field in created["fields"]] == [field["name"] for field in WAREHOUSES["fields"]]
        assert api.get("/schema/objects/warehouses").json() == created
        assert "warehouses" in [entry["name"] for entry in api.get("/schema/objects").json()]

    def test_alias_and_public_read_are_optional(self, api: Client) -> None:
        definition = {key: value for key, value in WAREHOUSES.items() if key not in {"alias", "public_read", "relations"}}
        created = api.create("objects", definition)
        assert (created["alias"], created["public_read"]) == ("warehouse", False)

    def test_lists_every_problem_at_once(self, api: Client) -> None:
        # The published sample of this call.
        api.create("objects", WAREHOUSES)
        fields = [{"name": "a", "display_name": "A", "type": "string"}]
        relation = {**TO_WAREHOUSE, "child_object": "nowhere"}
        assert api.problems("objects", {**WAREHOUSES, "fields": fields, "relations": [relation]}) == {
            "name": USED,
            "alias": USED,
            "display_name": USED,
            "fields": "at least one primary key field required",
            "relations[0].child_object": "does not exist",
        }

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": None}, "name"),
            ({"name": "Warehouses"}, "name"),
            ({"name": "1st"}, "name"),
            ({"name": ["x"]}, "name"),
            ({"display_name": ""}, "display_name"),
            ({"alias": "Ware House"}, "alias"),
            ({"name": "warehouse", "alias": "product"}, "alias"),
            ({"name": "order", "alias": "x"}, "name"),
            ({"fields": "x"}, "fields"),
            ({"fields": []}, "fields"),
            ({"fields": [{"name": "a", "display_name": "A", "type": "text", "primary": True}]}, "fields[0].type"),
            ({"fields": [{"name": "A b", "display_name": "A", "type": "string", "primary": True}]}, "fields[0].name"),
            ({"fields": [{"name": "a", "type": "string", "primary": True}]}, "fields[0].display_name"),
            ({"fields": [*WAREHOUSES["fields"], WAREHOUSES["fields"][1]]}, "fields[5].name"),
            ({"relations": ["x"]}, "relations[0]"),
        ],
    )
    def test_refused(self, api: Client, changes: dict[str, Any], field: str) -> None:
        assert field in api.problems("objects", {**WAREHOUSES, **changes})
        assert api.get("/schema/objects/warehouses").status_code == 404

    @pytest.mark.parametrize("body", [b"{", b"[]", b"1"])
    def test_no_definition(self, api: Client, body: bytes) -> None:
        answer = api.post("/schema/objects", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)

    @pytest.mark.parametrize(
        ("name", "alias"),
        [
            ("warehouses", "warehouse"),
            ("businesses", "business"),
            ("categories", "category"),
            ("boxes", "box"),
            ("staff", "staff"),
        ],
    )
    def test_derived_alias(self, name: str, alias: str) -> None:
        assert derived_alias(name) == alias


class TestCreateField:
    def test_answers_with_the_field(self, api: Client) -> None:
        definition = {"name": "terms", "display_name": "Terms", "type": "string", "description": "Payment terms"}
        created = api.create("objects/orders/fields", definition)
        jsonschema.validate(created, FIELD)
        assert created == {**definition, "public_read": False}
        assert api.get("/schema/objects/orders/fields/terms").json() == created
        api.accept("/objects/orders", {"order_id": "1", "terms": "net30"})

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"name": "price"}, ("name", "already used by another field")),
            ({"display_name": "Price"}, ("display_name", "already used by another field")),
            ({"name": "parent_product"}, ("name", "already used by another field")),
            ({"type": "decimal"}, ("type", "must be one of number, timestamp, string, boolean")),
            ({"type": "identifier"}, ("type", "must be one of number, timestamp, string, boolean")),
            ({"primary": True}, ("primary", "a primary key field must be created with its object")),
            ({"name": "Colour"}, ("name", "must be lower snake case and start with a letter")),
        ],
    )
    def test_refused(self, api: Client, changes: dict[str, Any], problem: tuple[str, str]) -> None:
        definition = {"name": "colour", "display_name": "Colour", "type": "string", **changes}
        assert api.problems("objects/products/fields", definition) == dict([problem])

    def test_unknown_object(self, api: Client) -> None:
        assert api.post("/schema/objects/nope/fields", json={}).status_code == 404


class TestCreateRelation:
    def test_answers_with_the_relation(self, api: Client) -> None:
        api.create("objects", WAREHOUSES)
        api.create("objects/orders/fields", {"name": "warehouse_id", "display_name": "Warehouse ID", "type": "string"})
        created = api.create("objects/orders/relations", TO_WAREHOUSE)
        jsonschema.validate(created, RELATION)
        assert created == TO_WAREHOUSE
        assert api.get("/schema/objects/orders/relations").json() == [TO_WAREHOUSE]
        assert api.get("/schema/objects/orders/relations/warehouse").json() == TO_WAREHOUSE
        assert api.problems("objects/orders/relations", TO_WAREHOUSE) == {
            "name": "already used by another field",
            "display_name": "already used by another field",
        }

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"child_object": "nope"}, ("child_object", "does not exist")),
            ({"join_fields": []}, ("join_fields", "is required")),
            ({"join_fields": [{"parent": "nope", "child": "warehouse_id"}]}, ("join_fields[0].parent", "does not exist")),
            ({"join_fields": [{"parent": "name", "child": "nope"}]}, ("join_fields[0].child", "does not exist")),
            ({"join_fields": [{"parent": "name", "child": "name"}]}, ("join_fields[0].child", "must be a primary key field")),
            (
                {"join_fields": [{"parent": "total", "child": "warehouse_id"}]},
                ("join_fields[0].parent", "does not match child data type"),
            ),
        ],
    )
    def test_refused(self, api: Client, changes: dict[str, Any], problem: tuple[str, str]) -> None:
        api.create("objects", WAREHOUSES)
        assert api.problems("objects/orders/relations", {**TO_WAREHOUSE, **changes}) == dict([problem])

    def test_composite_key(self, api: Client) -> None:
        api.create("objects", BUSINESS_USERS)
        joins = [{"parent": "email", "child": "user_id"}, {"parent": "name", "child": "business_id"}]
        relation = {"name": "link", "display_name": "Link", "child_object": "business_users", "join_fields": joins}
        assert api.create("objects/orders/relations", relation) == relation


class TestCreateIdentifier:
    def test_answers_with_both_fields(self, api: Client) -> None:
        created = api.create("identifiers", ERP_NUMBER, status=201)
        event = {"name": "event_erp_customer_number", "display_name": "Event ERP Customer Number", "type": "identifier"}
        seen = {"name": "erp_customer_number", "display_name": "Last Seen ERP Customer Number", "type": "identifier"}
        assert created == {"events": [event], "customers": [seen]}
        assert api.get("/schema/objects/events/fields/event_erp_customer_number").json()["type"] == "identifier"
        assert api.get("/schema/objects/customers/fields/erp_customer_number").json()["type"] == "identifier"
        assert api.problems("identifiers", ERP_NUMBER) == {"customers.name": USED, "customers.display_name": USED}

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": "erp_customer"}, "name"),
            ({"name": "number"}, "name"),
            ({"display_name": "ERP Customer"}, "display_name"),
            ({"name": "erp_id", "display_name": "ERP Id"}, "display_name"),
            ({"merge_confidence": "medium"}, "merge_confidence"),
            ({"merge_confidence": None}, "merge_confidence"),
        ],
    )
    def test_refused(self, api: Client, changes: dict[str, Any], field: str) -> None:
        assert list(api.problems("identifiers", {**ERP_NUMBER, **changes})) == [field]

    def test_its_values_are_known_on_events(self, api: Client, server: SandboxOdp) -> None:
        event = {"type": "pageview", "identifiers": {"erp_customer_number": "C-1"}}
        api.accept("/events", event)
        assert server.counts()["dropped_fields"] == {"events.erp_customer_number": 1}
        api.create("identifiers", ERP_NUMBER, status=201)
        api.accept("/events", event)
        assert server.counts()["dropped_fields"] == {"events.erp_customer_number": 1}
        assert server.dump("event_rows")[1] == {"event_type": "pageview", "event_erp_customer_number": "C-1"}
