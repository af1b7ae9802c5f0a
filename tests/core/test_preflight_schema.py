"""ODP's schema against what the exports need: created, or named as missing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from odp.core.client import ClientOptions, OdpClient
from odp.core.contract import Column, extended_contract
from odp.core.exports import CUSTOMERS, EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES
from odp.core.odp_schema import ensure_schema
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.preflight_report import Finding
from odp.core.preflight_schema import check_schema
from odp.core.records import Record, Warehouse
from odp.core.settings import Settings
from sandbox.odp.server import SandboxOdp
from tests.core.staged import columns_of

RELATIONS = 8


@pytest.fixture
def client(odp: SandboxOdp) -> OdpClient:
    return OdpClient(odp.url, odp.key, ClientOptions(retry_budget=0))


def contracts(**settings: Any) -> dict[str, type[Record]]:
    return {export.dag_id: export.contract_for(Settings(**settings)) for export in EXPORTS}


def check(client: OdpClient, **settings: Any) -> list[Finding]:
    return check_schema(client, contracts(**settings), Settings(**settings))


def verdicts(findings: list[Finding]) -> dict[str, str]:
    assert len({finding.subject for finding in findings}) == len(findings)
    return {finding.subject: finding.verdict for finding in findings}


def created(findings: list[Finding]) -> list[str]:
    return [line for finding in findings for line in finding.details.get("created", [])]


def create(client: OdpClient, path: str, **definition: Any) -> None:
    assert client.request("POST", f"/schema/{path}", orjson.dumps(definition)).status < 300


OBJECTS = dict.fromkeys((f"object {export.contract.object_name}" for export in EXPORTS), "ok")


def test_what_is_missing_is_created_once(odp: SandboxOdp, client: OdpClient) -> None:
    findings = check(client)
    assert verdicts(findings) == OBJECTS
    made = created(findings)
    assert {"object warehouses", "field products.product_number", "identifier business_user_id"} <= set(made)
    assert sum(line.startswith("relation ") for line in made) == RELATIONS
    by_subject = {finding.subject: finding for finding in findings}
    assert by_subject["object businesses"].cause == "Complete. Created just now: 1 object, 2 relations."
    again = check(client)
    assert (verdicts(again), created(again)) == (OBJECTS, [])
    assert {finding.cause for finding in again} == {"Complete."}


def test_nothing_is_created_when_the_setting_is_off(odp: SandboxOdp, client: OdpClient) -> None:
    findings = check(client, create_schema=False)
    assert not [request for request in odp.requests(path="/v3/schema") if request["method"] == "POST"]
    failed = {finding.subject: finding for finding in findings if finding.verdict == "failure"}
    assert set(failed) == {"object warehouses", "object businesses", "object business_users"}
    assert failed["object warehouses"].exports == (WAREHOUSES.dag_id,)
    assert failed["object warehouses"].cause == "ODP has no object warehouses."
    assert failed["object warehouses"].remedy == "Create it in ODP, or set create_schema to true in odp_settings."
    warned = [finding for finding in findings if finding.verdict == "warning"]
    assert {finding.subject for finding in warned} == {
        *("fields of products", "fields of customers", "fields of orders"),
        *("relations of customers", "relations of orders", "identifier business_user_id"),
    }
    (products,) = [finding for finding in warned if finding.subject == "fields of products"]
    assert "ODP has no field product_number, " in products.cause
    assert (products.exports, "Create them in ODP" in products.remedy) == ((PRODUCTS.dag_id,), True)


def test_a_dry_run_says_what_would_be_created_and_creates_nothing(odp: SandboxOdp, client: OdpClient) -> None:
    findings = check_schema(client, contracts(), Settings(), dry_run=True)
    assert not [request for request in odp.requests(path="/v3/schema") if request["method"] == "POST"]
    assert verdicts(findings) == OBJECTS
    causes = {finding.subject: finding.cause for finding in findings}
    assert causes["object businesses"] == "A run that is no dry run will create 1 object, 2 relations."
    made = {finding.subject: finding.cause for finding in check(client)}
    for subject in OBJECTS.keys() - {"object orders"}:  # whose identifier is created with the customers
        assert causes[subject].partition("will create ")[2] == made[subject].partition("Created just now: ")[2]
    assert {finding.cause for finding in check_schema(client, contracts(), Settings(), dry_run=True)} == {"Complete."}


@pytest.mark.parametrize(("mode", "verdict"), [("unique", "warning"), ("non_unique", "failure")])
def test_without_the_identifier_of_people_the_mode_decides(client: OdpClient, mode: str, verdict: str) -> None:
    findings = check(client, create_schema=False, email_mode=mode)
    found = [finding for finding in findings if finding.subject == "identifier business_user_id"]
    assert {finding.verdict for finding in found} == {verdict}
    assert {export for finding in found for export in finding.exports} == {USER_PROFILES.dag_id, ORDERS.dag_id}


@pytest.mark.parametrize(("mode", "verdict"), [("unique", "warning"), ("non_unique", "failure")])
def test_an_identifier_that_is_a_plain_field_identifies_nobody(client: OdpClient, mode: str, verdict: str) -> None:
    create(client, "objects/customers/fields", name="business_user_id", display_name="Business User ID", type="string")
    findings = check(client, email_mode=mode)
    (found,) = [finding for finding in findings if finding.subject == "identifier business_user_id"]
    assert (found.verdict, found.exports) == (verdict, (USER_PROFILES.dag_id,))
    assert "as a field of type string, which identifies nobody" in found.cause


def test_a_column_added_in_sql_is_needed_too(client: OdpClient) -> None:
    ensure_schema(client, Warehouse)
    extended = extended_contract(Warehouse, [*columns_of(Warehouse), Column("dock_count", "number")], ITEM_COLUMNS)
    (finding,) = check_schema(client, {WAREHOUSES.dag_id: extended}, Settings(create_schema=False))
    assert (finding.subject, finding.verdict) == ("fields of warehouses", "warning")
    assert finding.cause == "ODP has no field dock_count: it drops their values."
    (finding,) = check_schema(client, {WAREHOUSES.dag_id: extended}, Settings())
    assert (finding.verdict, finding.details) == ("ok", {"created": ["field warehouses.dock_count"]})


def test_an_object_with_another_key_is_a_failure(client: OdpClient) -> None:
    fields = [{"name": "code", "display_name": "Code", "type": "string", "primary": True}]
    create(client, "objects", name="warehouses", display_name="Warehouses", alias="warehouse", public_read=False, fields=fields)
    findings = check(client)
    (finding,) = [finding for finding in findings if finding.verdict == "failure"]
    rehearsed = check_schema(client, contracts(), Settings(), dry_run=True)
    assert [again.cause for again in rehearsed if again.verdict == "failure"] == [finding.cause]
    assert (finding.subject, finding.exports) == ("object warehouses", (WAREHOUSES.dag_id,))
    assert finding.cause == "Its key in ODP is code, but rows are sent by warehouse_id."
    assert "include/sql/warehouses.sql" in finding.remedy


def test_a_field_of_another_type_is_a_warning(client: OdpClient) -> None:
    create(client, "objects/products/fields", name="price_code", display_name="Price Code", type="number")
    (finding,) = [finding for finding in check(client) if finding.verdict != "ok"]
    assert (finding.subject, finding.verdict) == ("field products.price_code", "warning")
    assert "ODP has it as number" in finding.cause


def test_a_relation_that_odp_refuses_keeps_nothing_else_from_being_created(odp: SandboxOdp, client: OdpClient) -> None:
    body = {"detail": {"invalids": [{"field": "child_object", "reason": "may not be related"}]}}
    odp.faults(method="POST", path="/v3/schema/objects/businesses/relations", status=400, body=body, count=2)
    findings = check(client)
    (finding,) = [finding for finding in findings if finding.verdict != "ok"]
    assert (finding.subject, finding.verdict, finding.exports) == ("relations of businesses", "warning", (CUSTOMERS.dag_id,))
    assert "parent_business (to businesses), default_warehouse (to warehouses)" in finding.cause
    assert "object business_users" in created(findings)


def test_a_creation_that_odp_refuses_fails_that_export_and_the_others_go_on(odp: SandboxOdp, client: OdpClient) -> None:
    odp.faults(method="POST", path="/v3/schema/objects/products/fields", status=403, body={"message": "Forbidden"})
    findings = check(client)
    (finding,) = [finding for finding in findings if finding.verdict != "ok"]
    assert (finding.subject, finding.verdict) == ("creating what products lacks", "failure")
    assert finding.exports == (PRODUCTS.dag_id,)
    assert "ODP refuses to create product_number with this API key." in finding.cause
    assert "create_schema to false" in finding.remedy
    assert verdicts(findings).keys() == (OBJECTS.keys() - {"object products"}) | {"creating what products lacks"}


def test_a_schema_that_cannot_be_read_is_a_warning_where_nothing_is_created(odp: SandboxOdp, client: OdpClient) -> None:
    odp.faults(path="/v3/schema", status=403, body={"message": "Forbidden"})
    (finding,) = check(client, create_schema=False)
    assert (finding.verdict, finding.subject) == ("warning", "objects and fields")
    assert "403" in finding.cause
