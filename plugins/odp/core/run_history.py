"""The history of runs, and the rejects that later runs try again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Json

from odp.core.ledger import Ledger
from odp.core.window import Window

RETRIED_REJECTS = 10_000
"""Open rejects that one run tries again at most, longest untried first."""

FATES = ("delivered", "unchanged", "skipped", "rejected", "uncertain", "not_sent")
"""What can become of an extracted row; each row has exactly one fate."""

COUNTS = ("extracted", *FATES)
"""The counts that the history keeps of a run."""


@dataclass(frozen=True)
class KeptReject:
    """
    A reject as it is kept.

    :param entity_id: Commerce's id of the entity, by which a later run reads it again.
    :param record_key: key of the record.
    :param reason: what is wrong, in a sentence.
    :param payload: the row or the item.
    :param odp_answer: ODP's answer, if ODP refused it.
    """

    entity_id: str
    record_key: str
    reason: str
    payload: Any
    odp_answer: str | None = None


def start_run(ledger: Ledger, run_id: str, window: Window, ids: Sequence[str] | None, *, dry_run: bool = False) -> None:
    """
    Write a run down as running; again for a run that is repeated.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param window: what it reads.
    :param ids: the entities it is restricted to.
    :param dry_run: whether it sends nothing.
    """
    ledger.connection.execute(
        "INSERT INTO export_run (account, export, run_id, window_start, window_end, ids, dry_run, state)"
        " VALUES (%(account)s, %(export)s, %(run_id)s, %(start)s, %(end)s, %(ids)s, %(dry_run)s, 'running')"
        " ON CONFLICT (account, export, run_id) DO UPDATE SET state = 'running', window_start = excluded.window_start,"
        " window_end = excluded.window_end, ids = excluded.ids, dry_run = excluded.dry_run, error = NULL, summary = NULL,"
        " finished_at = NULL",
        {
            **ledger.scope,
            "run_id": run_id,
            "start": window.start_text,
            "end": window.end_text,
            "ids": None if ids is None else len(ids),
            "dry_run": dry_run,
        },
    )
    # Extracted anew, its parts are other parts: what was delivered before now counts as unchanged.
    ledger.connection.execute(
        "DELETE FROM run_part WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
        {**ledger.scope, "run_id": run_id},
    )


def run_began(ledger: Ledger, run_id: str) -> datetime | None:
    """
    Return when a run began, by the ledger's clock.

    :param ledger: the export's ledger.
    :param run_id: the run.
    """
    row = ledger.connection.execute(
        "SELECT started_at FROM export_run WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
        {**ledger.scope, "run_id": run_id},
    ).fetchone()
    return row and row[0]


def finish_run(ledger: Ledger, run_id: str, summary: Mapping[str, Any], error: str | None) -> None:
    """
    Write down how a run ended.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param summary: its counts.
    :param error: why it failed; ``None`` if it did not.
    """
    assignments = ", ".join(f"{name} = %({name})s" for name in COUNTS)
    ledger.connection.execute(
        f"UPDATE export_run SET state = %(state)s, error = %(error)s, summary = %(summary)s, finished_at = now(), {assignments}"
        " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
        {
            **ledger.scope,
            **{name: summary[name] for name in COUNTS},
            "run_id": run_id,
            "state": "failed" if error else "success",
            "error": error,
            "summary": Json(dict(summary)),
        },
    )


def fail_run(ledger: Ledger, run_id: str, error: str) -> None:
    """
    Write down that a stage of a run failed; a repeated stage that succeeds takes it back through :func:`resume_run`.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param error: why.
    """
    ledger.connection.execute(
        "UPDATE export_run SET state = 'failed', error = %(error)s, finished_at = now()"
        " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
        {**ledger.scope, "run_id": run_id, "error": error[:2_000]},
    )


def resume_run(ledger: Ledger, run_id: str) -> None:
    """
    Write down that a run goes on after a failed stage.

    :param ledger: the export's ledger.
    :param run_id: the run.
    """
    ledger.connection.execute(
        "UPDATE export_run SET state = 'running', error = NULL, finished_at = NULL"
        " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s AND state = 'failed'",
        {**ledger.scope, "run_id": run_id},
    )


@dataclass(frozen=True)
class EndedRun:
    """
    A run as the history knows it.

    :param window: start and end of its window, as PostgreSQL writes them.
    :param counts: rows by what became of them, as in ``COUNTS``; all 0 until reconcile has counted.
    :param is_counted: whether reconcile has counted.
    :param error: which stage failed and how, ``stage: class: message``.
    :param rejects: its first open rejects.
    """

    window: tuple[str, str]
    counts: Mapping[str, int]
    is_counted: bool
    error: str | None
    rejects: Sequence[KeptReject]


def read_run(ledger: Ledger, run_id: str, rejects: int = 10) -> EndedRun | None:
    """
    Read a run's history.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param rejects: how many of its rejects.
    :return: ``None`` for a run that did not begin to extract.
    """
    values = {**ledger.scope, "run_id": run_id, "limit": rejects}
    of_the_run = "WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s"
    row = ledger.connection.execute(
        # As text: Python has no infinite time.
        f"SELECT window_start::text, window_end::text, summary IS NOT NULL, error, {', '.join(COUNTS)}"
        f" FROM export_run {of_the_run}",
        values,
    ).fetchone()
    if row is None:
        return None
    start, end, is_counted, error, *counts = row
    kept = ledger.connection.execute(
        f"SELECT entity_id, record_key, reason, NULL, odp_answer FROM reject {of_the_run} AND closed_at IS NULL"
        " ORDER BY id LIMIT %(limit)s",
        values,
    )
    return EndedRun((start, end), dict(zip(COUNTS, counts, strict=True)), is_counted, error, [KeptReject(*r) for r in kept])


def open_reject_ids(ledger: Ledger, ids: Sequence[str] | None = None) -> list[str]:
    """
    List the entities whose rejects are open, longest untried first.

    :param ledger: the export's ledger.
    :param ids: only those of these entity ids or record keys.
    """
    rows = ledger.connection.execute(
        "SELECT entity_id FROM reject WHERE account = %(account)s AND export = %(export)s AND closed_at IS NULL"
        " AND (%(ids)s::text[] IS NULL OR lower(entity_id) = ANY(%(ids)s) OR lower(record_key) = ANY(%(ids)s))"
        " ORDER BY last_at LIMIT %(limit)s",
        {**ledger.scope, "ids": None if ids is None else [value.lower() for value in ids], "limit": RETRIED_REJECTS},
    )
    return [row[0] for row in rows]


def refused_ids(ledger: Ledger) -> frozenset[str]:
    """
    List the entities that ODP itself refused when they were last sent.

    :param ledger: the export's ledger.
    """
    rows = ledger.connection.execute(
        "SELECT entity_id FROM reject WHERE account = %(account)s AND export = %(export)s AND closed_at IS NULL"
        " AND odp_answer IS NOT NULL",
        ledger.scope,
    )
    return frozenset(row[0] for row in rows)


def keep_rejects(ledger: Ledger, run_id: str, rejects: Iterable[KeptReject]) -> None:
    """
    Keep rejects open, each entity once.

    :param ledger: the export's ledger.
    :param run_id: the run that found them.
    :param rejects: the rejects.
    """
    with ledger.connection.transaction(), ledger.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reject AS r (account, export, entity_id, record_key, reason, payload, odp_answer, run_id)"
            " VALUES (%(account)s, %(export)s, %(entity_id)s, %(record_key)s, %(reason)s, %(payload)s, %(odp_answer)s,"
            " %(run_id)s)"
            " ON CONFLICT (account, export, entity_id) WHERE closed_at IS NULL DO UPDATE SET record_key = excluded.record_key,"
            " reason = excluded.reason, payload = excluded.payload, odp_answer = excluded.odp_answer,"
            " tries = r.tries + CASE WHEN r.run_id = excluded.run_id THEN 0 ELSE 1 END,"
            " run_id = excluded.run_id, last_at = now()",
            [
                {
                    **ledger.scope,
                    "run_id": run_id,
                    "entity_id": reject.entity_id,
                    "record_key": reject.record_key,
                    "reason": reject.reason,
                    "payload": Json(reject.payload),
                    "odp_answer": reject.odp_answer,
                }
                for reject in rejects
            ],
        )


def keep_abandoned(ledger: Ledger, records: Mapping[str, str]) -> None:
    """
    Keep records open that an earlier run claimed and did not send; those that are open anyway stay as they are.

    :param ledger: the export's ledger.
    :param records: record key to the run; later runs read them again by that key.
    """
    ledger.connection.execute(
        "INSERT INTO reject (account, export, entity_id, record_key, reason, run_id)"
        " SELECT %(account)s, %(export)s, k, k, %(reason)s, r FROM unnest(%(keys)s::text[], %(run_ids)s::text[]) AS e(k, r)"
        " WHERE NOT EXISTS (SELECT 1 FROM reject o WHERE o.account = %(account)s AND o.export = %(export)s"
        " AND o.record_key = k AND o.closed_at IS NULL)",
        {
            **ledger.scope,
            "keys": list(records),
            "run_ids": list(records.values()),
            "reason": "An event of this order was claimed by a run that did not deliver it; a later run sends it.",
        },
    )


def close_rejects(ledger: Ledger, run_id: str, tried: Iterable[str], rejected_again: Iterable[str]) -> int:
    """
    Close the rejects that a run tried again and did not reject again: they went through, or their entity is gone.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param tried: entity ids of the rejects that the run tried again.
    :param rejected_again: entity ids that it rejected.
    :return: how many were closed.
    """
    cursor = ledger.connection.execute(
        "UPDATE reject SET closed_at = now(), closed_by = %(run_id)s WHERE account = %(account)s AND export = %(export)s"
        " AND closed_at IS NULL AND entity_id = ANY(%(done)s)",
        {**ledger.scope, "run_id": run_id, "done": sorted(set(tried) - set(rejected_again))},
    )
    return cursor.rowcount
