"""
What the runs of an export have covered: which times of ModifiedOn were exported, and which gaps downtime left between them.

A run covers its window once each row of it is accounted for: delivered, or kept as a reject that every later run tries again.
So a run that failed only for its rejects covers its window, too. A run that sent nothing (``DryRun``) or not everything
(``Ids``) covers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from odp.core.ledger import Ledger
from odp.core.run_history import FATES
from odp.core.window import Window


@dataclass(frozen=True)
class Coverage:
    """
    The coverage of one export.

    :param ranges: what is covered, merged, oldest first. The first may have an open start; no end is open.
    :param gaps: what is not covered between the start of the first run that succeeded and the end of the last range.
    """

    ranges: tuple[Window, ...] = ()
    gaps: tuple[Window, ...] = ()

    @property
    def covered_until(self) -> datetime | None:
        """End of the last range; ``None`` if nothing is covered."""
        return self.ranges[-1].end if self.ranges else None

    @property
    def complete_until(self) -> datetime | None:
        """Until when everything is covered since the first run that succeeded; ``None`` if nothing is."""
        return self.gaps[0].start if self.gaps else self.covered_until


def read_coverage(ledger: Ledger) -> Coverage:
    """
    Work the coverage of one export out from the history of its runs.

    :param ledger: the export's ledger.
    """
    return read_coverages(ledger.connection, ledger.account, ledger.export).get(ledger.export, Coverage())


def read_coverages(connection: psycopg.Connection[Any], account: str, export: str | None = None) -> dict[str, Coverage]:
    """
    Work the coverage of exports out from the history of their runs.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of one export; all by default.
    :return: by the id of the export; those without any coverage are left out.
    """
    covered: dict[str, list[Window]] = {}
    gaps: dict[str, list[Window]] = {}
    for name, is_gap, start, end in connection.execute(_QUERY, {"account": account, "export": export}):
        (gaps if is_gap else covered).setdefault(name, []).append(Window(start, end))
    return {name: Coverage(tuple(ranges), tuple(gaps.get(name, ()))) for name, ranges in covered.items()}


def resume_point(ledger: Ledger, run_id: str, overlap: timedelta) -> datetime | None:
    """
    Tell where a scheduled run takes up what earlier runs have covered without a gap; the same for each try of the run.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param overlap: how far it goes back into what is covered, for rows that reached the replica late.
    :return: ``None`` if nothing is covered yet.
    """
    begun = ledger.connection.execute(
        "SELECT nullif(window_start, '-infinity') FROM export_run"
        " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
        {**ledger.scope, "run_id": run_id},
    ).fetchone()
    if begun:
        return begun[0]
    until = read_coverage(ledger).complete_until
    return until and until - overlap


# A window covers no time after its own run began, except for as much as the clocks of Airflow and of the ledger may differ.
# Gaps begin with the run that succeeded first: an older window that is exported later fills gaps and makes none.
_QUERY = f"""
WITH run AS (
    SELECT
        export,
        started_at,
        tstzrange(
            nullif(window_start, '-infinity'),
            greatest(
                window_start,
                CASE WHEN window_end <= started_at + interval '5 minutes' THEN window_end ELSE started_at END
            )
        ) AS covered
    FROM export_run
    WHERE account = %(account)s
        AND (%(export)s::text IS NULL OR export = %(export)s)
        AND ids IS NULL
        AND NOT dry_run
        AND summary IS NOT NULL
        AND extracted = {" + ".join(FATES)}
),
export AS (
    SELECT
        export,
        range_agg(covered) AS covered,
        tstzrange((array_agg(lower(covered) ORDER BY started_at))[1], upper(range_agg(covered))) AS span
    FROM run
    WHERE NOT isempty(covered)
    GROUP BY export
)
SELECT export, false AS is_gap, lower(part) AS start, upper(part) AS "end"
FROM export CROSS JOIN unnest(covered) AS part
UNION ALL
SELECT export, true, lower(part), upper(part)
FROM export CROSS JOIN unnest(multirange(span) - covered) AS part
ORDER BY export, is_gap, start NULLS FIRST
"""
