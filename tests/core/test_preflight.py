"""The whole preflight, on real parts of which one is broken at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from odp.core.client import ClientOptions, OdpClient
from odp.core.exceptions import LedgerError, ReplicaError, SettingsError
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS
from odp.core.preflight import Preflight
from odp.core.preflight_account import Account
from odp.core.preflight_report import ALL_EXPORTS, Finding, Report
from odp.core.settings import Settings
from sandbox.odp.server import SandboxOdp
from tests.core.extraction import SQL, execute, insert

AREAS = {"replica", "e-mail", "orders", "ledger", "ODP", "schema"}


@pytest.fixture
def preflight(empty_replica: str, ledger_database: str, odp: SandboxOdp) -> Preflight:
    """A preflight in which all is well; replica and ledger share a database, which is a warning."""
    return Preflight(
        settings=Settings(),
        queries={path.name: path.read_text() for path in SQL.glob("*.sql")},
        connect_replica=lambda: psycopg.connect(empty_replica),
        connect_ledger=lambda: psycopg.connect(ledger_database),
        open_accounts={"odp_default": lambda: account(odp, odp.key)},
    )


def account(odp: SandboxOdp, key: str) -> Account:
    client = OdpClient(odp.url, key, ClientOptions(retry_budget=0))
    return Account(client=client, is_private="." in key, key_region="us1", region=None)


def failing(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def failures(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.verdict == "failure"]


def test_all_is_well(preflight: Preflight, odp: SandboxOdp) -> None:
    report = Report(preflight.run())
    assert (failures(report), report.impossible_exports) == ([], [])
    assert {finding.area for finding in report.findings} == AREAS
    assert [finding.subject for finding in report.findings if finding.verdict == "warning"] == ["database"]
    for export in EXPORTS:
        about = {finding.area for finding in report.findings if export.dag_id in finding.exports}
        assert {"replica", "schema"} <= about
    counts = odp.counts()
    assert (counts["profiles"], counts["events"], sum(counts["objects"].values())) == (0, {}, 0)


@pytest.mark.parametrize(
    ("part", "error", "area"),
    [
        ("connect_replica", ReplicaError("There is no connection commerce_db.", "Define it."), "replica"),
        ("connect_replica", psycopg.OperationalError("connection refused"), "replica"),
        ("connect_ledger", LedgerError("There is no connection odp_ledger.", "Define it."), "ledger"),
        ("open_accounts", SettingsError("There is no connection odp_default.", "Define it."), "ODP"),
    ],
)
def test_a_part_that_cannot_be_reached_fails_all_and_the_others_are_checked(
    preflight: Preflight, part: str, error: Exception, area: str
) -> None:
    broken: Any = {"odp_default": failing(error)} if part == "open_accounts" else failing(error)
    report = Report(replace(preflight, **{part: broken}).run())
    (failure,) = failures(report)
    assert (failure.area, failure.exports) == (area, ALL_EXPORTS)
    assert failure.cause in str(error)
    unseen = {"replica": {"e-mail", "orders"}, "ledger": set(), "ODP": {"schema"}}[area]
    assert {finding.area for finding in report.findings} == AREAS - unseen


def test_a_useless_key_keeps_the_schema_from_being_asked(preflight: Preflight, odp: SandboxOdp) -> None:
    report = Report(replace(preflight, open_accounts={"odp_default": lambda: account(odp, "nobody.nothing")}).run())
    assert [finding.area for finding in failures(report)] == ["ODP"]
    assert "schema" not in {finding.area for finding in report.findings}


def test_a_missing_table_fails_the_exports_that_read_it_only(preflight: Preflight, empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE OrderLine")
    report = Report(preflight.run())
    assert report.impossible_exports == [ORDERS.dag_id]
    assert "orders" in {finding.area for finding in report.findings}


def test_a_check_that_cannot_be_made_is_a_warning_and_hides_no_other(preflight: Preflight, empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE CustomerOrder")
    report = Report(preflight.run())
    assert report.impossible_exports == [ORDERS.dag_id]
    (finding,) = [finding for finding in report.findings if finding.area == "orders"]
    assert (finding.verdict, finding.subject) == ("warning", "status mapping, not checked")
    assert {finding.area for finding in report.findings} == AREAS


def test_a_contradicting_status_mapping_fails_orders(preflight: Preflight, empty_replica: str) -> None:
    values = "(gen_random_uuid(), 'Shipped', 'Purchase'), (gen_random_uuid(), 'Shipped', 'Cancel')"
    execute(empty_replica, f"INSERT INTO OrderStatusMapping (Id, ErpOrderStatus, OdpActionType) VALUES {values}")
    report = Report(preflight.run())
    assert report.impossible_exports == [ORDERS.dag_id]
    assert "contradicts itself" in failures(report)[0].cause


def test_missing_objects_fail_their_exports_when_nothing_is_created(preflight: Preflight) -> None:
    report = Report(replace(preflight, settings=Settings(create_schema=False)).run())
    assert report.impossible_exports == [
        *("warehouse_odp_export", "customer_odp_export", "customer_to_user_mapping_odp_export"),
    ]


def test_columns_added_in_sql_are_created_in_odp(preflight: Preflight) -> None:
    mapping = preflight.queries[PRODUCTS.sql].replace("p.ErpNumber AS", "p.UnitCost AS unit_cost, p.ErpNumber AS", 1)
    report = Report(replace(preflight, queries={**preflight.queries, PRODUCTS.sql: mapping}).run())
    (finding,) = [finding for finding in report.findings if finding.subject == "object products"]
    assert "field products.unit_cost" in finding.details["created"]


def test_no_personal_data_and_no_secret_in_the_report(preflight: Preflight, empty_replica: str, odp: SandboxOdp) -> None:
    insert(empty_replica, "UserProfile", 4, Email="'Private.Person@secret-shop.example'", UserName="'Private.Person' || n")
    report = Report(preflight.run())
    assert report.impossible_exports
    said = (json.dumps(report.as_dict()) + report.as_text()).lower()
    assert "p***@s***.example" in said
    for secret in ("private", "person", "secret-shop", odp.key.rpartition(".")[2]):
        assert secret not in said.replace("a private key", "")
