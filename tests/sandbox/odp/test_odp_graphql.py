"""Reading back through GraphQL, and the delay until an upload can be read."""

from __future__ import annotations

import time

import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import BUSINESS_USERS, WAREHOUSES, Client

PURCHASE = {
    "type": "order",
    "action": "purchase",
    "identifiers": {"email": "ana@example.com"},
    "data": {"order": {"order_id": "W-1", "total": 57.5}},
}


class TestQueries:
    def test_customer(self, api: Client) -> None:
        api.accept("/profiles", {"attributes": {"email": "Ana@example.com", "first_name": "Ana", "city": "Leeds"}})
        query = "query($e: String) { customer(email: $e) { first_name city last_name emails } }"
        assert api.query(query, e="ana@example.com") == {
            "data": {"customer": {"first_name": "Ana", "city": "Leeds", "last_name": None, "emails": ["ana@example.com"]}}
        }

    def test_unknown_customer(self, api: Client) -> None:
        answer = api.query('{ customer(email: "nobody@example.com") { city } }')
        assert answer["data"] == {"customer": None}
        (error,) = answer["errors"]
        assert error["extensions"] == {
            "classification": "InvalidIdentifierException",
            "code": "INVALID_IDENTIFIER_EXCEPTION",
        }
        assert error["path"] == ["customer"]
        assert error["message"]

    def test_customer_by_new_identifier(self, api: Client) -> None:
        definition = {"name": "erp_customer_number", "display_name": "ERP Customer Number", "merge_confidence": "high"}
        assert "errors" in api.query('{ customer(erp_customer_number: "C-1") { city } }')
        api.create("identifiers", definition, status=201)
        api.accept("/profiles", {"attributes": {"erp_customer_number": "C-1", "city": "Leeds"}})
        query = '{ customer(erp_customer_number: "C-1") { city erp_customer_number } }'
        assert api.query(query) == {"data": {"customer": {"city": "Leeds", "erp_customer_number": "C-1"}}}

    def test_customer_without_identifier(self, api: Client) -> None:
        answer = api.query("{ customer { city } }")
        assert answer["data"] == {"customer": None}
        assert answer["errors"]

    def test_standard_and_custom_objects_by_key(self, api: Client) -> None:
        api.create("objects", WAREHOUSES)
        api.create("objects", BUSINESS_USERS)
        api.accept("/objects/products", {"product_id": 7, "name": "Lamp", "price": 25})
        api.accept("/events", PURCHASE)
        api.accept("/objects/warehouses", {"warehouse_id": "E", "is_default": 1, "opened_on": 1730000000})
        api.accept("/objects/business_users", {"business_id": "1", "user_id": "2", "role": "buyer"})
        query = """{
          product(product_id: "7") { product_id name price brand }
          order(order_id: "W-1") { total status }
          warehouse(warehouse_id: "E") { is_default opened_on capacity }
          business_user(business_id: "1", user_id: "2") { role }
          nobody: business_user(business_id: "2", user_id: "1") { role }
        }"""
        assert api.query(query) == {
            "data": {
                "product": {"product_id": "7", "name": "Lamp", "price": 25.0, "brand": None},
                "order": {"total": 57.5, "status": "purchase"},
                "warehouse": {"is_default": True, "opened_on": 1730000000, "capacity": None},
                "business_user": {"role": "buyer"},
                "nobody": None,
            }
        }

    def test_batch_by_aliases(self, api: Client) -> None:
        api.accept("/objects/orders", [{"order_id": str(number), "total": number} for number in range(0, 200, 2)])
        query = " ".join(f'o{number}: order(order_id: "{number}") {{ order_id total }}' for number in range(200))
        data = api.query(f"{{ {query} }}")["data"]
        assert [name for name, row in data.items() if row is None] == [f"o{number}" for number in range(1, 200, 2)]
        assert data["o42"] == {"order_id": "42", "total": 42}

    def test_new_fields_appear(self, api: Client) -> None:
        api.accept("/objects/orders", {"order_id": "1"})
        query = '{ order(order_id: "1") { terms } }'
        assert "terms" in api.query(query)["errors"][0]["message"]
        api.create("objects/orders/fields", {"name": "terms", "display_name": "Terms", "type": "string"})
        api.accept("/objects/orders", {"order_id": "1", "terms": "net30"})
        assert api.query(query) == {"data": {"order": {"terms": "net30"}}}

    def test_introspection_names_the_objects(self, api: Client) -> None:
        api.create("objects", WAREHOUSES)
        fields = api.query("{ __schema { queryType { fields { name } } } }")["data"]["__schema"]["queryType"]["fields"]
        assert [field["name"] for field in fields] == ["customer", "product", "order", "warehouse"]

    def test_an_alias_may_be_called_like_a_type(self, api: Client) -> None:
        field = {"name": "query_id", "display_name": "Query ID", "type": "string", "primary": True}
        api.create("objects", {"name": "queries", "display_name": "Queries", "alias": "query", "fields": [field]})
        api.accept("/objects/queries", {"query_id": "1"})
        assert api.query('{ query(query_id: "1") { query_id } }') == {"data": {"query": {"query_id": "1"}}}

    @pytest.mark.parametrize("query", ["{", "{ nothing }", "{ order { total } }", '{ order(order_id: "1") }', ""])
    def test_a_bad_query_is_no_http_error(self, api: Client, query: str) -> None:
        answer = api.query(query)
        assert not answer.get("data")
        assert answer["errors"][0]["message"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"query":1}', b'{"query":"{a}","variables":[]}'])
    def test_no_request(self, api: Client, body: bytes) -> None:
        answer = api.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400


class TestVisibilityDelay:
    DELAY = 1.0

    @pytest.fixture(autouse=True)
    def _delayed(self, server: SandboxOdp) -> None:
        server.settings(visibility_delay=self.DELAY)

    def test_readers_see_the_old_state_until_it_is_over(self, api: Client, server: SandboxOdp) -> None:
        def seen() -> tuple[object, ...]:
            data = api.query('{ product(product_id: "1") { name } order(order_id: "W-1") { total } }')["data"]
            answer = api.get("/profiles", params={"email": "a@example.com"})
            city = answer.json()["attributes"]["city"] if answer.status_code == 202 else None
            return data["product"] and data["product"]["name"], data["order"] and data["order"]["total"], city

        def upload(name: str, total: float, city: str) -> None:
            api.accept("/objects/products", {"product_id": "1", "name": name})
            api.accept("/events", {**PURCHASE, "data": {"order": {"order_id": "W-1", "total": total}}})
            api.accept("/profiles", {"attributes": {"email": "a@example.com", "city": city}})

        upload("old", 1.0, "Leeds")
        assert seen() == (None, None, None)
        counts = server.counts()
        assert (counts["profiles"], counts["objects"]["products"], counts["objects"]["orders"]) == (1, 1, 1)
        time.sleep(self.DELAY)
        assert seen() == ("old", 1.0, "Leeds")
        upload("newer", 2.0, "York")
        upload("new", 3.0, "Bath")
        assert seen() == ("old", 1.0, "Leeds")
        time.sleep(self.DELAY)
        assert seen() == ("new", 3.0, "Bath")

    def test_switching_it_off_shows_everything(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/objects/products", {"product_id": "1", "name": "a"})
        assert api.query('{ product(product_id: "1") { name } }') == {"data": {"product": None}}
        server.settings(visibility_delay=0)
        assert api.query('{ product(product_id: "1") { name } }') == {"data": {"product": {"name": "a"}}}
