"""Preflight of the ledger: there, of this version, writable, and a database of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from odp.core.exceptions import LedgerError
from odp.core.ledger import LEDGER_VERSION, Ledger
from odp.core.preflight_report import ALL_EXPORTS, Finding, failure_of

_AREA = "ledger"

_NOT_WRITABLE = """
    SELECT c.relname
    FROM pg_class v JOIN pg_class c ON c.relnamespace = v.relnamespace AND c.relkind = 'r'
    WHERE v.oid = to_regclass('ledger_version') AND NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
    ) AND c.relname <> 'ledger_version'
    ORDER BY c.relname
"""

_NEIGHBOURS = {"dag_run": "Airflow's metadata", "customerorder": "the Commerce replica"}
"""Tables that show whose database this is."""


def check_ledger(connect: Callable[[], psycopg.Connection[Any]]) -> list[Finding]:
    """
    Check the ledger.

    :param connect: opens a connection to the ledger's database.
    """
    try:
        with Ledger(connect, "preflight", "preflight") as ledger:
            return _check_open(ledger.connection)
    except (LedgerError, psycopg.Error) as error:
        return [failure_of(error, _AREA, "tables" if isinstance(error, LedgerError) else "connection")]


def _check_open(connection: psycopg.Connection[Any]) -> list[Finding]:
    findings = []
    read_only = connection.execute("SELECT current_setting('transaction_read_only') = 'on'").fetchone()
    if read_only and read_only[0]:
        findings.append(
            Finding(
                area=_AREA,
                subject="connection",
                verdict="failure",
                cause="The ledger's database is read-only: a standby, or a role that may not write.",
                remedy="Let the connection odp_ledger lead to the primary, with a role that may write.",
                exports=ALL_EXPORTS,
            )
        )
    if tables := [row[0] for row in connection.execute(_NOT_WRITABLE)]:
        findings.append(
            Finding(
                area=_AREA,
                subject="privileges",
                verdict="failure",
                cause=f"The role of the connection odp_ledger may not read and write {', '.join(tables)}.",
                remedy="Grant it SELECT, INSERT, UPDATE and DELETE on all tables of the ledger.",
                exports=ALL_EXPORTS,
            )
        )
    neighbours = connection.execute(
        "SELECT DISTINCT lower(relname) FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND lower(relname) = ANY(%s)",
        (list(_NEIGHBOURS),),
    ).fetchall()
    findings += [
        Finding(
            area=_AREA,
            subject="database",
            verdict="warning",
            cause=f"The ledger shares its database with {_NEIGHBOURS[name]}.",
            remedy="Give it a database of its own, so that neither disturbs the other.",
        )
        for (name,) in sorted(neighbours)
    ]
    if not findings:
        findings.append(Finding(area=_AREA, subject="tables", verdict="ok", cause=f"Version {LEDGER_VERSION}, writable."))
    return findings
