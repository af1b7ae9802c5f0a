"""
The changes that real time has to deliver, kept in the ledger.

What was seen in the replica is written down in the transaction that moves the watermark past it, and stays until a run has
delivered it: neither a restart nor a failed run loses a change, and an entity that changes ten times waits once.

A run of real time may overlap with another run of the export, which has read an older state and sends it later. So what was
delivered meanwhile is looked at once more when that other run has ended; the ledger knows then what ODP was sent last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from odp.core.change_feed import ChangeFeed, Horizon, Since
from odp.core.ledger import Ledger

RUN_PREFIX = "odp_realtime/"
"""What the names of real time's runs begin with in the ledger."""

_LOCK = int.from_bytes(b"odp!", "big")


@dataclass(frozen=True)
class Waiting:
    """
    What waits to be delivered.

    :param changes: number of entities by export, without exports that have none.
    :param taken_at: when a run last took changes.
    """

    changes: dict[str, int]
    taken_at: datetime | None


class ChangeRecorder:
    """
    Writes what changes in the replica into the ledger.

    :param connect: opens a connection to the ledger's database, on which nothing else is done.
    :param account: name of the ODP account.
    :param exports: ids of the exports that are watched.
    :raises LedgerError: if the ledger is of another version.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], account: str, exports: Sequence[str]) -> None:
        self.connection = connect()
        ledgers = {export_id: Ledger(lambda: self.connection, account, export_id) for export_id in exports}
        for ledger in ledgers.values():
            ledger.check_version()
        self._scopes = {export_id: int(ledger.scope["scope_id"]) for export_id, ledger in ledgers.items()}
        self._horizon = Horizon()
        for scope_id in self._scopes.values():
            self.connection.execute(
                f"CREATE TEMPORARY TABLE seen_{scope_id} (entity_id text, fingerprint bigint) ON COMMIT DELETE ROWS"
            )

    def record(self, feed: ChangeFeed) -> Waiting:
        """
        Look at the replica once.

        :param feed: reads it.
        :return: what waits now.
        """
        look = feed.look()
        settled = self._horizon.settled(look) - feed.overlap
        first = look.at - feed.overlap
        with self.connection.transaction():
            for export_id, scope_id in self._scopes.items():
                since = self._since(scope_id, first)
                with self.connection.cursor() as cursor, cursor.copy(f"COPY seen_{scope_id} FROM STDIN") as rows:
                    feed.read(export_id, look, since, rows)
                self.connection.execute(_SEEN.format(seen=f"seen_{scope_id}"), {"scope_id": scope_id})
                self.connection.execute(
                    "UPDATE change_watch SET watermark = greatest(watermark, %(watermark)s), snapshot = %(snapshot)s,"
                    " looked_at = now() WHERE scope_id = %(scope_id)s",
                    {"scope_id": scope_id, "watermark": settled, "snapshot": look.snapshot if look.has_change_table else None},
                )
        feed.close()
        return self.waiting()

    def _since(self, scope_id: int, first: datetime) -> Since:
        """Return how far an export was read; one that was never watched begins now: its daily runs cover what was before."""
        self.connection.execute(
            "INSERT INTO change_watch (scope_id, watermark) VALUES (%s, %s) ON CONFLICT DO NOTHING", (scope_id, first)
        )
        row = self.connection.execute("SELECT watermark, snapshot FROM change_watch WHERE scope_id = %s", (scope_id,)).fetchone()
        assert row is not None  # noqa: S101 - written just now
        return Since(*row)

    def waiting(self) -> Waiting:
        """Count what waits: what no run that is alive has taken, of exports that may be tried."""
        rows = self.connection.execute(_WAITING, {"scopes": list(self._scopes.values()), "lock": _LOCK}).fetchall()
        names = {scope_id: export_id for export_id, scope_id in self._scopes.items()}
        return Waiting(
            {names[scope_id]: count for scope_id, count, _ in rows if count},
            max((taken_at for *_, taken_at in rows if taken_at), default=None),
        )


class ChangeQueue:
    """
    The changes of one export, as a run of real time takes and delivers them.

    :param ledger: the export's ledger; its connection holds the lock by which one run at a time works on the export.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def take(self, run_id: str, limit: int) -> list[str]:
        """
        Take changes, those of runs that died included.

        :param run_id: the run's name in the ledger.
        :param limit: at most so many, those first that have waited longest.
        :return: ids of entities; none while the export may not be tried after a failure.
        """
        values = {**self._values(run_id), "limit": limit}
        self._ledger.connection.execute("SELECT pg_advisory_lock(%(lock)s, %(scope_id)s)", values)
        return [row[0] for row in self._ledger.connection.execute(_TAKE, values)]

    def tell_taken(self) -> None:
        """Let the trigger know that a run has taken what waited; what comes from now on needs another one."""
        self._ledger.connection.execute(
            "UPDATE change_watch SET taken_at = clock_timestamp() WHERE scope_id = %(scope_id)s", self._ledger.scope
        )

    def finish(self, run_id: str) -> int:
        """
        Write down that a run has delivered what it took, or kept it as rejects.

        :param run_id: the run's name in the ledger.
        :return: how many entities are looked at once more, since other runs of the export were at work meanwhile.
        """
        values = self._values(run_id)
        with self._ledger.connection.transaction():
            waits = self._ledger.connection.execute(_FINISH, values).fetchall()
            self._ledger.connection.execute(
                "UPDATE change_watch SET failures = 0, not_before = NULL WHERE scope_id = %(scope_id)s", values
            )
        return sum(not row[0] for row in waits)

    def fail(self, run_id: str) -> timedelta:
        """
        Give back what a run could not deliver; the waits until the next try grow.

        :param run_id: the run's name in the ledger.
        :return: how long the export waits.
        """
        with self._ledger.connection.transaction():
            self._ledger.connection.execute(
                "UPDATE changed_entity SET run_id = NULL"
                " WHERE scope_id = %(scope_id)s AND run_id = %(run_id)s AND done_at IS NULL",
                self._values(run_id),
            )
            row = self._ledger.connection.execute(
                "UPDATE change_watch SET failures = failures + 1,"
                " not_before = now() + least(interval '30 seconds' * 2 ^ least(failures, 10), interval '15 minutes')"
                " WHERE scope_id = %(scope_id)s RETURNING not_before - now()",
                self._values(run_id),
            ).fetchone()
        return row[0] if row else timedelta(0)

    def _values(self, run_id: str) -> dict[str, Any]:
        return {**self._ledger.scope, "run_id": run_id, "lock": _LOCK, "own": f"{RUN_PREFIX}%"}


