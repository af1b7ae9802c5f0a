"""customers.sql: one row per account."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.sql.replica import NOW, Replica


def test_every_field(replica: Replica) -> None:
    parent = replica.add("Customer")
    warehouse = replica.add("Warehouse")
    customer = replica.add(
        "Customer",
        ParentId=parent,
        CompanyName=" Acme Corp ",
        FirstName="Ana",
        LastName="Ruiz",
        CustomerNumber="1000",
        CustomerSequence="1",
        ErpNumber="E1000",
        ErpSequence="E1",
        IsBillTo=False,
        IsShipTo=True,
        IsSoldTo=True,
        IsGuest=False,
        IsActive=True,
        Email="buyer@acme.example.com",
        Phone="555-0100",
        Fax="555-0101",
        Attention="Purchasing",
        Address1="1 Main St",
        Address2="Suite 2",
        City="Springfield",
        StateId=replica.add("State", Abbreviation="IL"),
        PostalCode="62701",
        CountryId=replica.add("Country", IsoCode2="US"),
        CustomerType="Retail",
        PriceCode="A",
        TermsCode="NET30",
        Territory="Midwest",
        CurrencyId=replica.add("Currency", CurrencyCode="USD"),
        CurrencyCode="EUR",
        DefaultWarehouseId=warehouse,
        CreditHold=True,
        CreatedOn=NOW,
    )

    assert replica.row("customers.sql", all_ids=False, ids=[customer]) == {
        "business_id": customer,
        "parent_business_id": parent,
        "business_level": "child",
        "name": "Acme Corp",
        "customer_number": "1000",
        "customer_sequence": "1",
        "erp_number": "E1000",
        "erp_sequence": "E1",
        "is_bill_to": False,
        "is_ship_to": True,
        "is_sold_to": True,
        "is_guest": False,
        "is_active": True,
        "email": "buyer@acme.example.com",
        "phone": "555-0100",
        "fax": "555-0101",
        "attention": "Purchasing",
        "street1": "1 Main St",
        "street2": "Suite 2",
        "city": "Springfield",
        "state": "IL",
        "zip": "62701",
        "country": "US",
        "customer_type": "Retail",
        "price_code": "A",
        "terms_code": "NET30",
        "territory": "Midwest",
        "currency": "USD",
        "default_warehouse_id": warehouse,
        "credit_hold": True,
        "created_at": NOW,
        "skip_reason": None,
    }


@pytest.mark.parametrize(
    ("company", "first", "last", "name"),
    [
        ("Acme", "Ana", "Ruiz", "Acme"),
        (" ", "Ana", "Ruiz", "Ana Ruiz"),
        (None, " Ana ", "", "Ana"),
        ("", None, "Ruiz", "Ruiz"),
        ("", " ", None, "1000"),
    ],
)
def test_name(replica: Replica, company: str | None, first: str | None, last: str | None, name: str) -> None:
    replica.add("Customer", CompanyName=company, FirstName=first, LastName=last, CustomerNumber="1000")

    assert replica.row("customers.sql")["name"] == name


def test_currency_falls_back_to_the_code_of_the_customer(replica: Replica) -> None:
    nameless = replica.add("Currency", CurrencyCode="")
    for reference in (None, nameless, UUID(int=1)):
        replica.add("Customer", CurrencyId=reference, CurrencyCode="EUR")

    assert [row["currency"] for row in replica.rows("customers.sql")] == ["EUR", "EUR", "EUR"]


@pytest.mark.parametrize(("is_guest", "reason"), [(True, "guest account"), (False, None), (None, None)])
def test_guests_are_skipped(replica: Replica, is_guest: bool | None, reason: str | None) -> None:
    replica.add("Customer", IsGuest=is_guest)

    assert replica.row("customers.sql")["skip_reason"] == reason


@pytest.mark.parametrize(
    ("parents", "levels"),
    [
        ({1: None}, {1: "parent"}),
        ({1: None, 2: 1, 3: 2, 4: 3}, {1: "parent", 2: "child", 3: "grandchild", 4: "grandchild"}),
        ({1: 99}, {1: "child"}),
        ({1: 99, 2: 1}, {1: "child", 2: "grandchild"}),
        ({1: 1}, {1: "parent"}),
        ({1: 1, 2: 1, 3: 2}, {1: "parent", 2: "child", 3: "grandchild"}),
        ({1: 2, 2: 1}, {1: "child", 2: "child"}),
        ({1: 2, 2: 3, 3: 1}, {1: "grandchild", 2: "grandchild", 3: "grandchild"}),
    ],
)
def test_level(replica: Replica, parents: dict[int, int | None], levels: dict[int, str]) -> None:
    for number, parent in parents.items():
        replica.add("Customer", Id=UUID(int=number), ParentId=parent and UUID(int=parent))

    rows = replica.rows("customers.sql")

    assert {row["business_id"].int: row["business_level"] for row in rows} == levels
    own_parent = {number for number, parent in parents.items() if number == parent}
    expected = {
        number: None if number in own_parent or parent is None else UUID(int=parent) for number, parent in parents.items()
    }
    assert {row["business_id"].int: row["parent_business_id"] for row in rows} == expected


def test_the_level_of_a_single_row_looks_at_parents_outside_the_selection(replica: Replica) -> None:
    for number in (1, 2, 3):
        replica.add("Customer", Id=UUID(int=number), ParentId=UUID(int=number - 1) if number > 1 else None)

    assert replica.row("customers.sql", all_ids=False, ids=[UUID(int=3)])["business_level"] == "grandchild"
