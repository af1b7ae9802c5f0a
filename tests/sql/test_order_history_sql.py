"""order_history.sql: the orders that only the ERP has."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import NOW, Replica

FILE = "order_history.sql"
DAY = {"everything": False, "window_start": NOW - timedelta(days=1), "window_end": NOW}
LONG_AGO, TODAY = NOW - timedelta(days=9), NOW - timedelta(hours=1)


def order(replica: Replica, web: str = "", erp: str = "", **columns: Any) -> UUID:
    return replica.add("OrderHistory", WebOrderNumber=web, ErpOrderNumber=erp, **columns)


def numbers(replica: Replica, **parameters: Any) -> list[str]:
    return [row["order_id"] for row in replica.rows(FILE, **parameters)]


def test_every_field(replica: Replica) -> None:
    bill_to = replica.add("Customer", CustomerNumber="1000", CustomerSequence="", Email=" Info@Acme.example.com")
    ship_to = replica.add("Customer", CustomerNumber="1000", CustomerSequence="7")
    hammer = replica.add("Product", ErpNumber="H1")
    found = order(
        replica,
        erp="E9",
        OrderDate=LONG_AGO,
        ModifiedOn=TODAY,
        Status="Invoiced",
        CustomerNumber="1000",
        CustomerSequence="7",
        CustomerPO="PO",
        CurrencyCode="EUR",
        ConversionRate=0.5,
        OrderTotal=Decimal(50),
        ProductTotal=Decimal(45),
        OrderDiscountAmount=Decimal(2),
        TaxAmount=Decimal(3),
        ShippingCharges=Decimal(1),
        HandlingCharges=Decimal(1),
        BTCity="Leeds",
        STCity="York",
        OrderSource="Phone",
    )
    lines = [("H1", 2, 10, 18), ("GONE", 1, 27, 27), ("", 1, 1, 1), ("H1", 0, 1, 1)]
    for line, (product, quantity, unit, total) in enumerate(lines):
        replica.add(
            "OrderHistoryLine",
            OrderHistoryId=found,
            LineNumber=line,
            ProductErpNumber=product,
            QtyOrdered=quantity,
            UnitRegularPrice=unit,
            TotalRegularPrice=quantity * unit,
            TotalNetPrice=total,
        )

    row = replica.row(FILE)

    assert {name: value for name, value in row.items() if value not in (None, "")} == {
        "order_id": "E9",
        "order_status": "Invoiced",
        "purchased_at": LONG_AGO,
        "cancelled_at": TODAY,
        "identifier_email": "info@acme.example.com",
        "total": 50,
        "discount": 2,
        "subtotal": 45,
        "tax": 3,
        "shipping": 2,
        "bill_address": "Leeds",
        "ship_address": "York",
        "commerce_status": "Invoiced",
        "erp_order_number": "E9",
        "customer_po": "PO",
        "order_source": "Phone",
        "currency": "EUR",
        "original_currency": "EUR",
        "conversion_rate": 0.5,
        "business_id": bill_to,
        "ship_to_business_id": ship_to,
        "item_product_id": [str(hammer), "GONE"],
        "item_price": [10, 27],
        "item_quantity": [2, 1],
        "item_discount": [2, 0],
        "item_subtotal": [18, 27],
    }


def test_what_customer_order_has_is_left_to_it(replica: Replica) -> None:
    replica.add("CustomerOrder", OrderNumber="W1", ErpOrderNumber="", Status="Saved")
    replica.add("CustomerOrder", OrderNumber="W2", ErpOrderNumber="E2")
    replica.add("CustomerOrder", OrderNumber="", ErpOrderNumber="")
    for web, erp in (("W1", "E1"), (" W1 ", "E11"), ("", "E2"), ("W3", "E3"), ("", "E4"), ("", "")):
        order(replica, web, erp)

    assert sorted(filter(None, numbers(replica))) == ["E4", "W3"]


def test_an_erp_number_that_is_another_orders_number_is_skipped(replica: Replica) -> None:
    replica.add("CustomerOrder", OrderNumber="1001", ErpOrderNumber="E1")
    order(replica, erp="1001")
    order(replica, erp="1002")

    assert {row["order_id"]: row["skip_reason"] for row in replica.rows(FILE)} == {
        "1001": "its ERP number is the number of another order",
        "1002": None,
    }


@pytest.mark.parametrize(
    ("people", "mode", "email", "person"),
    [
        (["ana"], "unique", "ana@example.com", "ana"),
        (["ana"], "non_unique", None, "ana"),
        (["ana", "guest"], "unique", "ana@example.com", "ana"),
        (["ana", "ben"], "unique", "info@example.com", None),
        ([], "unique", "info@example.com", None),
        ([], "non_unique", None, None),
    ],
)
def test_the_person_is_the_accounts_only_user(
    replica: Replica, people: list[str], mode: str, email: str | None, person: str | None
) -> None:
    account = replica.add("Customer", CustomerNumber="1", CustomerSequence="", Email="Info@example.com")
    ids = {name: replica.add("UserProfile", Email=f"{name}@example.com", IsGuest=name == "guest") for name in people}
    for user in ids.values():
        replica.add("CustomerUserProfile", CustomerId=account, UserProfileId=user)
    order(replica, erp="E1", CustomerNumber="1")

    row = replica.row(FILE, email_mode=mode)

    assert (row["identifier_email"], row["identifier_business_user_id"]) == (email, ids[person] if person else None)


def test_the_window_and_ids(replica: Replica) -> None:
    order(replica, "W1", ModifiedOn=LONG_AGO)
    by_line = order(replica, "W2", ModifiedOn=LONG_AGO)
    order(replica, "W3", "E3", ModifiedOn=TODAY)
    replica.add("OrderHistoryLine", OrderHistoryId=by_line, ModifiedOn=TODAY)

    assert set(numbers(replica)) == {"W1", "W2", "W3"}
    assert set(numbers(replica, **DAY)) == {"W2", "W3"}
    assert numbers(replica, all_ids=False, ids=[by_line]) == ["W2"]
    assert numbers(replica, all_ids=False, numbers=["E3"]) == ["W3"]
    assert numbers(replica, all_ids=False, numbers=["W1"], **DAY) == []
