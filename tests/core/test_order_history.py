"""Currency conversion and OrderHistory on a real replica, from the rows to the items that go out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odp.core.exceptions import ReplicaError
from odp.core.exports import ORDERS
from tests.core.extraction import SQL, Extraction, execute, insert

PURCHASES = {"Invoiced": "purchase", "Submitted": "purchase"}
ORDERS_SQL = (SQL / ORDERS.sql).read_text()


@pytest.fixture
def shop(empty_replica: str) -> str:
    """A replica with the web order W1, which the ERP knows as well, and the order E2, which only the ERP knows."""
    insert(empty_replica, "Currency", CurrencyCode="'EUR'", CurrencySymbol="''", Description="''", IsDefault="true")
    insert(
        empty_replica,
        "CustomerOrder",
        OrderNumber="'W1'",
        Status="'Submitted'",
        OrderDate="now()",
        OrderTotal="10",
        BtEmail="'a@example.com'",
        CurrencyId="lpad('1', 32, '0')::uuid",
        ConversionRate="2",
    )
    insert(empty_replica, "Customer", CustomerNumber="'C1'", Email="'c@example.com'")
    insert(
        empty_replica,
        "OrderHistory",
        2,
        WebOrderNumber="CASE n WHEN 1 THEN 'W1' ELSE '' END",
        ErpOrderNumber="'E' || n",
        Status="'Invoiced'",
        OrderDate="now()",
        OrderTotal="30",
        CustomerNumber="'C1'",
        CurrencyCode="'EUR'",
        ConversionRate="3",
    )
    insert(empty_replica, "OrderHistoryLine", OrderHistoryId="lpad('2', 32, '0')::uuid", ProductErpNumber="'P'", QtyOrdered="1")
    return empty_replica


def orders(extraction: Extraction) -> dict[str, dict[str, Any]]:
    return {item["data"]["order"]["order_id"]: item["data"]["order"] for item in extraction.items}


def test_it_is_off_by_default_and_read_once_with_the_setting(shop: str, tmp_path: Path) -> None:
    assert set(orders(Extraction(shop, ORDERS, tmp_path, order_status=PURCHASES))) == {"W1"}

    sent = orders(Extraction(shop, ORDERS, tmp_path, order_status=PURCHASES, order_history=True))

    assert set(sent) == {"W1", "E2"}
    assert sent["W1"]["total"] == 10
    assert sent["E2"]["total"] == 30
    assert [item["product_id"] for item in sent["E2"]["items"]] == ["P"]
    assert not any("original_currency" in order for order in sent.values())


def test_both_sources_are_converted(shop: str, tmp_path: Path) -> None:
    settings = {"order_status": PURCHASES, "order_history": True, "convert_currency": {"to": "usd", "by": "multiply"}}
    sent = orders(Extraction(shop, ORDERS, tmp_path, **settings))

    assert {number: (order["total"], order["currency"], order["original_currency"]) for number, order in sent.items()} == {
        "W1": (20, "USD", "EUR"),
        "E2": (90, "USD", "EUR"),
    }


def test_rejects_of_it_are_read_again(shop: str, tmp_path: Path) -> None:
    retried = ("00000000-0000-0000-0000-000000000002",)
    extraction = Extraction(shop, ORDERS, tmp_path, ids=[], retried=retried, order_status=PURCHASES, order_history=True)
    assert set(orders(extraction)) == {"E2"}


def test_a_replica_without_it_is_fine(shop: str, tmp_path: Path) -> None:
    execute(shop, "DROP TABLE OrderHistory", "DROP TABLE OrderHistoryLine")
    extraction = Extraction(shop, ORDERS, tmp_path, order_status=PURCHASES, order_history=True)
    assert set(orders(extraction)) == {"W1"}
    assert {"OrderHistory", "OrderHistoryLine"} <= set(extraction.manifest["absent"])


def test_columns_added_to_orders_are_empty_in_it(shop: str, tmp_path: Path) -> None:
    mapping = ORDERS_SQL.replace("    o.Status AS commerce_status,", "    o.Status AS commerce_status, o.OrderDate AS agreed_at,")
    sent = orders(Extraction(shop, ORDERS, tmp_path, mapping=mapping, order_status=PURCHASES, order_history=True))
    assert {number for number, order in sent.items() if "agreed_at" in order} == {"W1"}


def test_a_column_that_orders_lack_is_named(shop: str, tmp_path: Path) -> None:
    mapping = ORDERS_SQL.replace("    o.CustomerPO AS customer_po,\n", "")
    with pytest.raises(ReplicaError, match="order_history.sql selects customer_po, which orders.sql does not"):
        Extraction(shop, ORDERS, tmp_path, mapping=mapping, order_history=True)
