"""Keeping personal data no longer than needed, and releasing events whose fate only a person can tell."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from odp.core.change_queue import remove_old_runs
from odp.core.settings import Settings


def remove_staged_runs(root: Any, older_than_days: int) -> list[str]:
    """
    Remove the staged files of runs that were last written to before an age.

    :param root: the staging root; a local path or one on object storage.
    :param older_than_days: the age.
    :return: the removed folders.
    """
    before = time.time() - older_than_days * 86_400
    removed = []
    for run in [run for dag in _folders(root) for run in _folders(dag)]:
        if max(map(_written_at, run.iterdir()), default=0.0) < before:
            if isinstance(run, Path):
                shutil.rmtree(run)
            else:
                run.rmdir(recursive=True)
            removed.append(str(run))
    return removed


def _folders(root: Any) -> list[Any]:
    return [path for path in root.iterdir() if path.is_dir()] if root.exists() else []


def _written_at(file: Any) -> float:
    # Object storages name this time differently; of those that do not tell it, stat() would say 1970.
    return file.stat().st_mtime if isinstance(file, Path) else file.fs.modified(file.path).timestamp()


def remove_old_rows(connection: psycopg.Connection[Any], settings: Settings) -> dict[str, int]:
    """
    Remove closed rejects and the history of runs past their age, of all accounts and exports.

    :param connection: a connection to the ledger.
    :param settings: the ages.
    :return: number of removed rows by table.
    """
    removed = {}
    of_real_time = remove_old_runs(connection, settings.realtime_retention_days)
    for table, condition, days in (
        ("reject", "closed_at < now() - make_interval(days => %s)", settings.reject_retention_days),
        (
            "run_part",
            "(account, export, run_id) IN (SELECT account, export, run_id FROM export_run"
            " WHERE started_at < now() - make_interval(days => %s))",
            settings.run_retention_days,
        ),
        ("consistency_check", "checked_at < now() - make_interval(days => %s)", settings.run_retention_days),
        ("export_run", "started_at < now() - make_interval(days => %s)", settings.run_retention_days),
    ):
        removed[table] = connection.execute(f"DELETE FROM {table} WHERE {condition}", (days,)).rowcount
    removed["export_run"] += of_real_time
    return removed


def decide_uncertain(
    connection: psycopg.Connection[Any], *, delivered: Sequence[str], not_delivered: Sequence[str]
) -> tuple[list[str], list[str]]:
    """
    Take a person's word for events whose fate nobody else can tell.

    :param connection: a connection to the ledger.
    :param delivered: order numbers whose open events are in ODP: they are never sent again.
    :param not_delivered: order numbers whose open events are not in ODP: the next run sends them.
    :return: the orders that were marked as delivered, and those that were released.
    """
    with connection.transaction():
        marked = connection.execute(
            "UPDATE event_delivery SET state = 'delivered', delivered_at = now()"
            " WHERE state <> 'delivered' AND record_key = ANY(%s) RETURNING record_key",
            (list(delivered),),
        ).fetchall()
        released = connection.execute(
            "DELETE FROM event_delivery d USING export_scope s WHERE d.state <> 'delivered' AND d.record_key = ANY(%s)"
            " AND s.scope_id = d.scope_id RETURNING s.account, s.export, d.record_key, d.run_id",
            (list(not_delivered),),
        ).fetchall()
        for account, export, record_key, run_id in released:
            connection.execute(
                "INSERT INTO reject (account, export, entity_id, record_key, reason, run_id)"
                " VALUES (%s, %s, %s, %s, 'Released by hand: ODP does not have it.', %s) ON CONFLICT DO NOTHING",
                (account, export, record_key, record_key, run_id),
            )
    return sorted({row[0] for row in marked}), sorted({row[2] for row in released})
