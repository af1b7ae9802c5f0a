"""Preflight of the Commerce replica: tables and columns, the mapping queries, and how far it lags behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg import sql

from odp.core.commerce import READS
from odp.core.contract import extended_contract, fields_fed_by
from odp.core.currency import without_unused
from odp.core.custom_fields import find_custom_fields
from odp.core.custom_plan import CustomPlan
from odp.core.custom_properties import property_names
from odp.core.custom_settings import EVERY_OTHER
from odp.core.exceptions import OdpExportError
from odp.core.exports import Export
from odp.core.extract import Selection
from odp.core.order_history import add_order_history, files_read
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.preflight_report import Finding, failure_of
from odp.core.records import Record
from odp.core.replica import describe, find_absences
from odp.core.settings import Settings
from odp.core.websites import find_website_ids
from odp.core.window import Window

_AREA = "replica"

LONGEST_LAG = timedelta(hours=1)
"""Lag of a standby above which a daily run may miss what was modified shortly before midnight."""

QUIET_AFTER = timedelta(days=1)
"""Age of the newest change above which replication may have stopped."""


def check_replica(connection: psycopg.Connection[Any]) -> Finding:
    """
    Say what the connection leads to.

    :param connection: a connection to the replica.
    """
    row = connection.execute(
        "SELECT current_setting('server_version'), current_database(), current_setting('search_path')"
    ).fetchone()
    assert row is not None  # noqa: S101 - a row of constants
    cause = f"PostgreSQL {row[0]}, database {row[1]}, search_path {row[2]}."
    return Finding(area=_AREA, subject="connection", verdict="ok", cause=cause)


def check_export(
    connection: psycopg.Connection[Any],
    export: Export,
    mapping: str,
    settings: Settings,
    now: datetime,
    lookups: Mapping[str, str] | None = None,
) -> tuple[list[Finding], type[Record] | None]:
    """
    Check that an export finds its tables and columns, and that its mapping query gives records that can be sent.

    :param connection: a connection to the replica, in a transaction.
    :param export: the export.
    :param mapping: text of its mapping file.
    :param settings: the team's settings.
    :param now: the time against which the query judges activation dates.
    :param lookups: texts of the queries beside it, by name.
    :return: the findings, and the contract with the columns added in SQL; ``None`` if the export could not work.
    """
    tables = list(dict.fromkeys(table for file in files_read(export, settings) for table in READS[file]))
    try:
        with connection.transaction():
            absences = find_absences(connection, tables)
            absent = [*absences.tables, *absences.columns]
            website_ids = find_website_ids(connection, export.sql, mapping, settings.websites or tuple(settings.accounts), absent)
            parameters = Selection(window=Window(), as_of=now, website_ids=website_ids).parameters(settings)
            columns = without_unused(describe(connection, mapping, parameters, absences), settings.convert_currency)
            contract = extended_contract(export.contract_for(settings), columns, ITEM_COLUMNS)
            custom = find_custom_fields(connection, export, settings, contract, columns, parameters, absences)
            custom_findings = _custom_findings(connection, export, settings, custom.plan) if custom else []
            add_order_history(connection, mapping, lookups or {}, parameters, absences, columns, settings)
    except (OdpExportError, psycopg.Error) as error:
        return [failure_of(error, _AREA, "tables and columns", (export.dag_id,))], None
    lost = fields_fed_by(export.contract, absent)
    added = [name for name in contract.model_fields if name not in export.contract.model_fields]
    cause = f"{len(tables) - len(absences.tables)} tables, {len(columns)} columns."
    if added:
        cause += f" Fields added in SQL: {', '.join(added)}."
    if absent:
        cause += f" The replica lacks {', '.join(absent)}, which is optional."
    return [
        Finding(
            area=_AREA,
            subject="tables and columns",
            verdict="warning" if lost else "ok",
            cause=cause,
            remedy=f"Replicate it, or go without the fields {', '.join(lost)}." if lost else "",
            exports=(export.dag_id,),
            details={"absent": absent, "fields_lost": lost, "fields_added": added},
        ),
        *custom_findings,
    ], custom.plan.extend(contract) if custom else contract


def _custom_findings(connection: psycopg.Connection[Any], export: Export, settings: Settings, plan: CustomPlan) -> list[Finding]:
    """Say which custom fields an export has, and which properties that the settings name no entity has."""
    fields = {field.name: field.source for field in plan.fields}
    wanted = settings.for_export(export.dag_id).custom.properties
    table = READS[export.sql][0]
    present = property_names(connection, table) if wanted else []
    unknown = [name for name in wanted if name != EVERY_OTHER and name not in present]
    cause = "Custom fields: " + (", ".join(f"{name} (from {source})" for name, source in fields.items()) or "none") + "."
    if unknown:
        cause += f" No row of CustomProperty of {table} is called {', '.join(unknown)}."
    return [
        Finding(
            area=_AREA,
            subject="custom properties",
            verdict="warning" if unknown else "ok",
            cause=cause,
            remedy=f"Names there, upper and lower case as written: {', '.join(present) or 'none'}." if unknown else "",
            exports=(export.dag_id,),
            details={"fields": fields, "unknown": unknown},
        )
    ]


def check_lag(connection: psycopg.Connection[Any], quick_tables: Sequence[str], now: datetime) -> Finding:
    """
    Tell how far the replica lags, as far as it can be seen.

    A standby of PostgreSQL says so itself. Any other replica only shows when its newest row was modified, which is a hint.

    :param connection: a connection to the replica.
    :param quick_tables: tables whose newest ModifiedOn is found without reading them whole.
    :param now: the time.
    """
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if row and row[0]:
        return _standby_lag(connection)
    newest = _newest_change(connection, quick_tables)
    if newest is None:
        cause = "It is no standby, and its newest change cannot be found: no row, or no index on ModifiedOn."
        return _lag("ok", f"How far it lags cannot be seen. {cause}")
    age = now - newest
    details = {"newest_modified_on": newest.isoformat()}
    if age < -timedelta(minutes=5):
        return _lag(
            "warning",
            f"The newest ModifiedOn, {newest:%Y-%m-%d %H:%M} UTC, lies in the future.",
            "A daily run reads such a row only when its day has come. Check the clocks, and that the replication keeps the zone.",
            details,
        )
    cause = f"The newest ModifiedOn is {newest:%Y-%m-%d %H:%M} UTC, {_words(age)} ago; it is no standby that knows its lag."
    if age > QUIET_AFTER:
        return _lag("warning", cause, "If Commerce was in use since then, the replication has stopped.", details)
    return _lag("ok", cause, "", details)


def _standby_lag(connection: psycopg.Connection[Any]) -> Finding:
    row = connection.execute(
        "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(),"
        " extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,"
        " EXISTS (SELECT FROM pg_stat_wal_receiver)"
    ).fetchone()
    assert row is not None  # noqa: S101 - a row of function calls
    caught_up, seconds, receiving = row
    age = timedelta(seconds=seconds or 0)
    last = f" The last change it replayed is {_words(age)} old." if seconds is not None else ""
    details = {"standby": True, "receiving": receiving, "lag_seconds": 0 if receiving and caught_up else seconds}
    if not receiving:
        remedy = "If its primary is in use, the replication has stopped: look at the standby's log."
        return _lag("warning", f"A standby that receives nothing from its primary now.{last}", remedy, details)
    if caught_up:
        return _lag("ok", "A standby that has replayed all it has received.", "", details)
    if age > LONGEST_LAG:
        remedy = "Let it catch up before a first load, and give the daily runs an overlap or a later hour."
        return _lag("warning", f"A standby that lags.{last}", remedy, details)
    return _lag("ok", f"A standby that is replaying.{last}", "", details)


def _newest_change(connection: psycopg.Connection[Any], tables: Sequence[str]) -> datetime | None:
    newest: list[datetime] = []
    for table in tables:
        row = connection.execute(
            sql.SQL("SELECT max(ModifiedOn)::timestamptz FROM {}").format(sql.Identifier(table.lower()))
        ).fetchone()
        if row and row[0]:
            newest.append(row[0].astimezone(timezone.utc))
    return max(newest, default=None)


def _lag(verdict: Any, cause: str, remedy: str = "", details: Mapping[str, Any] | None = None) -> Finding:
    return Finding(area=_AREA, subject="lag", verdict=verdict, cause=cause, remedy=remedy, details=details or {})


def _words(age: timedelta) -> str:
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
