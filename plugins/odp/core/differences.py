"""
What a comparison has found so far, in temporary tables of the ledger's database.

PostgreSQL holds and joins the keys, so that the worker's memory stays flat at any number of rows. The tables live as long as the
connection.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from odp.core.ledger import Ledger, hash_text
from odp.core.staging import Staging, read_frames, write_rows

if TYPE_CHECKING:
    import polars as pl

DEACTIVATED = hash_text("deactivated, because the source no longer has it")
"""Content of a record, as the ledger keeps it, that ODP was told to mark as not active."""

REPAIR_FILE = "to_repair.csv.zst"
DELETED_FILE = "deleted.csv.zst"

_TABLES = """
DROP TABLE IF EXISTS seen, differing, recent, gone;
CREATE TEMPORARY TABLE seen (key_hash uuid NOT NULL, part smallint NOT NULL, is_sent boolean NOT NULL);
CREATE TEMPORARY TABLE differing (
    key_hash uuid NOT NULL, record_key text NOT NULL, entity_id text NOT NULL, verdict text NOT NULL, part smallint NOT NULL
);
CREATE TEMPORARY TABLE recent (key_hash uuid NOT NULL);
CREATE TEMPORARY TABLE gone (key_hash uuid NOT NULL, record_key text NOT NULL, payload_hash uuid NOT NULL, verdict text NOT NULL);
"""

_SETTLE = (
    # Of several rows with one key, the last one counts.
    "DELETE FROM differing d USING seen s WHERE s.key_hash = d.key_hash AND s.is_sent AND s.part > d.part",
    # Every run of the export tries these again.
    "UPDATE differing d SET verdict = 'rejected' FROM reject r WHERE r.account = %(account)s AND r.export = %(export)s"
    " AND r.closed_at IS NULL AND r.entity_id = d.entity_id AND d.verdict IN ('missing', 'changed')",
    # Delivered by another run while the source was being read.
    "UPDATE differing d SET verdict = 'pending' FROM record_state r WHERE r.scope_id = %(scope_id)s"
    " AND r.key_hash = d.key_hash AND r.delivered_at >= %(began)s AND d.verdict IN ('missing', 'changed')",
    "UPDATE differing d SET verdict = 'pending' FROM recent WHERE recent.key_hash = d.key_hash"
    " AND d.verdict IN ('missing', 'changed')",
    "INSERT INTO gone SELECT r.key_hash, r.record_key, r.payload_hash,"
    f" CASE WHEN r.payload_hash = '{DEACTIVATED}' THEN 'deactivated' ELSE 'deleted' END"
    " FROM record_state r WHERE r.scope_id = %(scope_id)s AND r.delivered_at < %(began)s"
    " AND NOT EXISTS (SELECT FROM seen s WHERE s.key_hash = r.key_hash AND s.is_sent)",
    "UPDATE gone g SET verdict = 'extra' FROM seen s WHERE s.key_hash = g.key_hash AND g.verdict = 'deleted'",
)


class Differences:
    """
    The differences between the source and the ledger of one export.

    :param ledger: the export's ledger; the comparison has to stay in one thread.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        ledger.connection.execute(_TABLES)
        row = ledger.connection.execute("SELECT now()").fetchone()
        self.began: datetime = row[0] if row else datetime.min
        """When the comparison began, by the ledger's clock. What ODP acknowledges later is another run's doing."""

    def add_seen(self, key_hashes: pl.Series, part: int, *, is_sent: bool) -> None:
        """
        Note keys that the source has.

        :param key_hashes: hashes of the keys.
        :param part: number of their part; parts come in order.
        :param is_sent: whether their rows are sent, or skipped.
        """
        import polars as pl

        flag = "t" if is_sent else "f"
        self._copy("seen", key_hashes.to_frame("key_hash").with_columns(pl.lit(part), pl.lit(flag).alias("is_sent")))

    def add_differing(self, rows: pl.DataFrame, part: int) -> None:
        """
        Note rows that differ from what ODP has acknowledged.

        :param rows: ``key_hash``, ``record_key``, ``entity_id``, ``verdict``.
        :param part: number of their part.
        """
        import polars as pl

        self._copy("differing", rows.select("key_hash", "record_key", "entity_id", "verdict", pl.lit(part).alias("part")))

    def add_recent(self, key_hashes: pl.Series) -> None:
        """
        Note keys of rows that the next run of the export reads anyway.

        :param key_hashes: hashes of the keys.
        """
        self._copy("recent", key_hashes.to_frame())

    def settle(self) -> None:
        """Come to the final verdicts, after everything was noted."""
        connection = self._ledger.connection
        connection.execute("ANALYZE seen, differing, recent")
        with connection.transaction():
            # Whole tables are joined here, which the ledger's connections otherwise never do.
            connection.execute("SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '64MB'")
            for statement in _SETTLE:
                connection.execute(statement, {**self._ledger.scope, "began": self.began})

    def counts(self) -> dict[str, int]:
        """Count the differences by verdict, after :meth:`settle`."""
        rows = self._ledger.connection.execute(
            "SELECT verdict, count(*) FROM differing GROUP BY 1 UNION ALL SELECT verdict, count(*) FROM gone GROUP BY 1"
        )
        return {row[0]: row[1] for row in rows}

    def known(self) -> int:
        """Count the records that the ledger knows and that are not deactivated."""
        row = self._ledger.connection.execute(
            f"SELECT count(*) FROM record_state WHERE scope_id = %(scope_id)s AND payload_hash <> '{DEACTIVATED}'",
            self._ledger.scope,
        ).fetchone()
        return int(row[0]) if row else 0

    def examples(self, verdict: str, limit: int) -> list[tuple[str, str]]:
        """
        Return record key and entity id of some differences; of those that the source lacks, the key twice.

        :param verdict: which.
        :param limit: how many.
        """
        rows = self._ledger.connection.execute(
            "(SELECT record_key, entity_id FROM differing WHERE verdict = %(verdict)s LIMIT %(limit)s)"
            " UNION ALL (SELECT record_key, record_key FROM gone WHERE verdict = %(verdict)s LIMIT %(limit)s)",
            {"verdict": verdict, "limit": limit},
        )
        return [(row[0], row[1]) for row in rows]

    def delivered_before(self, key_hashes: Iterable[str], age: timedelta) -> set[str]:
        """
        Tell which records were acknowledged long before the comparison.

        :param key_hashes: hashes of their keys.
        :param age: how long.
        """
        rows = self._ledger.connection.execute(
            "SELECT replace(key_hash::text, '-', '') FROM record_state WHERE scope_id = %(scope_id)s"
            " AND key_hash = ANY(%(keys)s::uuid[]) AND delivered_at <= %(before)s",
            {**self._ledger.scope, "keys": list(key_hashes), "before": self.began - age},
        )
        return {row[0] for row in rows}

    def stage(self, staging: Staging, lost: Iterable[tuple[str, str, str]]) -> None:
        """
        Stage what Repair and Deactivate need, in place of what is in the folder.

        :param staging: the folder.
        :param lost: entity id, record key and hash of the key of records that ODP acknowledged and does not have.
        """
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows((*record, "lost") for record in lost)
        staging.clear()
        write_rows(staging, REPAIR_FILE, itertools.chain([text.getvalue().encode()], self._stream(_TO_REPAIR)))
        write_rows(staging, DELETED_FILE, self._stream(_DELETED))

    def _copy(self, table: str, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        with self._ledger.connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
            copy.write(frame.write_csv(include_header=False).encode())

    def _stream(self, query: str) -> Iterator[bytes]:
        with self._ledger.connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
            for row in copy:
                yield bytes(row)


_TO_REPAIR = (
    "SELECT entity_id, record_key, replace(key_hash::text, '-', ''), verdict FROM differing"
    " WHERE verdict IN ('missing', 'changed', 'pending') ORDER BY part"
)
_DELETED = (
    "SELECT record_key, replace(key_hash::text, '-', ''), replace(payload_hash::text, '-', '')"
    " FROM gone WHERE verdict = 'deleted'"
)


def read_staged(staging: Staging, name: str) -> Iterator[list[str]]:
    """
    Read the rows of a file that :meth:`Differences.stage` wrote.

    :param staging: the folder.
    :param name: ``REPAIR_FILE`` (entity id, record key, hash of the key, and verdict: ``missing``, ``changed``, ``pending`` or
        ``lost``) or ``DELETED_FILE`` (record key, hash of the key, hash of the content).
    """
    with staging.read(name) as file:
        for block in read_frames(file):
            yield from csv.reader(io.StringIO(block.decode(), newline=""))
