"""The setting convert_currency: amounts of orders by their ConversionRate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import Replica

AMOUNTS = ("total", "subtotal", "discount", "tax", "shipping", "item_price", "item_discount", "item_subtotal")


def from_customer_order(replica: Replica, code: str | None, rate: Decimal | None) -> str:
    """Add an order of 100 to CustomerOrder; return the file that reads it."""
    order = replica.add(
        "CustomerOrder",
        CurrencyId=replica.add("Currency", CurrencyCode=code) if code else UUID(int=9),
        ConversionRate=rate,
        OrderTotal=100,
        TaxAmount=9,
        ShippingCharges=4,
        HandlingCharges=0,
    )
    replica.add("OrderLine", CustomerOrderId=order, QtyOrdered=3, UnitRegularPrice=30, TotalRegularPrice=90, TotalNetPrice=88)
    replica.add("CustomerOrderPromotion", CustomerOrderId=order, Amount=1)
    return "orders.sql"


def from_order_history(replica: Replica, code: str | None, rate: Decimal | None) -> str:
    """Add the same order to OrderHistory; return the file that reads it."""
    order = replica.add(
        "OrderHistory",
        ErpOrderNumber="E1",
        CurrencyCode=code or "",
        ConversionRate=None if rate is None else float(rate),
        OrderTotal=100,
        OrderDiscountAmount=1,
        TaxAmount=9,
        ShippingCharges=4,
        HandlingCharges=0,
    )
    replica.add(
        "OrderHistoryLine",
        OrderHistoryId=order,
        ProductErpNumber="P",
        QtyOrdered=3,
        UnitRegularPrice=30,
        TotalRegularPrice=90,
        TotalNetPrice=88,
    )
    return "order_history.sql"


@pytest.mark.parametrize("add", [from_customer_order, from_order_history])
@pytest.mark.parametrize(
    ("code", "rate", "by", "factor", "currency", "reason"),
    [
        ("EUR", Decimal("1.25"), "multiply", Decimal("1.25"), "USD", None),
        ("EUR", Decimal("1.25"), "divide", Decimal("0.8"), "USD", None),
        ("EUR", Decimal("1.25"), "", Decimal(1), "EUR", None),
        ("usd", Decimal("1.25"), "multiply", Decimal(1), "usd", None),
        ("EUR", Decimal(0), "divide", Decimal(1), "EUR", "no ConversionRate from EUR"),
        ("EUR", None, "multiply", Decimal(1), "EUR", "no ConversionRate from EUR"),
        (None, Decimal("1.25"), "multiply", Decimal(1), None, None),
    ],
)
def test_amounts(
    replica: Replica,
    add: Any,
    code: str | None,
    rate: Decimal | None,
    by: str,
    factor: Decimal,
    currency: str | None,
    reason: str | None,
) -> None:
    file = add(replica, code, rate)

    row = replica.row(file, convert_to="USD" if by else "", convert_by=by)

    expected = dict(zip(AMOUNTS, map(Decimal, (100, 88, 1, 9, 4, 30, 2, 88)), strict=True))
    found = {name: row[name][0] if name.startswith("item_") else row[name] for name in AMOUNTS}
    assert found == {name: amount * factor for name, amount in expected.items()}
    assert (row["currency"] or None, row["original_currency"] or None, row["skip_reason"]) == (currency, code, reason)
    assert row["item_quantity"] == [3]
