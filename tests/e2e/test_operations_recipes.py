"""The statements that docs/operations.md tells people to run on the ledger, run on one."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from odp.core.ledger import account_name
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT
from tests.e2e.conftest import RunExport

ORDERS, WAREHOUSES = "order_odp_export", "warehouse_odp_export"
BLOCKS = re.findall(r"```sql\n(?:-- (.+?)\n)?(.+?)```", (PROJECT / "docs" / "operations.md").read_text(), re.S)
RECIPES = {title: text for title, text in BLOCKS if title}


@pytest.fixture
def ledger(account: SandboxOdp) -> Iterator[psycopg.Connection[Any]]:
    """The ledger of the exports."""
    with psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"], autocommit=True) as connection:
        yield connection


def sent(account: SandboxOdp) -> Counter[tuple[str, str]]:
    """Return how often each event has reached ODP."""
    return Counter((event["data"]["order"]["order_id"], event["action"]) for event in account.dump("events"))


def test_the_queries_run(ledger: psycopg.Connection[Any]) -> None:
    queries = [text for title, text in BLOCKS if not title]
    assert len(queries) == 2
    for query in queries:
        ledger.execute(query).fetchall()


def test_a_renamed_account_keeps_what_it_knows(
    run_export: RunExport, account: SandboxOdp, ledger: psycopg.Connection[Any]
) -> None:
    assert run_export(WAREHOUSES).summary["delivered"] == 12
    # As if the connection had been to another host until now.
    present, old = account_name(account.url, account.key), "former.example.com/0123456789"
    for names in ((present, old), (old, present)):
        for statement in RECIPES["rename the account"].split(";\n"):
            ledger.execute(statement.replace("OLD", names[0]).replace("NEW", names[1]))
    summary = run_export(WAREHOUSES).summary
    assert (summary["delivered"], summary["unchanged"]) == (0, 12)


def test_a_restored_ledger_sends_no_order_twice(
    run_export: RunExport, account: SandboxOdp, ledger: psycopg.Connection[Any], source: psycopg.Connection[dict[str, Any]]
) -> None:
    assert run_export(ORDERS, LookBackDays=20).state == "success"
    before = sent(account)
    assert len(before) > 10
    assert {action for _, action in before} == {"purchase", "cancel"}
    # The backup knows of nothing that was sent.
    (scope,) = ledger.execute(
        "SELECT scope_id FROM export_scope WHERE account = %s AND export = %s", (account_name(account.url, account.key), ORDERS)
    ).fetchone() or (None,)
    for table in ("event_delivery", "record_state"):
        ledger.execute(f"DELETE FROM {table} WHERE scope_id = %s", (scope,))
    orders = source.execute(RECIPES["list the orders since the backup"].replace("BACKUP", "-infinity")).fetchall()
    ledger.execute(RECIPES["create the list"])
    with ledger.cursor() as cursor, cursor.copy("COPY since_backup FROM STDIN") as copy:
        for order in orders:
            copy.write_row(list(order.values()))
    of_this_account = f" AND s.scope_id = {scope}\nON CONFLICT"
    for statement in RECIPES["have them looked up"].replace("\nON CONFLICT", of_this_account).split(";\n"):
        ledger.execute(statement)
    # More orders are listed, and exported, than were ever sent: those go out, and the others not again.
    assert run_export(ORDERS, LookBackDays=40).state == "success"
    after = sent(account)
    assert set(before) < set(after)
    assert set(after.values()) == {1}
