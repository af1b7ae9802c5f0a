"""The schema of an ODP account: what an export needs is created, once, and nothing else is touched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from odp.core.bodies import Body
from odp.core.client import ClientOptions, OdpClient
from odp.core.contract import Column, extended_contract, odp_types
from odp.core.exceptions import CannotSucceedError, OdpApiError, OdpForbiddenError, OdpUnavailableError
from odp.core.exports import EXPORTS
from odp.core.odp_schema import display_name, ensure_schema
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.records import Business, BusinessUser, Order, Product, Profile, ProfileByEmail, ProfileByUserId, Record, Warehouse
from odp.core.relations import RELATIONS, Relation
from sandbox.odp.server import SandboxOdp
from tests.core.staged import columns_of

CUSTOM = [Warehouse, Business, BusinessUser]
STANDARD = [Product, ProfileByEmail, ProfileByUserId, Order]
ODP_FIELD = {"display_name": "Its Warehouse", "type": "string"}
ANY_CONTRACT = pytest.mark.parametrize("contract", [*CUSTOM, *STANDARD])


@pytest.fixture
def client(odp: SandboxOdp) -> OdpClient:
    return OdpClient(odp.url, odp.key, ClientOptions(retry_budget=5))


def object_in(client: OdpClient, name: str) -> dict[str, Any]:
    return orjson.loads(client.request("GET", f"/schema/objects/{name}").data)


def fields_in(client: OdpClient, name: str) -> dict[str, str]:
    return {field["name"]: field["type"] for field in object_in(client, name)["fields"]}


def created(odp: SandboxOdp) -> int:
    return sum(entry["method"] == "POST" for entry in odp.requests(path="/v3/schema"))


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """Return what a function returns, or raises, in several threads that start together."""
    barrier, results = threading.Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - handed to the test
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class TestCreation:
    @pytest.mark.parametrize("contract", CUSTOM)
    def test_a_missing_object_is_created_with_all_its_fields_and_its_key(self, client: OdpClient, contract: type[Record]) -> None:
        report = ensure_schema(client, contract)
        assert [line for line in report if not line.startswith("relation ")] == [f"object {contract.object_name}"]
        made = object_in(client, contract.object_name)
        assert (made["alias"], made["display_name"]) == (contract.object_alias, contract.object_display_name)
        assert [field["name"] for field in made["fields"] if field.get("primary")] == list(contract.key)
        assert fields_in(client, contract.object_name) == odp_types(contract)

    @pytest.mark.parametrize("contract", STANDARD)
    def test_a_standard_object_gains_the_fields_it_lacks(self, client: OdpClient, contract: type[Record]) -> None:
        before = fields_in(client, contract.object_name)
        report = ensure_schema(client, contract)
        after = fields_in(client, contract.object_name)
        needed = {name: type_ for name, type_ in odp_types(contract).items() if name not in contract.envelope}
        assert before.items() <= after.items()
        assert set(needed) <= set(after)
        assert {line for line in report if line.startswith("field ")} == {
            f"field {contract.object_name}.{name}" for name in after.keys() - before.keys() - {"business_user_id"}
        }

    def test_what_only_steers_the_sending_is_no_field(self, client: OdpClient) -> None:
        ensure_schema(client, Order)
        assert not Order.envelope & fields_in(client, "orders").keys()

    @pytest.mark.parametrize("contract", [ProfileByEmail, ProfileByUserId, Order])
    def test_the_identifier_of_people_is_created_for_profiles_and_orders(self, client: OdpClient, contract: type[Record]) -> None:
        assert "identifier business_user_id" in ensure_schema(client, contract)
        assert fields_in(client, "customers")["business_user_id"] == "identifier"
        assert fields_in(client, "events")["event_business_user_id"] == "identifier"

    @pytest.mark.parametrize("contract", [Product, *CUSTOM])
    def test_it_is_not_created_for_others(self, client: OdpClient, contract: type[Record]) -> None:
        ensure_schema(client, contract)
        assert "business_user_id" not in fields_in(client, "customers")

    @pytest.mark.parametrize(
        ("kind", "odp_type"), [("text", "string"), ("number", "number"), ("boolean", "boolean"), ("timestamp", "timestamp")]
    )
    @pytest.mark.parametrize("contract", [Warehouse, Product, Order])
    def test_a_column_added_in_sql_becomes_a_field(
        self, client: OdpClient, contract: type[Record], kind: str, odp_type: str
    ) -> None:
        extended = extended_contract(contract, [*columns_of(contract), Column("my_extra", kind)], ITEM_COLUMNS)
        ensure_schema(client, extended)
        assert fields_in(client, contract.object_name)["my_extra"] == odp_type

    def test_a_column_added_later_is_all_that_is_created(self, client: OdpClient) -> None:
        ensure_schema(client, Warehouse)
        extended = extended_contract(Warehouse, [*columns_of(Warehouse), Column("my_extra", "number")])
        assert ensure_schema(client, extended) == ["field warehouses.my_extra"]

    def test_what_was_created_takes_data(self, odp: SandboxOdp, client: OdpClient) -> None:
        ensure_schema(client, BusinessUser)
        row = {"business_id": "b-1", "user_id": "u-1", "is_default": True, "created_at": 1_700_000_000}
        assert client.deliver("/objects/business_users", Body(1, orjson.dumps([row]))) == []
        assert odp.dump("objects/business_users") == [row]


class TestRelations:
    """A relation waits for the object it leads to; without it the data arrives all the same."""

    def test_all_are_made_in_the_order_of_a_first_load(self, client: OdpClient) -> None:
        for export in EXPORTS:
            ensure_schema(client, export.contract)
        for relation in RELATIONS:
            kept = {entry["name"]: entry for entry in object_in(client, relation.parent.object_name)["relations"]}
            assert kept[relation.name] == {
                "name": relation.name,
                "display_name": display_name(relation.name),
                "child_object": relation.child.object_name,
                "join_fields": [{"parent": relation.field, "child": relation.child.key[0]}],
            }

    def test_one_to_an_object_that_is_not_there_yet_is_made_later(self, client: OdpClient) -> None:
        assert ensure_schema(client, Business) == ["object businesses", "relation businesses.parent_business"]
        ensure_schema(client, Warehouse)
        assert ensure_schema(client, Business) == ["relation businesses.default_warehouse"]
        assert ensure_schema(client, Business) == []

    def test_one_that_somebody_made_under_another_name_counts(self, client: OdpClient) -> None:
        ensure_schema(client, Warehouse)
        ensure_schema(client, BusinessUser)
        client.request("POST", "/schema/objects/orders/fields", orjson.dumps(ODP_FIELD | {"name": "warehouse_id"}))
        join = [{"parent": "warehouse_id", "child": "warehouse_id"}]
        mine = {"name": "ships_from", "display_name": "Ships From", "child_object": "warehouses", "join_fields": join}
        assert client.request("POST", "/schema/objects/orders/relations", orjson.dumps(mine)).status == 200
        assert not [line for line in ensure_schema(client, Order) if line.startswith("relation ")]

    @pytest.mark.parametrize("status", [400, 403])
    def test_one_that_odp_refuses_is_logged_and_no_error(
        self, odp: SandboxOdp, client: OdpClient, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        odp.faults(method="POST", path="/v3/schema/objects/businesses/relations", status=status, body={"message": "No"})
        assert ensure_schema(client, Business) == ["object businesses"]
        assert "The relation businesses.parent_business is not created" in caplog.text

    def test_odp_being_down_is_an_error_nevertheless(self, odp: SandboxOdp) -> None:
        client = OdpClient(odp.url, odp.key, ClientOptions(retry_budget=0))
        odp.faults(method="POST", path="/v3/schema/objects/businesses/relations", status=503)
        with pytest.raises(OdpUnavailableError):
            ensure_schema(client, Business)

    @pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: f"{relation.parent.object_name}.{relation.name}")
    def test_a_relation_joins_fields_of_one_type(self, relation: Relation) -> None:
        assert len(relation.child.key) == 1
        assert odp_types(relation.parent)[relation.field] == odp_types(relation.child)[relation.child.key[0]]
        assert relation.name != relation.field


class TestRepeats:
    @ANY_CONTRACT
    def test_a_second_call_creates_nothing(self, odp: SandboxOdp, client: OdpClient, contract: type[Record]) -> None:
        assert ensure_schema(client, contract)
        before = created(odp)
        assert ensure_schema(client, contract) == []
        assert created(odp) == before

    def test_the_six_exports_together_create_each_thing_once(self, odp: SandboxOdp, client: OdpClient) -> None:
        contracts = [ProfileByEmail if export.contract is Profile else export.contract for export in EXPORTS]
        reports = [line for contract in contracts for line in ensure_schema(client, contract)]
        assert len(reports) == len(set(reports))
        assert [ensure_schema(client, contract) for contract in contracts] == [[]] * 6

    @ANY_CONTRACT
    def test_several_tasks_at_once_create_each_thing_once_and_none_fails(
        self, odp: SandboxOdp, client: OdpClient, contract: type[Record]
    ) -> None:
        reports = in_threads(4, lambda: ensure_schema(client, contract))
        assert [report for report in reports if isinstance(report, Exception)] == []
        lines = [line for report in reports for line in report]
        assert sorted(lines) == sorted(set(lines))
        odp.reset()
        assert sorted(lines) == sorted(ensure_schema(client, contract))

    def test_a_field_that_exists_with_another_type_is_left_alone(self, client: OdpClient) -> None:
        definition = {"name": "price_code", "display_name": "Price Code", "type": "number"}
        client.request("POST", "/schema/objects/products/fields", orjson.dumps(definition))
        assert "field products.price_code" not in ensure_schema(client, Product)
        assert fields_in(client, "products")["price_code"] == "number"


class TestRefusals:
    @pytest.mark.parametrize("contract", [Warehouse, Product])
    def test_the_public_key_is_not_enough(self, odp: SandboxOdp, contract: type[Record]) -> None:
        with pytest.raises(OdpForbiddenError, match="schema changes need the private key") as error:
            ensure_schema(OdpClient(odp.url, odp.public_key), contract)
        assert isinstance(error.value, CannotSucceedError)

    @pytest.mark.parametrize(
        ("contract", "path"),
        [(Warehouse, "/schema/objects"), (Product, "/schema/objects/products/fields"), (ProfileByEmail, "/schema/identifiers")],
    )
    def test_a_key_that_may_read_but_not_create_is_told_the_ways_out(
        self, odp: SandboxOdp, client: OdpClient, contract: type[Record], path: str
    ) -> None:
        odp.faults(method="POST", path=f"/v3{path}", status=403, body={"message": "Forbidden"})
        with pytest.raises(OdpForbiddenError, match=f"by hand \\(POST {path}\\).*create_schema to false"):
            ensure_schema(client, contract)

    def test_a_name_that_another_fields_display_name_takes_is_an_error_and_no_silent_loss(self, client: OdpClient) -> None:
        definition = {"name": "code_for_prices", "display_name": "Price Code", "type": "string"}
        client.request("POST", "/schema/objects/products/fields", orjson.dumps(definition))
        with pytest.raises(
            OdpApiError, match="400 to POST /schema/objects/products/fields for price_code: display_name already used"
        ):
            ensure_schema(client, Product)

    def test_an_alias_that_another_object_has_is_an_error(self, client: OdpClient) -> None:
        other = {
            "name": "depots",
            "display_name": "Depots",
            "alias": "warehouse",
            "public_read": False,
            "fields": [{"name": "depot_id", "display_name": "Depot ID", "type": "string", "primary": True}],
        }
        client.request("POST", "/schema/objects", orjson.dumps(other))
        with pytest.raises(OdpApiError, match="400 to POST /schema/objects for warehouses: alias already used by another object"):
            ensure_schema(client, Warehouse)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"detail": {"invalids": [{"field": "type", "reason": ["is wrong", "is odd"]}]}}, "type is wrong; type is odd"),
            ({"detail": {"message": "No room"}}, "No room"),
            ("no json", "no json"),
            ({"detail": {"invalids": [{"event": 0}]}}, "event"),
        ],
    )
    def test_odps_reasons_are_passed_on_whatever_their_form(
        self, odp: SandboxOdp, client: OdpClient, body: Any, words: str
    ) -> None:
        odp.faults(method="POST", status=400, body=body)
        with pytest.raises(OdpApiError, match="400 to POST /schema/objects for warehouses") as error:
            ensure_schema(client, Warehouse)
        assert words in str(error.value)

    @pytest.mark.parametrize("reason", ["already used by another object", ["already exists"]])
    def test_what_exists_already_counts_as_present(self, odp: SandboxOdp, client: OdpClient, reason: Any) -> None:
        odp.faults(method="POST", status=400, body={"detail": {"invalids": [{"field": "name", "reason": reason}]}})
        missing = ensure_schema(client, Product)
        assert len(missing) == len(ensure_schema_report(odp, client)) - 1

    def test_a_schema_that_cannot_be_read_is_an_error(self, odp: SandboxOdp, client: OdpClient) -> None:
        odp.faults(method="GET", status=400, body={})
        with pytest.raises(OdpApiError, match="400 when asked for its schema"):
            ensure_schema(client, Product)


def ensure_schema_report(odp: SandboxOdp, client: OdpClient) -> list[str]:
    """Return what is created for products in an account that has nothing yet."""
    odp.reset()
    return ensure_schema(client, Product)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("is_default", "Is Default"), ("warehouse_id", "Warehouse ID"), ("id", "ID"), ("street1", "Street1"), ("idle", "Idle")],
)
def test_display_names_are_for_people(name: str, shown: str) -> None:
    assert display_name(name) == shown
