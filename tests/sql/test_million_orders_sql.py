"""
How PostgreSQL runs the order mapping on a million orders with lines: a day's changes cost what a day's changes cost.

The rows are real, as the planner looks at the size of the files, too. The smaller tables of ``test_plans_sql.py`` stand for the
other mappings: a plan that takes the index of 40,000 rows takes that of a million all the more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.postgres import PostgresServer
from tests.sql.replica import Replica, connect, create_tables
from tests.sql.test_plans_sql import DAY, scanned

ORDERS = 1_000_000
ORDERS_A_DAY = 1_000
TABLES = ("UserProfile", "CustomerOrder", "OrderLine", "CustomerOrderPromotion", "CustomProperty")
# Ids are random, as Commerce's are: what changed on one day lies all over the indexes of ids.
CHANGED = f"timestamptz '2025-06-01Z' - ({ORDERS} - i) * interval '1 day' / {ORDERS_A_DAY}"
FILL = [
    "INSERT INTO UserProfile (Id, UserName, Email, ModifiedOn)"
    " SELECT md5('U' || i)::uuid, 'U' || i, 'u' || i || '@example.com', {changed} FROM generate_series(1, {orders} / 10) i",
    "INSERT INTO CustomerOrder (Id, OrderNumber, Status, PlacedByUserProfileId, OrderDate, OrderTotal, BTAddress1, ModifiedOn)"
    " SELECT md5('O' || i)::uuid, 'O' || i, 'Submitted', md5('U' || i % {orders} / 10)::uuid, {changed}, 10, repeat('x', 200),"
    " {changed} FROM generate_series(1, {orders}) i",
    "INSERT INTO OrderLine (Id, CustomerOrderId, Line, QtyOrdered, UnitNetPrice, ModifiedOn)"
    " SELECT md5('L' || i || ' ' || line)::uuid, md5('O' || i)::uuid, line, 1, 2, {changed}"
    " FROM generate_series(1, {orders}) i, generate_series(1, 2) line",
    "INSERT INTO CustomerOrderPromotion (Id, CustomerOrderId, Amount, ModifiedOn)"
    " SELECT md5('P' || i)::uuid, md5('O' || i)::uuid, 1, {changed} FROM generate_series(1, {orders}, 10) i",
    "INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, ModifiedOn)"
    " SELECT md5('C' || i)::uuid, 'CustomerOrder', md5('O' || i)::uuid, 'note', 'x', {changed}"
    " FROM generate_series(1, {orders}, 10) i",
]
INDEXES = [
    *(f"ALTER TABLE {table} ADD PRIMARY KEY (Id)" for table in TABLES),
    "CREATE INDEX ON CustomerOrder (ModifiedOn, Id)",
    "CREATE INDEX ON OrderLine (ModifiedOn)",
    "CREATE INDEX ON OrderLine (CustomerOrderId)",
    "CREATE INDEX ON CustomerOrderPromotion (ModifiedOn)",
    "CREATE INDEX ON CustomerOrderPromotion (CustomerOrderId)",
    "CREATE INDEX ON CustomProperty (ParentTable, ModifiedOn)",
]


@pytest.fixture(scope="module")
def million(mapping_server: PostgresServer) -> Iterator[Replica]:
    """A replica with a million orders of a thousand days, on a server with the memory settings of a default installation."""
    with connect(mapping_server.create_database("commerce_million")) as connection:
        create_tables(connection)
        for table in TABLES:  # keys are built faster when the rows are in
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
        for statement in FILL:
            connection.execute(statement.format(orders=ORDERS, changed=CHANGED))
        for statement in INDEXES:
            connection.execute(statement)
        connection.execute("ANALYZE")
        connection.execute("SET LOCAL work_mem = '4MB'")
        yield Replica(connection)
        connection.rollback()


def test_a_day_of_a_million_orders_is_found_by_index(million: Replica) -> None:
    plan = million.plan("orders.sql", **DAY)
    assert scanned(plan) == set(), plan
    assert "Seq Scan on customproperty" not in plan
    rows = million.rows("orders.sql", **DAY)
    assert len(rows) == ORDERS_A_DAY
    assert {len(row["item_price"]) for row in rows} == {2}


def test_without_its_index_the_orders_would_be_read_from_end_to_end(million: Replica) -> None:
    with million.connection.transaction(force_rollback=True):
        million.connection.execute("DROP INDEX customerorder_modifiedon_id_idx")
        assert scanned(million.plan("orders.sql", **DAY)) == {"CustomerOrder"}
