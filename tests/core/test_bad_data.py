"""
Odd values in every column of every export, from a real replica to the sandbox ODP.

Whatever stands in a column, the run ends, every row has one fate, the good rows arrive, and ODP drops no value of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest

from odp.core.accounting import check_counts, summarise
from odp.core.client import OdpClient
from odp.core.commerce import TABLES
from odp.core.exports import EXPORTS, Export
from odp.core.extract import MANIFEST, Selection, extract
from odp.core.ledger import Ledger, account_name
from odp.core.parts import load_part, transform_part
from odp.core.run_history import start_run
from odp.core.settings import Settings
from odp.core.staging import Staging
from odp.core.window import Window
from odp.sql_files import SQL_DIR
from sandbox.odp.server import SandboxOdp

ODD_VALUES: dict[str, list[Any]] = {
    "text": [
        None,
        "",
        "   ",
        "🙂" * 2_000,
        "\x01\x02\x1f\x7f\\N\\.",
        "a\r\nb\t\"'\\",
        "NaN",
        "<script>",
        '","x":null',
        "\ufeffx",
        "٣",
        " y ",
    ],
    "numeric": [None, "NaN", "Infinity", "-Infinity", "0", "-0.00001", "9999999999999.99999", "1e300"],
    "boolean": [None, True, False],
    "timestamptz": [None, "0001-01-01", "9999-12-31", "infinity", "-infinity", "1969-12-31 23:59:59.999999+00"],
    "uuid": [None, UUID(int=0), UUID(int=2**128 - 1)],
    "integer": [None, 0, -1, 2**31 - 1],
    "double precision": [None, "NaN", "Infinity", "1e300", "-0"],
}

_SPACE = UUID("5f0e0d9c-7a61-4f3e-9a0d-d1c7f00dbeef")
_MAIN_TABLE = {
    "products.sql": "Product",
    "warehouses.sql": "Warehouse",
    "orders.sql": "CustomerOrder",
    "customers.sql": "Customer",
    "user_profiles.sql": "UserProfile",
    "customer_user_profiles.sql": "CustomerUserProfile",
}


def _uid(*parts: object) -> UUID:
    return uuid5(_SPACE, "/".join(map(str, parts)))


def _good_row(table: str, number: int) -> dict[str, Any]:
    """A row that is delivered as it is; other rows are copies with one odd value."""
    row: dict[str, Any] = {"Id": _uid(table, number), "ModifiedOn": "2026-11-01T00:00:00Z"}
    if table == "UserProfile":
        row |= {"Email": f"user{number}@example.com", "UserName": f"user{number}"}
    elif table == "CustomerOrder":
        row |= {"OrderNumber": f"W{number}", "Status": "Submitted", "OrderDate": "2026-10-01T00:00:00Z"}
        row |= {"BTEmail": f"buyer{number}@example.com", "OrderTotal": 10}
    elif table == "CustomerUserProfile":
        row |= {"CustomerId": _uid("Customer", 0), "UserProfileId": _uid("UserProfile", 0)}
    return row


def _rows(table: str) -> Iterator[dict[str, Any]]:
    yield _good_row(table, 0)
    number = 1
    for column in TABLES[table].columns:
        if column.name == "Id":
            continue
        for value in ODD_VALUES[column.type]:
            yield _good_row(table, number) | {column.name: value}
            number += 1


def _insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    columns, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row)


@contextmanager
def _loose_replica(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A replica whose columns are as wide and as nullable as a replication tool may make them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        for table in TABLES.values():
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
        yield connection


def _run(export: Export, database: str, odp: SandboxOdp, folder: Path) -> dict[str, Any]:
    settings, staging = Settings(), Staging(folder, export.dag_id, "run")
    selection = Selection(window=Window(), as_of=datetime(2026, 11, 24, tzinfo=timezone.utc))
    texts = {name: Path(SQL_DIR, file).read_text() for name, file in export.lookups.items()}
    with Ledger(lambda: psycopg.connect(database), account_name(odp.url, odp.key), export.dag_id) as ledger:
        start_run(ledger, "run", selection.window, None)
        with psycopg.connect(database, options="-c search_path=dbo") as connection:
            parts = extract(connection, export, Path(SQL_DIR, export.sql).read_text(), texts, selection, settings, staging)
        transformed = [transform_part(export, p, settings, staging, ledger, batch_size=500, resend=False) for p in parts]
        client = OdpClient(odp.url, odp.key)
        loaded = [
            load_part(export, t, client, settings, staging, ledger, run_id="run", dry_run=False, repeated=False)
            for t in transformed
        ]
        summary = summarise(staging.read_json(MANIFEST), transformed, loaded, delivered=ledger.delivered_rows("run"))
    check_counts(summary)
    return summary


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_odd_values_in_every_column(export: Export, ledger_database: str, odp: SandboxOdp, tmp_path: Path) -> None:
    table = _MAIN_TABLE[export.sql]
    with _loose_replica(ledger_database) as replica:
        if table == "CustomerUserProfile":
            _insert(replica, "Customer", _good_row("Customer", 0))
            _insert(replica, "UserProfile", _good_row("UserProfile", 0))
        rows = list(_rows(table))
        for row in rows:
            _insert(replica, table, row)
    summary = _run(export, ledger_database, odp, tmp_path)
    assert summary["extracted"] == len(rows)
    assert summary["uncertain"] == summary["unchanged"] == 0
    assert summary["delivered"] >= 1
    assert odp.counts()["dropped_fields"] == {}
    assert odp.counts()["requests"].get("400", 0) == 0


def test_odd_values_in_every_column_of_order_lines(ledger_database: str, odp: SandboxOdp, tmp_path: Path) -> None:
    orders = next(export for export in EXPORTS if export.sql == "orders.sql")
    number = 0
    with _loose_replica(ledger_database) as replica:
        for column in TABLES["OrderLine"].columns:
            if column.name in ("Id", "CustomerOrderId"):
                continue
            for value in ODD_VALUES[column.type]:
                number += 1
                order = _good_row("CustomerOrder", number)
                _insert(replica, "CustomerOrder", order)
                line = {"Id": _uid("line", number), "CustomerOrderId": order["Id"], "ProductId": _uid("Product", 1)}
                line |= {"Line": 1, "QtyOrdered": 2, "UnitNetPrice": 5, "UnitRegularPrice": 5, "TotalNetPrice": 10}
                _insert(replica, "OrderLine", line | {"ModifiedOn": order["ModifiedOn"]} | {column.name: value})
    summary = _run(orders, ledger_database, odp, tmp_path)
    assert summary["extracted"] == number
    assert summary["delivered"] + summary["rejected"] == number
    assert 0 < summary["rejected"] < number
    assert odp.counts()["events"] == {"order/purchase": summary["delivered"]}
    assert odp.counts()["dropped_fields"] == {}
