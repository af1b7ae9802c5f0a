"""
Whether another feed writes to ODP by the same keys: look rows of the replica up in ODP by the keys that the exports use.

Commerce's own real-time feed may run beside this package. Were a product known to it by another key, ODP would hold it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg.rows import dict_row

from odp.core.client import OdpClient
from odp.core.commerce import READS
from odp.core.exceptions import OdpApiError
from odp.core.exports import Export
from odp.core.extract import Selection
from odp.core.order_status import fold_status, resolve_actions
from odp.core.read_back import read_objects, read_profiles
from odp.core.replica import begin_snapshot, find_absences, read_lookup, with_stand_ins
from odp.core.settings import Settings
from odp.core.window import Window


@dataclass(frozen=True)
class KeyCheck:
    """
    What ODP has of some rows of an export.

    :param export_id: id of the export.
    :param keys: names of the fields by which they were looked up.
    :param looked_for: number of rows.
    :param found: number that ODP has under these keys.
    :param found_in_capitals: number of the others that it has under the same keys in capital letters.
    :param note: why ODP could not be asked, if so.
    """

    export_id: str
    keys: tuple[str, ...]
    looked_for: int
    found: int = 0
    found_in_capitals: int = 0
    note: str = ""

    def __str__(self) -> str:
        """Say it in a line."""
        if self.note:
            return f"{self.export_id}: {self.note}"
        if not self.looked_for:
            return f"{self.export_id}: no row of that time to look for"
        line = f"{self.export_id}: ODP has {self.found} of {self.looked_for} by {' + '.join(self.keys)}"
        return f"{line}, and {self.found_in_capitals} by the same in capital letters" if self.found_in_capitals else line


def check_keys(
    connection: psycopg.Connection[Any],
    client: OdpClient,
    export: Export,
    mapping: str,
    lookups: Mapping[str, str],
    settings: Settings,
    *,
    days: int,
    rows: int,
) -> KeyCheck:
    """
    Look rows of an export up in ODP.

    :param connection: a connection to the replica, without a transaction.
    :param client: the account; reads need its private key.
    :param export: the export.
    :param mapping: text of its mapping file.
    :param lookups: texts of its side queries, by name.
    :param settings: the team's settings.
    :param days: rows that were modified within so many days.
    :param rows: how many of them at most.
    :raises ReplicaError: if the replica lacks something that the export needs.
    """
    keys = export.contract_for(settings).key
    wanted = _read_keys(connection, export, mapping, lookups, settings, keys, days)[:rows]
    try:
        found = _found(client, export, wanted)
        others = [row for row, there in zip(wanted, found, strict=True) if not there]
        capitals = [{name: value.upper() for name, value in row.items()} for row in others]
        in_capitals = _found(client, export, [row for row, other in zip(capitals, others, strict=True) if row != other])
    except OdpApiError as error:
        return KeyCheck(export.dag_id, keys, len(wanted), note=str(error))
    return KeyCheck(export.dag_id, keys, len(wanted), sum(found), sum(in_capitals))


def _read_keys(
    connection: psycopg.Connection[Any],
    export: Export,
    mapping: str,
    lookups: Mapping[str, str],
    settings: Settings,
    keys: tuple[str, ...],
    days: int,
) -> list[dict[str, str]]:
    """Read the keys of rows that the export would send."""
    begin_snapshot(connection, application_name="odp_key_check", statement_timeout_minutes=settings.statement_timeout_minutes)
    absences = find_absences(connection, [table for file in (export.sql, *export.lookups.values()) for table in READS[file]])
    now = datetime.now(timezone.utc)
    selection = Selection(window=Window(now - timedelta(days=days), None), as_of=now)
    query = with_stand_ins(connection, absences, f"SELECT record.* FROM (\n{mapping.strip().rstrip(';')}\n) AS record")
    cursor = connection.cursor(row_factory=dict_row).execute(query, selection.parameters(settings))
    found = [row for row in cursor if not row.get("skip_reason") and all(row[name] is not None for name in keys)]
    if "order_status_mapping" in lookups:
        statuses = read_lookup(connection, lookups["order_status_mapping"], absences)
        actions, _ = resolve_actions(statuses, settings.order_status, strict=settings.strict_mapping)
        found = [row for row in found if actions.get(fold_status(row["order_status"]))]
    connection.rollback()
    return [{name: str(row[name]).strip() for name in keys} for row in reversed(found)]


def _found(client: OdpClient, export: Export, wanted: list[dict[str, str]]) -> list[bool]:
    look_up = read_profiles(client, wanted) if export.family == "profiles" else read_objects(client, export, wanted)
    return [row is not None for row in look_up]
