"""The history of an export as series of numbers: rows by period, and how long each run took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from odp.core.run_overview import OWN_RUNS

Period = Literal["day", "week", "month"]


@dataclass(frozen=True)
class PeriodRows:
    """
    What became of the rows of all runs that began in a period.

    :param start: first day of the period.
    """

    start: date
    runs: int
    delivered: int
    unchanged: int
    skipped: int
    rejected: int
    uncertain: int


@dataclass(frozen=True)
class RunDuration:
    """
    How long a run took.

    :param started_at: when it began.
    :param seconds: how long it took.
    :param rows: how many rows it extracted.
    :param state: how it ended.
    """

    started_at: datetime
    seconds: float
    rows: int
    state: str


def rows_by_period(
    connection: psycopg.Connection[Any], account: str, export: str, *, since: datetime, period: Period
) -> list[PeriodRows]:
    """
    Add the rows of an export's finished runs up; a period without runs is left out.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    :param since: only runs that began at or after this time.
    :param period: day, week or month, in UTC.
    """
    with connection.cursor(row_factory=class_row(PeriodRows)) as cursor:
        return cursor.execute(
            "SELECT date_trunc(%(period)s, started_at, 'UTC')::date AS start, count(*) AS runs,"
            " sum(delivered)::bigint AS delivered, sum(unchanged)::bigint AS unchanged, sum(skipped)::bigint AS skipped,"
            " sum(rejected)::bigint AS rejected, sum(uncertain)::bigint AS uncertain"
            " FROM export_run WHERE account = %(account)s AND export = %(export)s AND started_at >= %(since)s"
            " AND summary IS NOT NULL AND NOT dry_run GROUP BY 1 ORDER BY 1",
            {"account": account, "export": export, "since": since, "period": period},
        ).fetchall()


def durations(
    connection: psycopg.Connection[Any], account: str, export: str, *, since: datetime, limit: int
) -> list[RunDuration]:
    """
    Tell how long an export's finished runs took, the earliest first, those of real time left out.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    :param since: only runs that began at or after this time.
    :param limit: only so many, the latest.
    """
    with connection.cursor(row_factory=class_row(RunDuration)) as cursor:
        rows = cursor.execute(
            "SELECT started_at, extract(epoch FROM finished_at - started_at)::float AS seconds, extracted AS rows, state"
            f" FROM export_run WHERE account = %(account)s AND export = %(export)s AND {OWN_RUNS} AND started_at >= %(since)s"
            " AND finished_at IS NOT NULL ORDER BY started_at DESC LIMIT %(limit)s",
            {"account": account, "export": export, "since": since, "limit": limit},
        ).fetchall()
    return rows[::-1]
