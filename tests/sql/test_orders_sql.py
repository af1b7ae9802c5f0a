"""orders.sql: one row per order, its lines as arrays; and the side query of the status mapping."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import NOW, Replica, sql_text

HOUR = timedelta(hours=1)


def decimals(**values: str | int | None) -> dict[str, Decimal | None]:
    """Read amounts."""
    return {name: None if value is None else Decimal(value) for name, value in values.items()}


def test_every_field(replica: Replica) -> None:
    person = replica.add("UserProfile", Email=" Ana.Ruiz@Example.com")
    customer, ship_to = replica.add("Customer"), replica.add("Customer")
    warehouse = replica.add("Warehouse")
    hammer, nails = UUID(int=11), UUID(int=12)
    order = replica.add(
        "CustomerOrder",
        OrderNumber="WEB001",
        Status="Submitted",
        OrderDate=NOW - HOUR,
        ModifiedOn=NOW,
        PlacedByUserProfileId=person,
        CustomerId=customer,
        ShipToId=ship_to,
        DefaultWarehouseId=warehouse,
        CurrencyId=replica.add("Currency", CurrencyCode="USD"),
        WebsiteId=replica.add("Website", Name="Main"),
        BTFirstName="Ana",
        BTLastName="Ruiz",
        BTEmail="billing@acme.example.com",
        BTPhone="555-0100",
        BTAddress1="1 Main St ",
        BTAddress2="",
        BTAddress3="Floor 3",
        BTAddress4=None,
        BTCity="Springfield",
        BTState="IL",
        BTPostalCode="62701",
        BTCountry="United States",
        STAddress1="Dock 4",
        STAddress2="Gate 2",
        STAddress3="Hall 3",
        STAddress4="Shelf 4",
        STCity="Peoria",
        STState="IL",
        STPostalCode="61602",
        STCountry="United States",
        ErpOrderNumber="E77",
        CustomerPO="PO-5",
        FulfillmentMethod="Ship",
        OrderSource="Web",
        OrderDeviceType="Desktop",
        IsGuestOrder=False,
        **decimals(
            OrderTotal="52.48", TaxAmount="4.50", StateTax="3", ShippingCharges="5", HandlingCharges="1", ConversionRate="1"
        ),
    )
    replica.add(
        "OrderLine",
        CustomerOrderId=order,
        Line=2,
        ProductId=nails,
        **decimals(QtyOrdered=3, UnitRegularPrice=8, UnitNetPrice=8, TotalRegularPrice=24, TotalNetPrice=24),
    )
    replica.add(
        "OrderLine",
        CustomerOrderId=order,
        Line=1,
        ProductId=hammer,
        **decimals(QtyOrdered=2, UnitRegularPrice="10.50", UnitNetPrice="9.99", TotalRegularPrice=21, TotalNetPrice="19.98"),
    )
    replica.add("CustomerOrderPromotion", CustomerOrderId=order, Amount=1.1)
    replica.add("CustomerOrderPromotion", CustomerOrderId=order, Amount=0.9)
    replica.add("CustomerOrderPromotion", CustomerOrderId=order, Amount=7, OrderLineId=UUID(int=1))

    assert replica.row("orders.sql") == {
        "order_id": "WEB001",
        "order_status": "Submitted",
        "purchased_at": NOW - HOUR,
        "cancelled_at": NOW,
        "identifier_email": "ana.ruiz@example.com",
        "identifier_business_user_id": person,
        "total": Decimal("52.48"),
        "discount": Decimal("2.0"),
        "subtotal": Decimal("43.98"),
        "tax": Decimal("4.50"),
        "shipping": Decimal("6"),
        "first_name": "Ana",
        "last_name": "Ruiz",
        "email": "billing@acme.example.com",
        "phone": "555-0100",
        "bill_address": "1 Main St, Floor 3, Springfield, IL, 62701, United States",
        "ship_address": "Dock 4, Gate 2, Hall 3, Shelf 4, Peoria, IL, 61602, United States",
        "commerce_status": "Submitted",
        "erp_order_number": "E77",
        "customer_po": "PO-5",
        "fulfillment_method": "Ship",
        "order_source": "Web",
        "order_device_type": "Desktop",
        "is_guest_order": False,
        "currency": "USD",
        "original_currency": "USD",
        "conversion_rate": Decimal("1"),
        "business_id": customer,
        "ship_to_business_id": ship_to,
        "warehouse_id": warehouse,
        "website": "Main",
        "item_product_id": [hammer, nails],
        "item_price": [Decimal("10.50"), Decimal(8)],
        "item_quantity": [Decimal(2), Decimal(3)],
        "item_discount": [Decimal("1.02"), Decimal(0)],
        "item_subtotal": [Decimal("19.98"), Decimal(24)],
        "skip_reason": None,
    }


def test_a_bare_cart_has_a_row(replica: Replica) -> None:
    replica.add("CustomerOrder")

    row = replica.row("orders.sql")

    assert {name: value for name, value in row.items() if value} == {}


def test_a_cancelled_order_without_time_of_change_takes_its_date(replica: Replica) -> None:
    replica.add("CustomerOrder", OrderDate=NOW)

    assert replica.row("orders.sql")["cancelled_at"] == NOW


class TestPerson:
    """Whom an order is attributed to."""

    PROFILES = {
        "ana": {"Email": "Ana@example.com"},
        "ben": {"Email": "ben@example.com", "IsGuest": False},
        "guest": {"Email": "guest@example.com", "IsGuest": True},
        "mute": {"Email": " "},
    }

    @pytest.mark.parametrize(
        ("placed", "initiated", "bill_email", "ship_email", "person", "email"),
        [
            ("ana", "ben", "b@example.com", "s@example.com", "ana", "ana@example.com"),
            (None, "ben", "b@example.com", "s@example.com", "ben", "ben@example.com"),
            ("gone", "ben", "b@example.com", "", "ben", "ben@example.com"),
            ("guest", "ben", "b@example.com", "", "ben", "ben@example.com"),
            ("guest", None, " B@Example.com ", "s@example.com", None, "b@example.com"),
            ("guest", "guest", " ", " S@Example.com", None, "s@example.com"),
            (None, None, None, None, None, None),
            # Without an address of their own people are known by their id; the bill-to's address may be a colleague's.
            ("mute", None, "b@example.com", "", "mute", None),
        ],
    )
    def test_unique(
        self,
        replica: Replica,
        placed: str | None,
        initiated: str | None,
        bill_email: str | None,
        ship_email: str | None,
        person: str | None,
        email: str | None,
    ) -> None:
        ids: dict[str | None, UUID | None] = {None: None, "gone": UUID(int=1)}
        ids |= {name: replica.add("UserProfile", **columns) for name, columns in self.PROFILES.items()}
        replica.add(
            "CustomerOrder",
            PlacedByUserProfileId=ids[placed],
            InitiatedByUserProfileId=ids[initiated],
            BTEmail=bill_email,
            STEmail=ship_email,
        )

        row = replica.row("orders.sql")
        assert row["identifier_business_user_id"] == ids[person]
        assert (row["identifier_email"] or None) == email

        row = replica.row("orders.sql", email_mode="non_unique")
        assert row["identifier_business_user_id"] == ids[person]
        assert row["identifier_email"] is None


class TestAmounts:
    """The amounts of the header."""

    @pytest.mark.parametrize(
        ("columns", "tax"),
        [
            (decimals(TaxAmount=5, StateTax=1, LocalTax=1), 5),
            (decimals(TaxAmount=0, StateTax=2, LocalTax=1), 3),
            (decimals(TaxAmount=None, StateTax=2, LocalTax=None), 2),
            (decimals(TaxAmount=None, StateTax=None, LocalTax=1), 1),
            (decimals(TaxAmount=0, StateTax=None, LocalTax=None), 0),
            (decimals(TaxAmount=None, StateTax=None, LocalTax=None), None),
        ],
    )
    def test_tax(self, replica: Replica, columns: dict[str, Any], tax: int | None) -> None:
        replica.add("CustomerOrder", **columns)
        assert replica.row("orders.sql")["tax"] == tax

    @pytest.mark.parametrize(
        ("shipping_charges", "handling_charges", "shipping"),
        [(5, 1, 6), (5, None, 5), (None, 1, 1), (0, 0, 0), (None, None, None)],
    )
    def test_shipping(
        self, replica: Replica, shipping_charges: int | None, handling_charges: int | None, shipping: int | None
    ) -> None:
        replica.add("CustomerOrder", ShippingCharges=shipping_charges, HandlingCharges=handling_charges)
        assert replica.row("orders.sql")["shipping"] == shipping

    def test_discount_is_zero_where_promotions_are_known_and_absent_where_none_are(self, replica: Replica) -> None:
        replica.add("CustomerOrder")
        assert replica.row("orders.sql")["discount"] is None
        replica.add("CustomerOrderPromotion", CustomerOrderId=UUID(int=1), Amount=3)
        assert replica.row("orders.sql")["discount"] == 0

    def test_discounts_are_added_as_decimals(self, replica: Replica) -> None:
        order = replica.add("CustomerOrder")
        for amount in (0.1, 0.2, None):
            replica.add("CustomerOrderPromotion", CustomerOrderId=order, Amount=amount)
        assert replica.row("orders.sql")["discount"] == Decimal("0.3")


class TestItems:
    """The lines of an order."""

    @staticmethod
    def line(replica: Replica, quantity: Any = 2, **columns: Any) -> dict[str, Any]:
        """Add an order with one line and return its item."""
        replica.add("OrderLine", CustomerOrderId=replica.add("CustomerOrder"), QtyOrdered=quantity, **columns)
        row = replica.row("orders.sql")
        return {name: row[f"item_{name}"][0] for name in ("price", "quantity", "discount", "subtotal")}

    @pytest.mark.parametrize(
        ("regular", "net", "total_regular", "total_net", "price", "discount", "subtotal"),
        [
            # Totals as Commerce calculates them, and never calculated.
            ("10", "8", "20", "16", "10", "4", "16"),
            ("10", "8", "0", "0", "10", "4", "16"),
            ("10", "8", None, None, "10", "4", "16"),
            ("10", "10", "20", "20", "10", "0", "20"),
            # A promotion takes the whole price, or there never was one.
            ("10", "0", "20", "0", "10", "20", "0"),
            ("0", "0", "0", "0", "0", "0", "0"),
            # No regular price: what was charged is the price.
            ("0", "8", "0", "16", "8", "0", "16"),
            (None, "8", None, None, "8", "0", "16"),
            ("0", "8", "20", "16", "8", "0", "16"),
            ("0", "8", "0", "14", "8", "2", "14"),
            # A surcharge: more was charged than the regular price.
            ("10", "12", "20", "24", "12", "0", "24"),
            # No net price.
            ("10", None, "20", "16", "10", "4", "16"),
            ("10", None, None, None, "10", "0", "20"),
            ("10", None, "20", "0", "10", "20", "0"),
        ],
    )
    def test_price_times_quantity_less_discount_is_the_subtotal(
        self,
        replica: Replica,
        regular: str | None,
        net: str | None,
        total_regular: str | None,
        total_net: str | None,
        price: str,
        discount: str,
        subtotal: str,
    ) -> None:
        item = self.line(
            replica,
            **decimals(UnitRegularPrice=regular, UnitNetPrice=net, TotalRegularPrice=total_regular, TotalNetPrice=total_net),
        )
        assert item == decimals(price=price, quantity=2, discount=discount, subtotal=subtotal)
        assert item["price"] * item["quantity"] - item["discount"] == item["subtotal"]

    def test_a_negative_quantity_keeps_the_identity(self, replica: Replica) -> None:
        amounts = decimals(UnitRegularPrice=10, UnitNetPrice=8, TotalRegularPrice=-10, TotalNetPrice=-8)
        assert self.line(replica, quantity=-1, **amounts) == decimals(price=8, quantity=-1, discount=0, subtotal=-8)

    def test_a_line_without_any_price(self, replica: Replica) -> None:
        item = self.line(replica)
        assert (item["price"], item["quantity"], item["subtotal"]) == (None, 2, None)

    def test_totals_that_do_not_fit_the_prices_are_kept(self, replica: Replica) -> None:
        item = self.line(replica, UnitRegularPrice=10, UnitNetPrice=8, TotalRegularPrice=19, TotalNetPrice=15)
        assert item == decimals(price=10, quantity=2, discount=4, subtotal=15)

    def test_lines_come_in_order_and_without_those_of_no_quantity(self, replica: Replica) -> None:
        order = replica.add("CustomerOrder")
        lines = [(2, 1, 5), (1, 2, 4), (1, 1, 3), (1, 1, 2), (3, 1, 1)]
        for line, release, number in lines:
            replica.add(
                "OrderLine",
                Id=UUID(int=number),
                CustomerOrderId=order,
                Line=line,
                Release=release,
                ProductId=UUID(int=number),
                QtyOrdered=number,
                UnitRegularPrice=2 * number,
                UnitNetPrice=number,
            )
        for quantity in (0, None):
            replica.add("OrderLine", CustomerOrderId=order, Line=0, QtyOrdered=quantity, UnitNetPrice=100)

        row = replica.row("orders.sql")

        in_order = [2, 3, 4, 5, 1]
        squares = [number**2 for number in in_order]
        assert [product.int for product in row["item_product_id"]] == row["item_quantity"] == in_order
        assert row["item_price"] == [2 * number for number in in_order]
        assert row["item_discount"] == row["item_subtotal"] == squares
        assert row["subtotal"] == sum(squares)

    def test_free_lines_are_kept(self, replica: Replica) -> None:
        order = replica.add("CustomerOrder")
        for product, price in ((1, 10), (2, 0)):
            replica.add(
                "OrderLine", CustomerOrderId=order, Line=product, ProductId=UUID(int=product), QtyOrdered=1, UnitNetPrice=price
            )
        assert replica.row("orders.sql")["item_price"] == [10, 0]

    def test_each_order_has_its_own_lines(self, replica: Replica) -> None:
        for number in (1, 2):
            order = replica.add("CustomerOrder", OrderNumber=f"{number}", ModifiedOn=NOW + number * HOUR)
            replica.add("OrderLine", CustomerOrderId=order, QtyOrdered=number, UnitNetPrice=5)
        replica.add("CustomerOrder", OrderNumber="3", ModifiedOn=NOW + 3 * HOUR)
        replica.add("OrderLine", CustomerOrderId=UUID(int=1), QtyOrdered=9)

        rows = replica.rows("orders.sql")

        assert [(row["order_id"], row["item_quantity"], row["subtotal"]) for row in rows] == [
            ("1", [1], 5),
            ("2", [2], 10),
            ("3", None, None),
        ]


def test_status_mapping(replica: Replica) -> None:
    ids = [
        replica.add("OrderStatusMapping", ErpOrderStatus=status, OdpActionType=action)
        for status, action in ((" Processing", "Purchase "), ("Cancelled", "cancel"), ("Complete", None))
    ]

    rows = replica.connection.execute(sql_text("order_status_mapping.sql")).fetchall()

    assert [(row["id"], row["erp_order_status"], row["odp_action_type"]) for row in rows] == [
        (ids[1], "Cancelled", "cancel"),
        (ids[2], "Complete", None),
        (ids[0], "Processing", "Purchase"),
    ]
