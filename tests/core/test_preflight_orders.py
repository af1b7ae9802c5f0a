"""What the orders of each status become, counted before anything is sent."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from odp.core.exceptions import ReplicaError
from odp.core.preflight_orders import check_orders
from odp.core.preflight_report import Finding
from odp.core.settings import Settings
from tests.core.extraction import SQL, execute, insert

QUERY = (SQL / "order_status_mapping.sql").read_text()


def check(dsn: str, **settings: Any) -> list[Finding]:
    with psycopg.connect(dsn) as connection:
        return check_orders(connection, QUERY, Settings(**settings))


def orders(dsn: str, *statuses: str) -> None:
    listed = ", ".join(f"'{status}'" for status in statuses)
    insert(dsn, "CustomerOrder", len(statuses), Status=f"(ARRAY[{listed}])[n]", OrderNumber="n::text")


def mapping(dsn: str, *rows: tuple[str, str]) -> None:
    values = ", ".join(f"(gen_random_uuid(), '{status}', '{action}')" for status, action in rows)
    execute(dsn, f"INSERT INTO OrderStatusMapping (Id, ErpOrderStatus, OdpActionType) VALUES {values}")


def test_statuses_are_counted_with_what_becomes_of_them(empty_replica: str) -> None:
    orders(empty_replica, "Submitted", " submitted", "Processing", "Cart", "Cart", "Cart", "CancellationRequested", "")
    mapping(empty_replica, ("Processing", "Purchase"))
    (finding,) = check(empty_replica)
    assert finding.verdict == "ok"
    assert finding.details == {
        "statuses": [
            {"status": "Cart", "orders": 3, "action": "not sent"},
            {"status": "Submitted", "orders": 2, "action": "purchase"},
            {"status": "", "orders": 1, "action": "not sent"},
            {"status": "CancellationRequested", "orders": 1, "action": "cancel"},
            {"status": "Processing", "orders": 1, "action": "purchase"},
        ],
        "sent": 4,
        "skipped": 4,
    }
    assert "4 of 8 rows of CustomerOrder have a status that is sent." in finding.cause
    assert "Cart 3 (not sent), Submitted 2 (purchase), (empty) 1 (not sent)" in finding.cause


def test_placed_orders_that_would_be_skipped_are_a_warning(empty_replica: str) -> None:
    orders(empty_replica, "Submitted", "Complete", "Complete", "Shipped", "Saved")
    (finding,) = check(empty_replica)
    assert (finding.verdict, list(finding.exports)) == ("warning", ["order_odp_export"])
    assert "3 orders would be skipped. If Complete, Shipped stands for orders that were placed" in finding.remedy


def test_a_status_that_the_settings_leave_out_is_no_warning(empty_replica: str) -> None:
    orders(empty_replica, "Submitted", "Shipped")
    (finding,) = check(empty_replica, order_status={"shipped": "none"})
    assert (finding.verdict, finding.details["skipped"]) == ("ok", 1)


def test_settings_win_over_the_mapping(empty_replica: str) -> None:
    orders(empty_replica, "Shipped")
    mapping(empty_replica, ("Shipped", ""))
    assert check(empty_replica, order_status={"Shipped": "purchase"})[0].details["sent"] == 1


def test_a_row_that_cannot_be_read_is_named(empty_replica: str) -> None:
    mapping(empty_replica, ("Shipped", "Returned"))
    unreadable, _ = check(empty_replica)
    assert unreadable.verdict == "warning"
    assert "'Shipped' to 'Returned', which is neither Purchase nor Cancel" in unreadable.cause


def test_a_mapping_that_contradicts_itself_is_an_error(empty_replica: str) -> None:
    mapping(empty_replica, ("Shipped", "Purchase"), ("shipped", "Cancel"))
    with pytest.raises(ReplicaError, match="contradicts itself for status"):
        check(empty_replica)


def test_without_the_table_of_the_mapping_the_defaults_hold(empty_replica: str) -> None:
    execute(empty_replica, "DROP TABLE OrderStatusMapping")
    orders(empty_replica, "ReadyForPickup")
    (finding,) = check(empty_replica)
    assert (finding.verdict, finding.details["sent"]) == ("ok", 1)


def test_a_shop_without_orders(empty_replica: str) -> None:
    (finding,) = check(empty_replica)
    assert (finding.verdict, finding.cause) == ("ok", "0 of 0 rows of CustomerOrder have a status that is sent.")
