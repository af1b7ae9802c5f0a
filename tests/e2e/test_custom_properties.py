"""Custom properties end to end, for every export: from the replica, and a team's files in include/, to what ODP holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from odp.core.client import OdpClient
from odp.core.odp_schema import read_schema
from odp.core.settings import read_settings
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT
from tests.e2e.conftest import Configure, RunExport
from tests.e2e.expected import PURCHASE, text
from tests.e2e.runs import load_dag, run_by_hand

Replica = psycopg.Connection[dict[str, Any]]
ORDERS, PRODUCTS, WAREHOUSES, CUSTOMERS, PROFILES, LINKS = (
    f"{name}_odp_export" for name in ("order", "product", "warehouse", "customer", "user_profile", "customer_to_user_mapping")
)

DOCUMENTED = json.loads(re.findall(r"```json\n(.+?)```", (PROJECT / "docs" / "custom-properties.md").read_text(), re.DOTALL)[0])
"""The settings that docs/custom-properties.md shows."""


@pytest.fixture(scope="module")
def source(source: Replica) -> Iterator[Replica]:
    """The replica, with properties of warehouses and links as well; of an old ModifiedOn, which no window reaches."""
    insert = (
        "INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, ModifiedOn)"
        " SELECT gen_random_uuid(), %s, t.id, %s, %s || t.id, '1990-01-01' FROM {} t WHERE left(t.id::text, 1) < '8'"
    )
    source.execute(insert.format("Warehouse"), ("Warehouse", "DockName", "dock "))
    source.execute(insert.format("CustomerUserProfile"), ("CustomerUserProfile", "RoleName", "role "))
    yield source
    source.execute("DELETE FROM CustomProperty WHERE ModifiedOn = '1990-01-01'")


def properties(source: Replica, table: str) -> dict[str, dict[str, str]]:
    """Return the values of properties, trimmed and without blanks, by entity."""
    found: dict[str, dict[str, str]] = {}
    for row in source.execute("SELECT * FROM CustomProperty WHERE ParentTable = %s", (table,)):
        found.setdefault(str(row["parentid"]), {})
        if value := text(row["value"]):
            found[str(row["parentid"])][row["name"].strip()] = value
    return found


def own_fields(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names if record.get(name) is not None}


def test_the_documented_settings_are_right() -> None:
    assert len(read_settings(DOCUMENTED).exports) == 6


def test_all_properties_of_warehouses(run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica) -> None:
    configure(**DOCUMENTED)
    assert run_export(WAREHOUSES).state == "success"
    expected = {entity: {"dock_name": values["DockName"]} for entity, values in properties(source, "Warehouse").items()}
    held = {row["warehouse_id"]: own_fields(row, "dock_name") for row in account.dump("objects/warehouses")}
    assert 0 < len(expected) < len(held)
    assert held == {entity: expected.get(entity, {}) for entity in held}


def test_products_by_properties_and_a_factory_by_the_chunk(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    assert run_export(PRODUCTS).state == "success"
    own = properties(source, "Product")
    seen: Counter[str] = Counter()
    for row in account.dump("objects/products"):
        values = own.get(row["product_id"], {})
        expected: dict[str, Any] = {"hazard_class": values.get("HazardClass")}
        expected["eco_score"] = float(values["ecoScore"]) if "ecoScore" in values else None
        expected["is_heavy"] = values["Is Heavy"] == "true" if "Is Heavy" in values else None
        price, sale = row.get("price"), row.get("sale_price")
        expected["sale_percent"] = round(100 - 100 * sale / price, 1) if price and sale is not None else None
        expected["price_band"] = None if price is None else "low" if price < 10 else "medium" if price < 100 else "high"
        given = {name: value for name, value in expected.items() if value is not None}
        held = own_fields(row, *expected)
        # Halves may be rounded to either side.
        assert held.pop("sale_percent", None) == pytest.approx(given.pop("sale_percent", None), abs=0.11)
        assert held == given
        seen.update(own_fields(row, *expected).keys())
    assert min(seen[name] for name in ("hazard_class", "eco_score", "is_heavy", "sale_percent", "price_band")) > 0


def test_customers_by_all_properties_and_a_preload_query(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    assert run_export(CUSTOMERS).state == "success"
    own = properties(source, "Customer")
    orders: dict[str, list[dict[str, Any]]] = {}
    for order in source.execute("SELECT * FROM CustomerOrder WHERE OrderDate < now()"):
        if order["status"].strip().lower() not in ("cart", "saved", "abandonedcart", "cancelled", "cancellationrequested"):
            orders.setdefault(str(order["customerid"]), []).append(order)
    compared = 0
    for row in account.dump("objects/businesses"):
        values, ordered = own.get(row["business_id"], {}), orders.get(row["business_id"], [])
        assert row.get("crm_account_manager") == values.get("AccountManager")
        assert row.get("crm_credit_score") == (float(values["creditScore"]) if "creditScore" in values else None)
        assert row.get("order_count", 0) == len(ordered)
        assert row.get("order_amount", 0) == pytest.approx(sum(float(order["ordertotal"] or 0) for order in ordered))
        last = max((int(order["orderdate"].timestamp()) for order in ordered), default=None)
        assert row.get("last_order_at") == last
        compared += bool(values and ordered)
    assert compared > 0


def test_people_by_properties_and_a_preload_function(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    assert run_export(PROFILES).state == "success"
    own = properties(source, "UserProfile")
    accounts: dict[str, set[Any]] = {}
    for link in source.execute("SELECT * FROM CustomerUserProfile WHERE CustomerId IS NOT NULL"):
        accounts.setdefault(str(link["userprofileid"]), set()).add(link["customerid"])
    seen: Counter[str] = Counter()
    for profile in account.dump("profiles"):
        attributes = profile["attributes"]
        values, count = own.get(attributes["business_user_id"], {}), len(accounts.get(attributes["business_user_id"], ()))
        expected = {
            "preferred_color": values.get("PreferredColor"),
            "loyalty_tier": values.get("Loyalty Tier"),
            "account_count": count or None,
            "is_buyer_for_several": count > 1 if count else None,
        }
        assert own_fields(attributes, *expected) == {name: value for name, value in expected.items() if value is not None}
        seen.update(name for name, value in expected.items() if value)
    assert set(seen) == {"preferred_color", "loyalty_tier", "account_count", "is_buyer_for_several"}


def test_links_by_a_property_with_a_field_of_another_name(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    assert run_export(LINKS).state == "success"
    own = properties(source, "CustomerUserProfile")
    held = {row["business_user_link_id"]: row.get("role") for row in account.dump("objects/business_users")}
    assert held == {link: own.get(link, {}).get("RoleName") for link in held}
    assert len(set(held.values())) > 2


def test_orders_take_them_at_order_level(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    assert run_export(ORDERS).state == "success"
    own = properties(source, "CustomerOrder")
    ids = {row["ordernumber"]: str(row["id"]) for row in source.execute("SELECT Id, OrderNumber FROM CustomerOrder")}
    seen: Counter[str] = Counter()
    for event in account.dump("events"):
        order = event["data"]["order"]
        values, items = own.get(ids[order["order_id"]], {}), order.get("items", [])
        expected = {
            "gate_code": values.get("gateCode"),
            "gift_message": values.get("GiftMessage"),
            "line_count": len(items),
            "unit_count": pytest.approx(sum(item["quantity"] for item in items)),
        }
        assert own_fields(order, *expected) == {name: value for name, value in expected.items() if value is not None}
        assert order.get("is_large_order") == (abs(order["total"]) >= 1_000 if "total" in order else None)
        assert not {name for item in items for name in item} & {*expected, "is_large_order"}
        seen.update(own_fields(order, *expected).keys())
    assert min(seen[name] for name in ("gate_code", "gift_message", "line_count", "unit_count")) > 0
    assert account.counts()["dropped_fields"] == {}


def test_a_changed_property_counts_and_consistency_knows_it(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    configure(**DOCUMENTED)
    delivered = run_export(ORDERS).summary["delivered"]
    assert run_export(ORDERS).summary["unchanged"] == delivered > 0
    order = source.execute(
        "SELECT cp.Id, o.OrderNumber FROM CustomProperty cp JOIN CustomerOrder o ON o.Id = cp.ParentId"
        " WHERE cp.Name = 'gateCode' AND lower(btrim(o.Status)) = ANY(%s) AND o.PlacedByUserProfileId IS NOT NULL LIMIT 1",
        (sorted(PURCHASE),),
    ).fetchone()
    assert order
    source.execute("UPDATE CustomProperty SET Value = 'G-1' WHERE Id = %s", (order["id"],))
    run = run_export(ORDERS)
    assert (run.summary["delivered"], run.summary["unchanged"]) == (1, delivered - 1)
    held = {row["order_id"]: row.get("gate_code") for row in account.dump("objects/orders")}
    assert held[order["ordernumber"]] == "G-1"
    # Unlike an export's window, the comparison of everything sees what has changed without a new ModifiedOn.
    source.execute("UPDATE CustomProperty SET Value = 'G-2' WHERE Id = %s", (order["id"],))
    repaired = run_by_hand(load_dag("odp_consistency"), Exports=[ORDERS], Repair=True)
    assert repaired.state == "success"
    result = repaired.run.get_task_instance(f"{ORDERS}.compare").xcom_pull(f"{ORDERS}.compare")
    assert (result["missing"], result["changed"], result["same"]) == (0, 1, delivered - 1)
    assert result["sample"]["different"] == 0
    held = {row["order_id"]: row.get("gate_code") for row in account.dump("objects/orders")}
    assert held[order["ordernumber"]] == "G-2"


def test_the_preflight_creates_the_fields(account: SandboxOdp, configure: Configure, source: Replica) -> None:
    configure(**DOCUMENTED, accept_shared_emails=True)
    assert run_by_hand(load_dag("odp_preflight")).state == "success"
    client = OdpClient(account.url, account.key)
    types = {name: read_schema(client)[name].fields for name in ("warehouses", "products", "businesses", "customers", "orders")}
    assert types["warehouses"]["dock_name"] == "string"
    assert {types["products"][name] for name in ("eco_score", "sale_percent")} == {"number"}
    assert (types["businesses"]["crm_credit_score"], types["businesses"]["last_order_at"]) == ("number", "timestamp")
    assert (types["customers"]["loyalty_tier"], types["customers"]["is_buyer_for_several"]) == ("string", "boolean")
    assert (types["orders"]["gate_code"], types["orders"]["line_count"]) == ("string", "number")
