"""The table CustomProperty: names, types, collisions, and what arrives in ODP; and the rules that hold for all custom fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import psycopg
import pytest

from odp.core.client import OdpClient
from odp.core.custom_properties import snake_case
from odp.core.exceptions import CustomPropertyError
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES, Export
from odp.core.extract import MANIFEST
from odp.core.parts import load_part, run_contract
from odp.core.preflight_replica import check_export
from odp.core.settings import Settings
from sandbox.odp.server import SandboxOdp
from tests.core.custom import CustomRun, add_property, add_warehouses, own
from tests.core.extraction import NOW, SQL, execute, insert

Start: TypeAlias = Callable[..., CustomRun]


@pytest.fixture
def start(replica_without_rows: str, shared_ledger: str, tmp_path: Path) -> Start:
    """Return a function that extracts an export with custom properties."""

    def extract(export: Export = WAREHOUSES, **custom: Any) -> CustomRun:
        return CustomRun(replica_without_rows, shared_ledger, export, tmp_path, custom)

    return extract


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("PreferredColor", "preferred_color"),
        ("Preferred Color", "preferred_color"),
        ("creditScore", "credit_score"),
        ("ERPNumber", "erp_number"),
        ("already_snake", "already_snake"),
        ("Größe (cm)", "grosse_cm"),
        ("Café-Type", "cafe_type"),
        ("2ndName", "2nd_name"),
        ("數量", ""),
    ],
)
def test_names_become_snake_case(name: str, field: str) -> None:
    assert snake_case(name) == field


class TestTable:
    def test_chosen_properties_become_fields_of_their_type(self, start: Start, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 3)
        for name, value in (
            ("DockCount", "12"),
            ("Is Cold", "True"),
            ("OpenedOn", "5/1/2024"),
            ("Note", " dry "),
            ("Other", "x"),
        ):
            add_property(replica_without_rows, "Warehouse", 1, name, value)
        add_property(replica_without_rows, "Warehouse", 2, "DockCount", "")
        add_property(replica_without_rows, "Product", 3, "DockCount", "99")
        run = start(properties={"DockCount": "number", "Is Cold": "boolean", "OpenedOn": "timestamp", "Note": "string"})
        assert own(run.items()) == {
            1: {"dock_count": 12.0, "is_cold": True, "opened_on": 1714521600, "note": "dry"},
            2: {},
            3: {},
        }

    def test_a_star_takes_all_that_are_not_named(self, start: Start, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 1)
        for name in ("DockCount", "Note", "Secret", "IsB2B"):
            add_property(replica_without_rows, "Warehouse", 1, name, "1")
        chosen = {"*": "string", "DockCount": "number", "Secret": None, "IsB2B": {"type": "boolean", "field": "is_b2b"}}
        assert own(start(properties=chosen, prefix="crm_").items()) == {
            1: {"crm_dock_count": 1.0, "crm_note": "1", "is_b2b": True}
        }

    def test_a_star_without_any_property_is_no_field(self, start: Start, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 1)
        assert own(start(properties="*").items()) == {1: {}}

    def test_of_several_rows_the_last_modified_counts(self, start: Start, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 1)
        for value, modified_on in (("old", "2026-01-01"), ("new", "2026-03-01"), ("older", "2025-01-01")):
            add_property(replica_without_rows, "Warehouse", 1, "Note", value, modified_on)
        assert own(start(properties=["Note"]).items()) == {1: {"note": "new"}}

    def test_values_are_found_for_each_part(
        self, start: Start, replica_without_rows: str, shared_ledger: str, tmp_path: Path
    ) -> None:
        add_warehouses(replica_without_rows, 5)
        for entity in range(1, 6):
            add_property(replica_without_rows, "Warehouse", entity, "Note", f"n{entity}")
        custom = {"properties": ["Note"]}
        run = CustomRun(replica_without_rows, shared_ledger, WAREHOUSES, tmp_path / "parts", custom, settings={"part_rows": 2})
        assert len(run.extraction.parts) == 3
        assert own(run.items()) == {entity: {"note": f"n{entity}"} for entity in range(1, 6)}

    def test_an_entity_that_is_read_twice_has_them_too(
        self, replica_without_rows: str, shared_ledger: str, tmp_path: Path
    ) -> None:
        add_warehouses(replica_without_rows, 1)
        add_property(replica_without_rows, "Warehouse", 1, "Note", "x")
        retried = ("00000000-0000-0000-0000-000000000001",)
        run = CustomRun(replica_without_rows, shared_ledger, WAREHOUSES, tmp_path, {"properties": ["Note"]}, retried=retried)
        assert run.extraction.parts[0]["rows"] == 2
        assert own(run.items()) == {1: {"note": "x"}}

    def test_a_value_of_another_type_rejects_its_row(self, start: Start, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 2)
        add_property(replica_without_rows, "Warehouse", 1, "DockCount", "many")
        run = start(properties={"DockCount": "number"})
        [transformed] = run.transform()
        assert (transformed["records"], transformed["rejected"]) == (1, 1)
        [reject] = run.rejects(transformed)
        assert reject["reason"] == "dock_count must be a finite number"
        assert reject["row"]["dock_count"] == "many"

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["Note", "note"], "'Note' and 'note' of Warehouse would both become the field note"),
            (["Big Note", "BigNote"], "would both become the field big_note"),
            (["2ndName"], "'2ndName' of Warehouse gives no field's name: '2nd_name'"),
        ],
    )
    def test_names_that_cannot_be_are_refused(self, start: Start, names: list[str], message: str) -> None:
        with pytest.raises(CustomPropertyError, match=message) as error:
            start(properties=names)
        assert '{"field": "..."}' in error.value.remedy

    @pytest.mark.parametrize("change", ["DROP TABLE CustomProperty", "ALTER TABLE CustomProperty DROP COLUMN Value"])
    def test_a_replica_without_properties_is_named(
        self, empty_replica: str, shared_ledger: str, tmp_path: Path, change: str
    ) -> None:
        execute(empty_replica, change)
        with pytest.raises(CustomPropertyError, match=r"custom properties of Warehouse, but the replica lacks CustomProperty"):
            CustomRun(empty_replica, shared_ledger, WAREHOUSES, tmp_path, {"properties": ["Note"]})

    def test_a_changed_property_is_in_the_window_and_changes_the_record(
        self, start: Start, replica_without_rows: str, shared_ledger: str, tmp_path: Path, odp: SandboxOdp
    ) -> None:
        add_warehouses(replica_without_rows, 2)
        add_property(replica_without_rows, "Warehouse", 1, "Note", "x")
        run = start(properties=["Note"])
        deliver(run, odp)
        assert [transformed["unchanged"] for transformed in start(properties=["Note"]).transform()] == [2]
        execute(replica_without_rows, "UPDATE CustomProperty SET Value = 'y', ModifiedOn = '2026-12-01'")
        assert own(start(properties=["Note"]).items()) == {1: {"note": "y"}}


def deliver(run: CustomRun, odp: SandboxOdp) -> None:
    client = OdpClient(odp.url, odp.key)
    for transformed in run.transform():
        with run.ledger() as ledger:
            load_part(
                *(run.export, transformed, client, run.settings, run.staging, ledger),
                run_id="run",
                dry_run=False,
                repeated=False,
            )


class TestRules:
    @pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
    def test_a_key_is_never_replaced(self, start: Start, export: Export) -> None:
        key = export.contract.key[0]
        with pytest.raises(CustomPropertyError, match=f"gives {key}, which tells records of {export.dag_id} apart"):
            start(export, properties={"X": {"field": key}}, allow_override=[key])

    @pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
    def test_every_export_takes_properties_of_its_table(self, start: Start, export: Export) -> None:
        run = start(export, properties={"Note": "number"})
        contract, _ = run_contract(export, run.settings, run.staging.read_json(MANIFEST))
        assert "note" in contract.model_fields
        assert contract.key == export.contract_for(run.settings).key

    @pytest.mark.parametrize(
        ("export", "field"),
        [
            (ORDERS, "order_status"),
            (ORDERS, "identifier_email"),
            (ORDERS, "purchased_at"),
            (ORDERS, "items"),
            (ORDERS, "ts"),
            (ORDERS, "status"),
            (ORDERS, "item_price"),
            (ORDERS, "item_color"),
            (ORDERS, "entity_id"),
            (WAREHOUSES, "skip_reason"),
            (USER_PROFILES, "business_user_id"),
        ],
    )
    def test_what_decides_how_a_record_is_sent_is_never_replaced(self, start: Start, export: Export, field: str) -> None:
        with pytest.raises(CustomPropertyError, match=f"gives {field}, which tells records"):
            start(export, properties={"X": {"field": field}}, allow_override=[field])

    def test_a_field_of_the_mapping_is_replaced_only_when_it_is_listed(self, start: Start, replica_without_rows: str) -> None:
        insert(replica_without_rows, "Warehouse", 2, Name="'W' || n", Hours="'9-5'", Latitude="1", Longitude="1")
        add_property(replica_without_rows, "Warehouse", 1, "Hours", "always")
        add_property(replica_without_rows, "Warehouse", 1, "Latitude", "50.5")
        with pytest.raises(
            CustomPropertyError, match="gives hours, which the mapping of warehouse_odp_export gives already"
        ) as error:
            start(properties=["Hours"])
        assert "allow_override" in error.value.remedy
        run = start(properties=["Hours", "Latitude"], allow_override=["hours", "latitude"], missing="null")
        assert own(run.items(), "longitude") == {1: {"hours": "always", "latitude": 50.5}, 2: {"hours": "9-5", "latitude": 1.0}}

    def test_a_field_of_the_contract_that_no_column_feeds_can_be_given(self, start: Start, replica_without_rows: str) -> None:
        insert(
            replica_without_rows,
            "CustomerOrder",
            OrderNumber="'W1'",
            Status="'Submitted'",
            OrderDate="now()",
            BTEmail="'a@example.com'",
        )
        add_property(replica_without_rows, "CustomerOrder", 1, "CouponCode", "SAVE")
        [event] = start(ORDERS, properties=["CouponCode"]).items()
        assert event["data"]["order"]["coupon_code"] == "SAVE"

    def test_without_entity_id_no_row_can_be_found(self, replica_without_rows: str, shared_ledger: str, tmp_path: Path) -> None:
        mapping = "SELECT w.Id AS warehouse_id FROM Warehouse w"
        with pytest.raises(CustomPropertyError, match="does not select entity_id"):
            CustomRun(replica_without_rows, shared_ledger, WAREHOUSES, tmp_path, {"properties": "*"}, mapping=mapping)


class TestMissing:
    def test_null_clears_what_odp_has(self, start: Start, replica_without_rows: str, odp: SandboxOdp) -> None:
        add_warehouses(replica_without_rows, 2)
        add_property(replica_without_rows, "Warehouse", 1, "Note", "x")
        add_property(replica_without_rows, "Warehouse", 2, "Note", "y")
        deliver(start(properties=["Note"]), odp)
        execute(replica_without_rows, "DELETE FROM CustomProperty WHERE Value = 'x'")
        deliver(start(properties=["Note"]), odp)
        held = {row["name"]: row.get("note") for row in odp.dump("objects/warehouses")}
        assert held == {"W1": "x", "W2": "y"}  # left out is kept
        # The content is another one now, although the same values are given.
        deliver(start(properties=["Note"], missing="null"), odp)
        held = {row["name"]: row.get("note") for row in odp.dump("objects/warehouses")}
        assert held == {"W1": None, "W2": "y"}
        assert [transformed["unchanged"] for transformed in start(properties=["Note"], missing="null").transform()] == [2]

    def test_null_is_sent_for_people_and_orders_as_well(self, start: Start, replica_without_rows: str) -> None:
        insert(replica_without_rows, "UserProfile", Email="'a@example.com'", UserName="'say \"x\\u0000\":'")
        [profile] = start(USER_PROFILES, properties=["Note"], missing="null").items()
        assert profile["attributes"]["note"] is None
        assert profile["attributes"]["user_name"] == 'say "x\\u0000":'
        insert(
            replica_without_rows,
            "CustomerOrder",
            OrderNumber="'W1'",
            Status="'Submitted'",
            OrderDate="now()",
            BTEmail="'a@example.com'",
        )
        [event] = start(ORDERS, properties=["Note"], missing="null").items()
        assert event["data"]["order"]["note"] is None
        assert "note" not in orjson.dumps(event["data"]["order"].get("items", [])).decode()


class TestPreflight:
    def check(self, dsn: str, export: Export, custom: dict[str, Any]) -> Any:
        settings = Settings.model_validate({"exports": {export.dag_id: {"custom": custom}}})
        with psycopg.connect(dsn) as connection:
            return check_export(connection, export, (SQL / export.sql).read_text(), settings, NOW)

    def test_it_adds_the_fields_and_says_where_from(self, replica_without_rows: str) -> None:
        add_property(replica_without_rows, "Product", 1, "EcoScore", "1")
        (_, finding), contract = self.check(replica_without_rows, PRODUCTS, {"properties": {"EcoScore": "number"}})
        assert (finding.verdict, finding.remedy) == ("ok", "")
        assert finding.cause == "Custom fields: eco_score (from CustomProperty 'EcoScore' of Product)."
        assert "eco_score" in contract.model_fields

    def test_it_names_properties_that_no_entity_has(self, replica_without_rows: str) -> None:
        add_property(replica_without_rows, "Product", 1, "EcoScore", "1")
        (_, finding), _ = self.check(replica_without_rows, PRODUCTS, {"properties": ["ecoscore"]})
        assert finding.verdict == "warning"
        assert "No row of CustomProperty of Product is called ecoscore." in finding.cause
        assert finding.remedy.endswith("as written: EcoScore.")

    def test_what_cannot_be_is_a_failure(self, replica_without_rows: str) -> None:
        (finding,), contract = self.check(replica_without_rows, PRODUCTS, {"properties": ["Name"]})
        assert (finding.verdict, contract) == ("failure", None)
        assert "which the mapping of product_odp_export gives already" in finding.cause
