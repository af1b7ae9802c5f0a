"""
What has changed in the replica, for real time: the entities that the mapping files themselves call modified.

Two sources. A replica with the change table (``include/sql/change_notifications.sql``) tells each changed entity, and tells it
at once. Without it the mapping files are asked for the rows modified since the watermark. ``ModifiedOn`` is set before its
transaction commits and may reach the replica later still, so the watermark stays behind: behind each transaction that was open
when the replica was looked at, and by ``overlap_minutes`` more. What is seen again in that range and looks the same is no change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from odp.core.commerce import READS
from odp.core.exceptions import ReplicaError
from odp.core.exports import get_export
from odp.core.extract import Selection
from odp.core.replica import begin_snapshot, find_absences, with_stand_ins
from odp.core.settings import Settings
from odp.core.window import Window

CHANGE_TABLE = "odp_changes.change"
CHANNEL = "odp_change"
"""The channel on which the change table's triggers tell that something has changed."""

LONGEST_TRANSACTION = timedelta(hours=1)
"""The watermark waits for open transactions no longer than this: one that somebody forgot would hold it for ever."""


@dataclass(frozen=True)
class Look:
    """
    One look at the replica: a snapshot of it.

    :param at: when, by the replica's clock; not after the snapshot was taken. Of a standby, when the latest transaction that it
        knows was committed.
    :param oldest_open: lowest number of a transaction that was still open.
    :param next_transaction: lowest number that no transaction had yet.
    :param snapshot: the snapshot, as PostgreSQL writes it.
    :param has_change_table: whether the replica has the change table.
    """

    at: datetime
    oldest_open: int
    next_transaction: int
    snapshot: str
    has_change_table: bool


class Horizon:
    """Tells up to which time everything is visible: no transaction is open that could still commit an older ``ModifiedOn``."""

    def __init__(self) -> None:
        self._unsettled: deque[Look] = deque()
        self._settled: datetime | None = None

    def settled(self, look: Look) -> datetime:
        """
        Return that time.

        A transaction that had a number when an earlier look was taken, and is over by now, is visible by now.

        :param look: the latest look.
        """
        self._unsettled.append(look)
        while self._unsettled and self._unsettled[0].next_transaction <= look.oldest_open:
            self._settled = self._unsettled.popleft().at
        longest = look.at - LONGEST_TRANSACTION
        while self._unsettled and self._unsettled[0].at < longest:
            self._unsettled.popleft()
        return max(self._settled or longest, longest)


@dataclass(frozen=True)
class Since:
    """
    How far the changes of an export have been seen.

    :param watermark: rows whose ModifiedOn is before this time.
    :param snapshot: transactions of the change table; ``None`` if it was never read.
    """

    watermark: datetime
    snapshot: str | None = None