def remove_old_runs(connection: psycopg.Connection[Any], older_than_days: int) -> int:
    """
    Remove the history of real time's runs past an age: there are thousands a day.

    :param connection: a connection to the ledger.
    :param older_than_days: the age.
    :return: how many were removed.
    """
    values = {"own": f"{RUN_PREFIX}%", "days": older_than_days}
    old = "run_id LIKE %(own)s AND started_at < now() - make_interval(days => %(days)s)"
    connection.execute(
        f"DELETE FROM run_part WHERE (account, export, run_id) IN (SELECT account, export, run_id FROM export_run WHERE {old})",
        values,
    )
    return connection.execute(f"DELETE FROM export_run WHERE {old}", values).rowcount


# A row that looks as it did is no change; one that only a trigger tells of is one, whatever it looks like. Delivered rows are
# kept for as long as they are seen again, and no longer.
_SEEN = """
WITH latest AS (
    SELECT DISTINCT ON (entity_id) entity_id, fingerprint FROM {seen} ORDER BY entity_id, fingerprint NULLS FIRST
),
gone AS (
    DELETE FROM changed_entity c
    WHERE c.scope_id = %(scope_id)s AND c.done_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM latest l WHERE l.entity_id = c.entity_id)
)
INSERT INTO changed_entity AS c (scope_id, entity_id, fingerprint)
SELECT %(scope_id)s, entity_id, fingerprint FROM latest ORDER BY entity_id
ON CONFLICT (scope_id, entity_id) DO UPDATE
SET fingerprint = excluded.fingerprint, seen_at = now(), run_id = NULL, waits_for = NULL, done_at = NULL
WHERE excluded.fingerprint IS NULL OR c.fingerprint IS DISTINCT FROM excluded.fingerprint
"""

# A run that never wrote its end down is waited for no longer than a day.
_ELIGIBLE = """
c.done_at IS NULL AND (w.not_before IS NULL OR w.not_before <= now()) AND (c.waits_for IS NULL OR NOT EXISTS (
    SELECT FROM export_run r JOIN export_scope s ON s.account = r.account AND s.export = r.export
    WHERE s.scope_id = c.scope_id AND r.run_id = ANY(c.waits_for) AND r.state = 'running'
        AND r.started_at > now() - interval '1 day'
))
"""

_WAITING = f"""
SELECT w.scope_id, count(c.entity_id) FILTER (WHERE {_ELIGIBLE} AND (c.run_id IS NULL OR NOT EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = %(lock)s AND l.objid = c.scope_id AND l.objsubid = 2 AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
))), w.taken_at
FROM change_watch w LEFT JOIN changed_entity c ON c.scope_id = w.scope_id AND c.done_at IS NULL
WHERE w.scope_id = ANY(%(scopes)s)
GROUP BY w.scope_id
"""

_TAKE = f"""
UPDATE changed_entity t SET run_id = %(run_id)s
WHERE t.scope_id = %(scope_id)s AND t.entity_id IN (
    SELECT c.entity_id FROM changed_entity c JOIN change_watch w ON w.scope_id = c.scope_id
    WHERE c.scope_id = %(scope_id)s AND {_ELIGIBLE} ORDER BY c.seen_at, c.entity_id LIMIT %(limit)s
)
RETURNING t.entity_id
"""

# Real time's own runs hold the lock one after the other: one of them that still counts as running has died.
_FINISH = """
WITH others AS (
    SELECT array_agg(o.run_id) AS run_ids
    FROM export_run mine JOIN export_run o ON o.account = mine.account AND o.export = mine.export
    WHERE mine.account = %(account)s AND mine.export = %(export)s AND mine.run_id = %(run_id)s
        AND o.run_id NOT LIKE %(own)s AND NOT o.dry_run
        AND ((o.state = 'running' AND o.started_at > now() - interval '1 day') OR o.finished_at >= mine.started_at)
)
UPDATE changed_entity c SET
    done_at = CASE WHEN o.run_ids IS NULL THEN now() END,
    run_id = CASE WHEN o.run_ids IS NULL THEN c.run_id END,
    waits_for = o.run_ids
FROM others o
WHERE c.scope_id = %(scope_id)s AND c.run_id = %(run_id)s AND c.done_at IS NULL
RETURNING c.done_at IS NOT NULL
"""
