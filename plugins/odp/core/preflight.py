"""
The preflight: everything that an export needs, checked before it runs.

It reads the replica, asks ODP and the ledger, and writes nothing, except that it creates what ODP's schema lacks when
``create_schema`` is on. One thing that is wrong does not keep the others from being checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import psycopg

from odp.core.exceptions import OdpExportError
from odp.core.exports import EXPORTS, ORDERS
from odp.core.preflight_account import Account, check_account
from odp.core.preflight_emails import check_emails
from odp.core.preflight_indexes import check_indexes
from odp.core.preflight_ledger import check_ledger
from odp.core.preflight_orders import check_orders
from odp.core.preflight_replica import check_export, check_lag, check_replica
from odp.core.preflight_report import ALL_EXPORTS, Finding, failure_of
from odp.core.preflight_routes import check_routes
from odp.core.preflight_schema import check_schema
from odp.core.records import Record
from odp.core.replica import begin_snapshot
from odp.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """
    What is checked.

    :param settings: the team's settings.
    :param queries: text of each file of ``include/sql`` that the exports read, by name.
    :param connect_replica: opens a connection to the replica.
    :param connect_ledger: opens a connection to the ledger.
    :param open_accounts: returns an ODP account, by the id of its connection.
    :param dry_run: whether nothing is created in ODP's schema.
    """

    settings: Settings
    queries: Mapping[str, str]
    connect_replica: Callable[[], psycopg.Connection[Any]]
    connect_ledger: Callable[[], psycopg.Connection[Any]]
    open_accounts: Mapping[str, Callable[[], Account]]
    dry_run: bool = False

    def run(self) -> Iterator[Finding]:
        """Make all checks, one after the other."""
        contracts = {export.dag_id: export.contract_for(self.settings) for export in EXPORTS}
        yield from self._check_replica(contracts)
        yield from check_ledger(self.connect_ledger)
        for connection, open_account in self.open_accounts.items():
            for finding in self._check_odp(contracts, open_account):
                several = len(self.open_accounts) > 1
                yield replace(finding, area=f"{finding.area}, account {connection}") if several else finding

    def _check_replica(self, contracts: dict[str, type[Record]]) -> Iterator[Finding]:
        """Check the replica, and add the columns that the SQL files select to the contracts."""
        try:
            connection = self.connect_replica()
        except (OdpExportError, psycopg.Error) as error:
            yield failure_of(error, "replica", "connection")
            return
        with connection:
            begin_snapshot(
                connection,
                application_name="odp_preflight",
                statement_timeout_minutes=self.settings.statement_timeout_minutes,
            )
            now = datetime.now(timezone.utc)
            yield check_replica(connection)
            for export in EXPORTS:
                lookups = {name: self.queries[file] for name, file in export.lookups.items()}
                findings, contract = check_export(connection, export, self.queries[export.sql], self.settings, now, lookups)
                yield from findings
                contracts[export.dag_id] = contract or contracts[export.dag_id]

            def check_speed() -> list[Finding]:
                indexes = check_indexes(connection, EXPORTS, by_website=bool(self.settings.websites or self.settings.accounts))
                return [*indexes.findings, check_lag(connection, indexes.quick_tables, now)]

            def check_statuses() -> list[Finding]:
                return check_orders(connection, self.queries[ORDERS.lookups["order_status_mapping"]], self.settings)

            yield from _guarded(connection, "replica", "indexes and lag", (), check_speed)
            if self.settings.accounts:
                routes = (ORDERS.dag_id,)
                yield from _guarded(connection, "accounts", "routes", routes, lambda: check_routes(connection, self.settings))
            yield from _guarded(connection, "e-mail", "uniqueness", (), lambda: check_emails(connection, self.settings))
            yield from _guarded(connection, "orders", "status mapping", (ORDERS.dag_id,), check_statuses)

    def _check_odp(self, contracts: Mapping[str, type[Record]], open_account: Callable[[], Account]) -> Iterator[Finding]:
        """Check the account, and its schema unless the key is of no use at all."""
        try:
            account = open_account()
        except OdpExportError as error:
            yield failure_of(error, "ODP", "connection")
            return
        findings = check_account(account, create_schema=self.settings.create_schema)
        yield from findings
        if not any(finding.verdict == "failure" and finding.exports == ALL_EXPORTS for finding in findings):
            yield from check_schema(account.client, contracts, self.settings, dry_run=self.dry_run)


def _guarded(
    connection: psycopg.Connection[Any],
    area: str,
    subject: str,
    exports: Sequence[str],
    check: Callable[[], list[Finding]],
) -> list[Finding]:
    """Make a check inside the snapshot: a configuration that contradicts itself is a failure, a check that fails a warning."""
    try:
        with connection.transaction():
            return check()
    except OdpExportError as error:
        return [failure_of(error, area, subject, exports)]
    except psycopg.Error as error:
        return [failure_of(error, area, f"{subject}, not checked", exports, "warning")]