class ChangeFeed:
    """
    Reads changes from the replica.

    :param connection: a connection to it, used for nothing else.
    :param mappings: text of the mapping file of each export that is watched, by its id.
    :param settings: the team's settings.
    :param timeout_seconds: longest time of one query.
    :raises ReplicaError: if the replica lacks something that the exports need.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        mappings: Mapping[str, str],
        settings: Settings,
        *,
        timeout_seconds: int = 60,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._timeout = timeout_seconds
        self._queries: dict[str, str] = {}
        with connection.transaction():
            for export_id, mapping in mappings.items():
                tables = READS[get_export(export_id).sql]
                absences = find_absences(connection, tables)
                self._queries[export_id] = with_stand_ins(connection, absences, _fingerprints(mapping, tables))

    @property
    def overlap(self) -> timedelta:
        """How much later than its ModifiedOn a row may reach the replica, besides the time its transaction takes."""
        return timedelta(minutes=self._settings.overlap_minutes)

    def has_change_table(self) -> bool:
        """Tell whether the replica has the change table, and lets this role read it."""
        row = self._connection.execute(f"SELECT {_HAS_CHANGE_TABLE}").fetchone()
        self._connection.rollback()
        return bool(row and row[0])

    def look(self) -> Look:
        """Take a snapshot of the replica; :meth:`read` reads from it, until :meth:`close`."""
        self._connection.rollback()
        begin_snapshot(self._connection, application_name="odp_realtime", statement_timeout_minutes=0)
        self._connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{self._timeout}s",))
        row = self._connection.execute(
            f"SELECT {_TIME}, pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, s::text,"
            f" {_HAS_CHANGE_TABLE} FROM pg_current_snapshot() AS s"
        ).fetchone()
        assert row is not None  # noqa: S101 - one row, always
        return Look(*row)

    def read(self, export_id: str, look: Look, since: Since, into: psycopg.Copy) -> None:
        """
        Copy an export's changes to the ledger: entity id and fingerprint, which the change table does not give.

        :param export_id: id of the export.
        :param look: the look that :meth:`look` returned.
        :param since: what has been seen before.
        :param into: a COPY of the text format that is under way.
        :raises ReplicaError: if the mapping query does not run on this replica.
        """
        seen = since.snapshot if look.has_change_table and since.snapshot and _is_before(since.snapshot, look) else None
        if look.has_change_table:
            self._copy(_RECORDED, {"export": export_id, "seen": seen}, into)
        if seen is None:
            # Also once, before the change table is relied on: for what had changed before it was there.
            selection = Selection(window=Window(since.watermark, None), as_of=look.at)
            parameters = {**selection.parameters(self._settings), "since": since.watermark}
            self._copy(self._queries[export_id], parameters, into)

    def _copy(self, query: str, parameters: Mapping[str, Any], into: psycopg.Copy) -> None:
        try:
            with self._connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT", parameters) as rows:
                for block in rows:
                    into.write(block)
        except psycopg.ProgrammingError as error:
            raise ReplicaError(f"Changes cannot be read from this replica: {str(error).strip()}") from error

    def close(self) -> None:
        """End the snapshot."""
        self._connection.rollback()


def _is_before(snapshot: str, look: Look) -> bool:
    """Tell whether a snapshot is of this replica: one that was set up anew counts its transactions anew."""
    return int(snapshot.split(":")[1]) <= look.next_transaction


def _fingerprints(mapping: str, tables: Sequence[str]) -> str:
    """
    Return the query of an export's modified rows: the id of each, and a hash of what it looks like.

    Custom properties are not in the mapping file's columns, so their times go into the hash as well.
    """
    properties, join = "", ""
    if "CustomProperty" in tables:
        properties = ", property.times"
        join = (
            "LEFT JOIN (SELECT p.ParentId::text AS entity_id, string_agg(p.ModifiedOn::text, ',' ORDER BY p.ModifiedOn) AS times"
            " FROM CustomProperty p WHERE p.ModifiedOn >= %(since)s GROUP BY p.ParentId) AS property"
            " ON property.entity_id = record.entity_id::text"
        )
    body = mapping.strip().rstrip(";")
    return (
        f"SELECT record.entity_id::text, hashtextextended(concat_ws(E'\\x1f', record::text{properties}), 0)"
        f" FROM (\n{body}\n) AS record {join}"
    )


# A standby shows the past: a transaction that it does not know yet may be older than its clock says.
_TIME = "CASE WHEN pg_is_in_recovery() THEN least(pg_last_xact_replay_timestamp(), now()) ELSE now() END"

_HAS_CHANGE_TABLE = (
    "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'odp_changes'"
    " AND c.relname = 'change' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))"
)

# Visible now, and not in what has been seen: exact, in whatever order transactions were begun and committed.
_RECORDED = (
    f"SELECT DISTINCT c.entity_id, NULL::bigint FROM {CHANGE_TABLE} c WHERE c.export = %(export)s"
    " AND (%(seen)s::pg_snapshot IS NULL OR (c.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)"
    " AND NOT pg_visible_in_snapshot(c.xid, %(seen)s::pg_snapshot)))"
)
