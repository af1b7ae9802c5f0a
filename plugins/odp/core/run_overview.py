"""
What the history tells about runs: the latest of each export, those of one export, and how far a running one has come.

Real time makes thousands of small runs a day. They are told apart, or the runs of schedules and people would not be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from odp.core.window import Window


@dataclass(frozen=True, kw_only=True)
class Run:
    """
    A run of an export as the ledger knows it.

    :param export: id of the export.
    :param run_id: name of the run in the ledger.
    :param state: running, success or failed.
    :param window_start: first ModifiedOn that it reads; ``None`` if open.
    :param window_end: first ModifiedOn that it does not read; ``None`` if open.
    :param ids: to how many entities it was restricted; ``None`` for all of the window.
    :param dry_run: whether it sends nothing.
    :param judged: whether all stages are done and the counts of rows are final.
    :param settled: rows that came to an end without being delivered, so far; final counts say which end.
    :param transformed: how many parts have been transformed, so far.
    :param error: why it failed.
    :param started_at: when it began.
    :param finished_at: when it ended.
    :param seen_at: the ledger's clock when this was read.
    """

    export: str
    run_id: str
    state: str
    window_start: datetime | None
    window_end: datetime | None
    ids: int | None
    dry_run: bool
    judged: bool
    extracted: int
    delivered: int
    unchanged: int
    skipped: int
    rejected: int
    uncertain: int
    not_sent: int
    settled: int
    transformed: int
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    seen_at: datetime

    @property
    def dag_run(self) -> tuple[str, str]:
        """Airflow's run: the ids of its DAG and of the run."""
        return dag_run_of(self.export, self.run_id)

    @property
    def window(self) -> Window:
        """What it reads."""
        return Window(self.window_start, self.window_end)

    @property
    def duration(self) -> timedelta:
        """How long it took, or has taken so far."""
        return (self.finished_at or self.seen_at) - self.started_at

    @property
    def rate(self) -> float | None:
        """Extracted rows a second, over the whole run; ``None`` if there were none, or it is not done."""
        seconds = self.duration.total_seconds()
        return self.extracted / seconds if self.judged and self.extracted and seconds > 0 else None

    @property
    def accounted(self) -> int:
        """Rows of which it is known what became of them."""
        return self.extracted if self.judged else min(self.delivered + self.settled, self.extracted)

    @property
    def stage(self) -> str:
        """What a running run is doing."""
        if not self.extracted:
            return "extracting"
        if not self.transformed:
            return "transforming"
        return "sending" if self.accounted < self.extracted else "checking"


def dag_run_of(export: str, run_id: str) -> tuple[str, str]:
    """
    Tell which run of Airflow a run in the ledger is.

    :param export: id of the export.
    :param run_id: name of the run in the ledger: Airflow's id, after the DAG's where that is not the export's own.
    :return: the ids of the DAG and of its run.
    """
    dag_id, _, dag_run_id = run_id.rpartition("/")
    return dag_id or export, dag_run_id


# Until a run is judged its row holds no counts but `extracted`; its parts know the rest.
_RUN = """
    r.export, r.run_id, r.state,
    nullif(r.window_start, '-infinity') AS window_start, nullif(r.window_end, 'infinity') AS window_end,
    r.ids, r.dry_run, r.summary IS NOT NULL AS judged,
    r.extracted, CASE WHEN r.summary IS NULL THEN p.delivered ELSE r.delivered END AS delivered,
    r.unchanged, r.skipped, r.rejected, r.uncertain, r.not_sent, p.settled, p.transformed,
    r.error, r.started_at, r.finished_at, now() AS seen_at
"""

_PARTS = """
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(settled), 0)::bigint AS settled,
            count(settled) AS transformed
        FROM run_part
        WHERE account = r.account AND export = r.export AND run_id = r.run_id AND r.summary IS NULL
    ) AS p ON true
"""


# Written as in the index export_run_own; no parameter, or PostgreSQL would not see that it is the same.
OWN_RUNS = "run_id NOT LIKE 'odp_realtime/%%'"
"""The condition, in a query with parameters, for runs that real time did not start."""

