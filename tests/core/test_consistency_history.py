"""The results of comparisons in the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import psycopg

from odp.core.consistency_history import keep_check, latest_checks
from odp.core.ledger import Ledger


def test_the_latest_result_of_each_export_is_found(ledger_database: str) -> None:
    def connect() -> psycopg.Connection:
        return psycopg.connect(ledger_database)

    with (
        Ledger(connect, "account", "orders") as orders,
        Ledger(connect, "account", "products") as products,
        Ledger(connect, "another", "orders") as another,
    ):
        keep_check(orders, "run 1", {"missing": 1})
        keep_check(orders, "run 2", {"missing": 2})
        keep_check(orders, "run 2", {"missing": 2, "repaired": 2})
        keep_check(products, "run 1", {"missing": 3})
        keep_check(another, "run 9", {"missing": 9})
        latest = latest_checks(orders.connection, "account")
    assert {name: (found["run_id"], found["missing"]) for name, found in latest.items()} == {
        "orders": ("run 2", 2),
        "products": ("run 1", 3),
    }
    assert latest["orders"]["repaired"] == 2
    assert datetime.now(timezone.utc) - latest["orders"]["checked_at"] < timedelta(hours=1)
