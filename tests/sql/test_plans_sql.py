"""How PostgreSQL runs the mapping files: by index for a day's changes, and without a sub-query per row in any case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from odp.core.commerce import TABLES
from sandbox.postgres import PostgresServer
from tests.sql.replica import Replica, connect, create_tables

ROWS = 40_000
DAY = {
    "everything": False,
    "window_start": datetime(2025, 3, 1, tzinfo=timezone.utc),
    "window_end": datetime(2025, 3, 1, tzinfo=timezone.utc) + timedelta(days=1),
}
BIG = {
    "Product",
    "Customer",
    "UserProfile",
    "CustomerUserProfile",
    "CustomerOrder",
    "OrderLine",
    "ProductImage",
    "CategoryProduct",
    "UserProfileWebsite",
}
SITE = UUID(int=1)
BY_WEBSITE = {"all_websites": False, "website_ids": [SITE]}
FILES = ["products.sql", "orders.sql", "customers.sql", "user_profiles.sql", "customer_user_profiles.sql"]

# A row every hour, over four and a half years. Ids are random, as Commerce's are: neighbours in time lie far apart.
ID = "md5('{kind}' || i)::uuid"
CHANGED = "timestamptz '2021-01-01Z' + i * interval '1 hour'"
FILL = [
    "INSERT INTO Product (Id, ErpNumber, ModifiedOn) SELECT {Product}, 'P' || i, {changed} FROM {numbers}",
    "INSERT INTO ProductImage (Id, ProductId, ModifiedOn) SELECT {ProductImage}, {Product}, {changed} FROM {numbers}",
    "INSERT INTO Category (Id, WebsiteId) SELECT {Category}, '{SITE}' FROM generate_series(0, 199) i",
    "INSERT INTO CategoryProduct (Id, ProductId, CategoryId, ModifiedOn)"
    " SELECT {CategoryProduct}, {Product}, md5('Category' || i % 200)::uuid, {changed} FROM {numbers}",
    "INSERT INTO Customer (Id, CustomerNumber, ModifiedOn) SELECT {Customer}, 'C' || i, {changed} FROM {numbers}",
    "INSERT INTO UserProfile (Id, UserName, ModifiedOn) SELECT {UserProfile}, 'U' || i, {changed} FROM {numbers}",
    "INSERT INTO UserProfileWebsite (Id, UserProfileId, WebsiteId, ModifiedOn)"
    " SELECT {UserProfileWebsite}, {UserProfile}, '{SITE}', {changed} FROM {numbers}",
    "INSERT INTO CustomerUserProfile (Id, CustomerId, UserProfileId, ModifiedOn)"
    " SELECT {CustomerUserProfile}, {Customer}, {UserProfile}, {changed} FROM {numbers}",
    "INSERT INTO CustomerOrder (Id, OrderNumber, CustomerId, WebsiteId, PlacedByUserProfileId, BTAddress1, OrderTotal,"
    " ModifiedOn)"
    " SELECT {CustomerOrder}, 'O' || i, {Customer}, '{SITE}', {UserProfile}, repeat('x', 300), 10, {changed} FROM {numbers}",
    "INSERT INTO OrderLine (Id, CustomerOrderId, Line, QtyOrdered, UnitNetPrice, ModifiedOn)"
    " SELECT md5('OrderLine' || i || ' ' || line)::uuid, {CustomerOrder}, line, 1, 2, {changed}"
    " FROM {numbers}, generate_series(1, 5) line",
    "INSERT INTO CustomerOrderPromotion (Id, CustomerOrderId, Amount, ModifiedOn)"
    " SELECT {CustomerOrderPromotion}, {CustomerOrder}, 1, {changed} FROM {numbers} WHERE i % 5 = 0",
]
INDEXES = [
    *(f"CREATE INDEX ON {table} (ModifiedOn, Id)" for table in sorted(BIG - {"OrderLine"})),
    *(f"CREATE INDEX ON {table} (ModifiedOn)" for table in ("OrderLine", "CustomerOrderPromotion", "CustomProperty")),
    *(f"CREATE INDEX ON {table} (ProductId)" for table in ("ProductImage", "CategoryProduct")),
    "CREATE INDEX ON UserProfileWebsite (UserProfileId)",
    *(f"CREATE INDEX ON {table} (CustomerOrderId)" for table in ("OrderLine", "CustomerOrderPromotion")),
]


@pytest.fixture(scope="module")
def big(mapping_server: PostgresServer) -> Iterator[Replica]:
    """A replica with enough rows for the planner to care, and no index but the primary keys."""
    words = {name: ID.format(kind=name) for name in TABLES}
    words |= {"SITE": str(SITE), "changed": CHANGED, "numbers": f"generate_series(1, {ROWS}) i"}
    with connect(mapping_server.create_database("commerce_big"), autocommit=True) as connection:
        create_tables(connection)
        for statement in FILL:
            connection.execute(statement.format_map(words))
        connection.execute("ANALYZE")
        yield Replica(connection)


@pytest.fixture(scope="module")
def indexed(big: Replica) -> Replica:
    """The same replica with the indexes that a replica should have."""
    for statement in INDEXES:
        big.connection.execute(statement)
    big.connection.execute("ANALYZE")
    return big


def scanned(plan: str) -> set[str]:
    """Return the big tables that a plan reads from end to end."""
    lowered = {table.lower(): table for table in BIG}
    return {lowered[word] for line in plan.splitlines() if "Seq Scan on" in line for word in line.split() if word in lowered}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("selection", [{}, DAY, {"all_ids": False, "ids": [UUID(int=1)]}], ids=["everything", "day", "ids"])
@pytest.mark.parametrize("websites", [{}, BY_WEBSITE], ids=["all websites", "one website"])
def test_without_indexes_no_table_is_read_per_row(
    big: Replica, file: str, selection: dict[str, Any], websites: dict[str, Any]
) -> None:
    plan = big.plan(file, **selection, **websites)

    # InitPlans run once; a SubPlan could run for each row.
    assert "SubPlan" not in plan
    assert scanned("\n".join(repeated(plan))) == set(), plan


def repeated(plan: str) -> Iterator[str]:
    """Yield the nodes that a plan's nested loops run again and again: all below the second of their two inputs."""
    lines = [line for line in plan.splitlines() if "->" in line or not line.startswith(" ")]
    for number, line in enumerate(lines):
        if "Nested Loop" not in line:
            continue
        end = next((place for place in range(number + 1, len(lines)) if depth(lines[place]) <= depth(line)), len(lines))
        below = lines[number + 1 : end]
        inputs = [place for place, other in enumerate(below) if depth(other) == depth(below[0])]
        inner = below[inputs[1] :]
        if "Materialize" not in inner[0]:
            yield from inner


def depth(line: str) -> int:
    """Return how deep a node of a plan is nested."""
    return len(line) - len(line.lstrip())


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("websites", [{}, BY_WEBSITE], ids=["all websites", "one website"])
def test_a_days_changes_are_found_by_index(indexed: Replica, file: str, websites: dict[str, Any]) -> None:
    assert scanned(indexed.plan(file, **DAY, **websites)) == set()
    assert len(indexed.rows(file, **DAY, **websites)) == 24


@pytest.mark.parametrize("file", FILES)
def test_single_rows_are_found_by_index(indexed: Replica, file: str) -> None:
    assert scanned(indexed.plan(file, all_ids=False, ids=[UUID(int=1), UUID(int=2)])) == set()


@pytest.mark.parametrize("file", FILES)
def test_everything_is_read(indexed: Replica, file: str) -> None:
    plan = indexed.plan(file)

    assert "SubPlan" not in plan
    assert len(indexed.rows(file)) == len(indexed.rows(file, **BY_WEBSITE)) == ROWS