REAL_TIME_DAYS = 7
"""Real time that has not delivered anything for so long is not shown."""


def _runs(connection: psycopg.Connection[Any], query: str, values: dict[str, Any]) -> list[Run]:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(query, values).fetchall()


def accounts(connection: psycopg.Connection[Any]) -> list[str]:
    """
    List the ODP accounts that the ledger knows, the one that was exported to last first.

    :param connection: a connection to the ledger.
    """
    # From one account and export to the next by index: their runs are many, they are few.
    rows = connection.execute(
        """
        WITH RECURSIVE known AS (
            (SELECT account, export FROM export_run ORDER BY account, export LIMIT 1)
            UNION ALL
            SELECT later.* FROM known CROSS JOIN LATERAL (
                SELECT account, export FROM export_run WHERE (account, export) > (known.account, known.export)
                ORDER BY account, export LIMIT 1
            ) AS later
        )
        SELECT account FROM known CROSS JOIN LATERAL (
            SELECT started_at FROM export_run AS r WHERE r.account = known.account AND r.export = known.export
            ORDER BY started_at DESC LIMIT 1
        ) AS latest
        GROUP BY account ORDER BY max(started_at) DESC
        """
    )
    return [row[0] for row in rows]


def latest_runs(connection: psycopg.Connection[Any], account: str, exports: Sequence[str]) -> dict[str, Run]:
    """
    Return the latest run of each export, those of real time left out.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param exports: ids of the exports.
    :return: by id; an export that never ran is left out.
    """
    return _latest(connection, account, exports, OWN_RUNS)


def latest_real_time_runs(connection: psycopg.Connection[Any], account: str, exports: Sequence[str]) -> dict[str, Run]:
    """
    Return the latest run of real time for each export, if it is of the last :data:`REAL_TIME_DAYS` days.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param exports: ids of the exports.
    :return: by id; an export that has none is left out.
    """
    recent = f"run_id LIKE 'odp_realtime/%%' AND started_at > now() - interval '{REAL_TIME_DAYS} days'"
    return _latest(connection, account, exports, recent)


def _latest(connection: psycopg.Connection[Any], account: str, exports: Sequence[str], condition: str) -> dict[str, Run]:
    query = f"""
        SELECT {_RUN}
        FROM unnest(%(exports)s::text[]) AS wanted
        CROSS JOIN LATERAL (
            SELECT * FROM export_run
            WHERE account = %(account)s AND export = wanted AND {condition}
            ORDER BY started_at DESC LIMIT 1
        ) AS r
        {_PARTS}
    """
    return {run.export: run for run in _runs(connection, query, {"account": account, "exports": list(exports)})}


def recent_runs(connection: psycopg.Connection[Any], account: str, export: str, *, limit: int) -> list[Run]:
    """
    List the runs of an export, the latest first, those of real time left out.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    :param limit: how many at most.
    """
    query = f"""
        SELECT {_RUN}
        FROM (
            SELECT * FROM export_run
            WHERE account = %(account)s AND export = %(export)s AND {OWN_RUNS}
            ORDER BY started_at DESC LIMIT %(limit)s
        ) AS r
        {_PARTS}
        ORDER BY r.started_at DESC
    """
    return _runs(connection, query, {"account": account, "export": export, "limit": limit})


def unjudged_runs(connection: psycopg.Connection[Any], account: str, exports: Sequence[str], since: datetime) -> list[Run]:
    """
    List the runs that left nothing covered, because they are running or failed on the way; the latest first.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param exports: ids of the exports.
    :param since: only runs whose window reaches beyond this time.
    """
    query = f"""
        SELECT {_RUN}
        FROM export_run AS r
        {_PARTS}
        WHERE r.account = %(account)s AND r.export = ANY(%(exports)s)
            AND r.summary IS NULL AND r.ids IS NULL AND NOT r.dry_run AND r.window_end > %(since)s
        ORDER BY r.started_at DESC
    """
    return _runs(connection, query, {"account": account, "exports": list(exports), "since": since})
