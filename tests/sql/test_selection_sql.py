"""Which rows the mapping files read: the window, the ids, and in which order they come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import DEFAULTS, NOW, Replica, sql_text

START, END = NOW - timedelta(days=1), NOW
WINDOW = {"everything": False, "window_start": START, "window_end": END}
MICROSECOND = timedelta(microseconds=1)
INSIDE = START + timedelta(hours=1)

# file, table it is about, column that carries a row's Id to the output.
EXPORTS = [
    ("products.sql", "Product", "product_id"),
    ("warehouses.sql", "Warehouse", "warehouse_id"),
    ("orders.sql", "CustomerOrder", "business_id"),
    ("customers.sql", "Customer", "business_id"),
    ("user_profiles.sql", "UserProfile", "business_user_id"),
    ("customer_user_profiles.sql", "CustomerUserProfile", "business_user_link_id"),
]

# file, child table, its column that refers to the row, more columns.
CHILDREN = [
    ("products.sql", "ProductImage", "ProductId", {}),
    ("products.sql", "CategoryProduct", "ProductId", {}),
    ("products.sql", "CustomProperty", "ParentId", {"ParentTable": "Product"}),
    ("warehouses.sql", "CustomProperty", "ParentId", {"ParentTable": "Warehouse"}),
    ("orders.sql", "OrderLine", "CustomerOrderId", {}),
    ("orders.sql", "CustomerOrderPromotion", "CustomerOrderId", {}),
    ("orders.sql", "CustomProperty", "ParentId", {"ParentTable": "CustomerOrder"}),
    ("customers.sql", "CustomProperty", "ParentId", {"ParentTable": "Customer"}),
    ("user_profiles.sql", "CustomProperty", "ParentId", {"ParentTable": "UserProfile"}),
    ("customer_user_profiles.sql", "CustomProperty", "ParentId", {"ParentTable": "CustomerUserProfile"}),
]

TABLE_OF = {file: table for file, table, _ in EXPORTS}
ID_COLUMN_OF = {file: column for file, _, column in EXPORTS}


def add(replica: Replica, file: str, number: int, **columns: Any) -> None:
    """Add a row that a file is about, with a number for Id that the output tells."""
    identity = UUID(int=number)
    if file == "orders.sql":
        columns["CustomerId"] = identity
    replica.add(TABLE_OF[file], Id=identity, **columns)


def numbers(replica: Replica, file: str, **parameters: Any) -> list[int]:
    """Return the numbers of the rows that a file reads, in their order."""
    return [row[ID_COLUMN_OF[file]].int for row in replica.rows(file, **parameters)]


@pytest.mark.parametrize("file", TABLE_OF)
def test_the_window_is_half_open(replica: Replica, file: str) -> None:
    moments = {1: START - MICROSECOND, 2: START, 3: INSIDE, 4: END - MICROSECOND, 5: END, 6: None}
    for number, moment in moments.items():
        add(replica, file, number, ModifiedOn=moment)

    assert numbers(replica, file, **WINDOW) == [2, 3, 4]


@pytest.mark.parametrize("file", TABLE_OF)
def test_one_sided_windows(replica: Replica, file: str) -> None:
    for number, moment in enumerate([START - MICROSECOND, START, END, None], start=1):
        add(replica, file, number, ModifiedOn=moment)

    assert numbers(replica, file, everything=False, window_start=START) == [2, 3]
    assert numbers(replica, file, everything=False, window_end=START) == [1]


@pytest.mark.parametrize("file", TABLE_OF)
def test_everything_comes_in_order_of_change(replica: Replica, file: str) -> None:
    for number, moment in ((5, INSIDE), (4, INSIDE), (3, START), (2, None), (1, END)):
        add(replica, file, number, ModifiedOn=moment)

    assert numbers(replica, file) == [2, 3, 4, 5, 1]


@pytest.mark.parametrize(("file", "child", "reference", "columns"), CHILDREN)
def test_a_changed_child_row_counts(replica: Replica, file: str, child: str, reference: str, columns: dict[str, Any]) -> None:
    child_moments = {1: INSIDE, 2: START - MICROSECOND, 3: END, 4: None, 5: INSIDE}
    for number, moment in child_moments.items():
        add(replica, file, number, ModifiedOn=INSIDE if number == 5 else START - timedelta(days=9))
        replica.add(child, ModifiedOn=moment, **{reference: UUID(int=number)}, **columns)
    replica.add(child, ModifiedOn=INSIDE, **{reference: UUID(int=99)}, **columns)
    replica.add(child, ModifiedOn=INSIDE, **{reference: None}, **columns)

    assert numbers(replica, file, **WINDOW) == [1, 5]
    assert numbers(replica, file, **WINDOW, all_ids=False, ids=[UUID(int=1)]) == [1]
    assert numbers(replica, file, **WINDOW, all_ids=False, ids=[UUID(int=2)]) == []


@pytest.mark.parametrize("file", TABLE_OF)
def test_custom_properties_of_other_tables_do_not_count(replica: Replica, file: str) -> None:
    add(replica, file, 1)
    replica.add("CustomProperty", ParentTable="Shipment", ParentId=UUID(int=1), ModifiedOn=INSIDE)

    assert numbers(replica, file, **WINDOW) == []


@pytest.mark.parametrize("file", TABLE_OF)
def test_ids(replica: Replica, file: str) -> None:
    for number in (1, 2, 3):
        add(replica, file, number, ModifiedOn=INSIDE if number == 1 else None)

    wanted = {"all_ids": False, "ids": [UUID(int=1), UUID(int=3), UUID(int=99)]}
    assert sorted(numbers(replica, file, **wanted)) == [1, 3]
    assert numbers(replica, file, **wanted, **WINDOW) == [1]
    assert numbers(replica, file, all_ids=False) == []


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("products.sql", "ErpNumber"),
        ("warehouses.sql", "Name"),
        ("orders.sql", "OrderNumber"),
        ("customers.sql", "CustomerNumber"),
        ("user_profiles.sql", "UserName"),
        ("user_profiles.sql", "Email"),
    ],
)
def test_natural_keys(replica: Replica, file: str, column: str) -> None:
    for number, value in ((1, "A-1"), (2, "A-2"), (3, "A-1"), (4, None)):
        add(replica, file, number, **{column: value})

    assert sorted(numbers(replica, file, all_ids=False, numbers=["A-1"])) == [1, 3]
    assert sorted(numbers(replica, file, all_ids=False, numbers=["A-1"], ids=[UUID(int=4)])) == [1, 3, 4]
    assert numbers(replica, file, all_ids=False, numbers=["A-3"]) == []


def test_profiles_are_found_by_the_address_as_odp_shows_it(replica: Replica) -> None:
    add(replica, "user_profiles.sql", 1, Email=" Ana@Example.com")

    assert numbers(replica, "user_profiles.sql", all_ids=False, numbers=["ana@example.com"]) == [1]


def test_links_are_found_by_account_and_by_person(replica: Replica) -> None:
    replica.add("Customer", Id=UUID(int=11), CustomerNumber="1000")
    replica.add("UserProfile", Id=UUID(int=21), UserName="ana")
    add(replica, "customer_user_profiles.sql", 1, CustomerId=UUID(int=11), UserProfileId=UUID(int=29))
    add(replica, "customer_user_profiles.sql", 2, CustomerId=UUID(int=19), UserProfileId=UUID(int=21))

    for wanted, found in ((["1000"], [1]), (["ana"], [2]), (["ana", "1000"], [1, 2]), (["nobody"], [])):
        assert sorted(numbers(replica, "customer_user_profiles.sql", all_ids=False, numbers=wanted)) == found


@pytest.mark.parametrize(("file", "child", "reference", "columns"), CHILDREN)
def test_several_children_make_no_second_row(
    replica: Replica, file: str, child: str, reference: str, columns: dict[str, Any]
) -> None:
    add(replica, file, 1, ModifiedOn=INSIDE)
    for _ in range(3):
        replica.add(child, ModifiedOn=INSIDE, **{reference: UUID(int=1)}, **columns)

    assert numbers(replica, file) == numbers(replica, file, **WINDOW) == [1]


@pytest.mark.parametrize("file", TABLE_OF)
def test_the_entity_id_finds_the_row_again(replica: Replica, file: str) -> None:
    for number in (1, 2):
        add(replica, file, number)
    every_row = replica.connection.execute(sql_text(file), DEFAULTS).fetchall()

    found = {row["entity_id"].int: row[ID_COLUMN_OF[file]].int for row in every_row}
    assert found == {1: 1, 2: 2}
    assert numbers(replica, file, all_ids=False, ids=[row["entity_id"] for row in every_row[:1]]) == [1]
