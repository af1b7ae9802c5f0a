"""What the replica tells of its changes: the time up to which all is visible, and the change table."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import psycopg
import pytest
from psycopg import sql

from odp.core.change_feed import LONGEST_TRANSACTION, Horizon, Look
from tests.core.extraction import uid
from tests.realtime.conftest import SQL, Shop

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
PRODUCTS, ORDERS = "product_odp_export", "order_odp_export"


def look(seconds: float, oldest_open: int, next_transaction: int) -> Look:
    return Look(START + timedelta(seconds=seconds), oldest_open, next_transaction, "", has_change_table=False)


def seconds(time: datetime) -> float:
    return (time - START) / timedelta(seconds=1)


def test_without_open_transactions_all_is_visible() -> None:
    horizon = Horizon()
    assert [seconds(horizon.settled(look(at, 100 + at, 100 + at))) for at in (0, 2, 4)] == [0, 2, 4]


def test_an_open_transaction_holds_the_time_of_the_look_before_it_began() -> None:
    horizon = Horizon()
    assert seconds(horizon.settled(look(0, 100, 100))) == 0
    assert seconds(horizon.settled(look(2, 100, 103))) == 0  # 100 is open
    assert seconds(horizon.settled(look(4, 100, 105))) == 0
    assert seconds(horizon.settled(look(6, 104, 107))) == 2  # 100 to 103 are over, and with them all that the second look missed
    assert seconds(horizon.settled(look(8, 108, 108))) == 8


def test_a_forgotten_transaction_does_not_hold_it_for_ever() -> None:
    horizon = Horizon()
    horizon.settled(look(0, 100, 100))
    late = 2 * LONGEST_TRANSACTION.total_seconds()
    assert seconds(horizon.settled(look(late, 100, 200))) == late - LONGEST_TRANSACTION.total_seconds()


def recorded(shop: Shop) -> set[tuple[str, str]]:
    """Return what the change table holds, and empty it."""
    with psycopg.connect(shop.replica, autocommit=True) as connection:
        found = set(connection.execute("SELECT export, entity_id FROM odp_changes.change").fetchall())
        connection.execute("TRUNCATE odp_changes.change")
    return found


BELONGING = {
    "ProductImage (Id, ProductId, ModifiedOn)": PRODUCTS,
    "CategoryProduct (Id, ProductId, ModifiedOn)": PRODUCTS,
    "OrderLine (Id, CustomerOrderId, ModifiedOn)": ORDERS,
    "CustomerOrderPromotion (Id, CustomerOrderId, ModifiedOn)": ORDERS,
}


def test_the_triggers_know_what_the_mapping_files_call_modified(shop: Shop) -> None:
    shop.record_changes()
    shop.record_changes()  # again, after an upgrade
    entities = {
        "Product": PRODUCTS,
        "Warehouse": "warehouse_odp_export",
        "Customer": "customer_odp_export",
        "UserProfile": "user_profile_odp_export",
        "CustomerUserProfile": "customer_to_user_mapping_odp_export",
        "CustomerOrder": ORDERS,
    }
    for table, export_id in entities.items():
        shop.execute(f"INSERT INTO {table} (Id, ModifiedOn) VALUES ('{uid(1)}', '2020-01-01')")
        assert recorded(shop) == {(export_id, str(uid(1)))}
        shop.execute(f"UPDATE {table} SET ModifiedOn = '2020-01-01'")  # which changes nothing
        assert recorded(shop) == set()
        shop.execute(
            "INSERT INTO CustomProperty (Id, ParentId, ParentTable, Name, ModifiedOn)"
            f" VALUES (gen_random_uuid(), '{uid(1)}', '{table}', 'Color', now())"
        )
        assert recorded(shop) == {(export_id, str(uid(1)))}
    for table, export_id in BELONGING.items():
        shop.execute(f"INSERT INTO {table} VALUES (gen_random_uuid(), '{uid(1)}', now())")
        assert recorded(shop) == {(export_id, str(uid(1)))}, table
    # As the mapping files, asked for the time since, see it.
    assert shop.look() == dict.fromkeys(entities.values(), 1)
    # A line that moves changes both orders; what is deleted changes what it belonged to, and an entity that is deleted nothing.
    shop.execute(f"UPDATE OrderLine SET CustomerOrderId = '{uid(2)}'")
    assert recorded(shop) == {(ORDERS, str(uid(1))), (ORDERS, str(uid(2)))}
    shop.execute("DELETE FROM OrderLine", "DELETE FROM Product")
    assert recorded(shop) == {(ORDERS, str(uid(2)))}
    # Rows that a replication tool applies count, too.
    shop.execute("SET session_replication_role = replica; UPDATE Warehouse SET Name = 'East'")
    assert recorded(shop) == {("warehouse_odp_export", str(uid(1)))}
    shop.execute("DROP SCHEMA odp_changes CASCADE", "UPDATE Warehouse SET Name = 'West'")


def test_a_role_that_may_only_write_to_commerce_needs_no_right_on_what_is_recorded(shop: Shop) -> None:
    shop.record_changes()
    role = f"writer_{uid(1).hex[-6:]}"
    with psycopg.connect(shop.replica, autocommit=True) as owner:
        owner.execute(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role}")
        owner.execute(f"GRANT USAGE ON SCHEMA dbo TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA dbo TO {role}; SET ROLE {role}")
        owner.execute(f"INSERT INTO Warehouse (Id, ModifiedOn) VALUES ('{uid(1)}', now())")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("SELECT * FROM odp_changes.change")
        owner.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
    assert recorded(shop) == {("warehouse_odp_export", str(uid(1)))}


def test_a_replica_in_pascal_case(shop: Shop) -> None:
    shop.execute(
        'CREATE SCHEMA kept; CREATE TABLE kept."OrderLine" ("Id" uuid, "CustomerOrderId" uuid, "ModifiedOn" timestamptz)'
    )
    shop.execute(f"SET odp.source_schema = 'kept'; {(SQL / 'change_notifications.sql').read_text()}")
    shop.execute(f"INSERT INTO kept.\"OrderLine\" VALUES ('{uid(9)}', '{uid(1)}', now())")
    assert recorded(shop) == {(ORDERS, str(uid(1)))}
    with pytest.raises(psycopg.errors.RaiseException, match="Schema nowhere does not exist"):
        shop.execute(f"SET odp.source_schema = 'nowhere'; {(SQL / 'change_notifications.sql').read_text()}")
    with pytest.raises(psycopg.errors.RaiseException, match="holds no Commerce table"):
        shop.execute(f"CREATE SCHEMA empty; SET odp.source_schema = 'empty'; {(SQL / 'change_notifications.sql').read_text()}")


def test_what_is_older_than_a_week_goes(shop: Shop) -> None:
    shop.record_changes()
    shop.execute("INSERT INTO Warehouse (Id, ModifiedOn) SELECT gen_random_uuid(), now() FROM generate_series(1, 100)")
    shop.execute("UPDATE odp_changes.change SET changed_at = now() - interval '8 days'")
    shop.execute(f"INSERT INTO Warehouse (Id, ModifiedOn) VALUES ('{uid(1)}', now())", "SELECT odp_changes.remove_old()")
    assert recorded(shop) == {("warehouse_odp_export", str(uid(1)))}


def test_a_replica_that_was_set_up_anew(shop: Shop) -> None:
    shop.record_changes()
    shop.execute(f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(1)}', '2020-01-01')")
    assert shop.look() == {PRODUCTS: 1}
    with psycopg.connect(shop.ledger, autocommit=True) as ledger:
        ledger.execute("UPDATE changed_entity SET done_at = now()")
        # What was seen is of a server that had counted more transactions.
        ledger.execute("UPDATE change_watch SET snapshot = '4000000000:4000000000:'")
    shop.execute(f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(2)}', '2020-01-01')")
    assert shop.look() == {PRODUCTS: 2}


def test_a_change_table_that_is_installed_or_removed_later(shop: Shop) -> None:
    assert shop.look() == {}
    shop.execute(f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(1)}', now())")
    shop.record_changes()
    shop.execute(f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(2)}', '2020-01-01')")
    assert shop.look() == {PRODUCTS: 2}
    shop.execute("DROP SCHEMA odp_changes CASCADE", f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(3)}', now())")
    assert shop.look() == {PRODUCTS: 3}


def test_a_replica_without_optional_tables(shop: Shop) -> None:
    for table in ("CustomProperty", "ProductImage", "CategoryProduct", "CustomerOrderPromotion"):
        with psycopg.connect(shop.replica, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table.lower())))
    shop.execute(f"INSERT INTO Product (Id, ModifiedOn) VALUES ('{uid(1)}', now())")
    assert shop.look() == {PRODUCTS: 1}
    shop.record_changes()
    shop.execute(f"INSERT INTO CustomerOrder (Id, ModifiedOn) VALUES ('{uid(1)}', now())")
    assert shop.look() == {PRODUCTS: 1, ORDERS: 1}
