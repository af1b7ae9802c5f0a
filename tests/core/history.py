"""Writing a history of runs down, for tests that read one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg.types.json import Json

TODAY = datetime(2026, 11, 24, tzinfo=timezone.utc)
ACCOUNT, EXPORT = "account", "order_odp_export"


def day(number: float) -> datetime:
    """Return a time so many days from :data:`TODAY`."""
    return TODAY + timedelta(days=number)


def add_run(
    connection: psycopg.Connection[Any], run_id: str, /, *, began: float, took: float | None = 60, **columns: Any
) -> None:
    """
    Write a run down: judged, of the day before it began, unless told otherwise.

    :param connection: to the ledger.
    :param run_id: the run.
    :param began: when it began, in days from :data:`TODAY`.
    :param took: its seconds; ``None`` while it runs.
    :param columns: other columns of ``export_run``.
    """
    row: Mapping[str, Any] = {
        "account": ACCOUNT,
        "export": EXPORT,
        "run_id": run_id,
        "state": "running" if took is None else "success",
        "window_start": day(int(began) - 1),
        "window_end": day(int(began)),
        "started_at": day(began),
        "finished_at": None if took is None else day(began) + timedelta(seconds=took),
        "summary": None if took is None else {},
        **columns,
    }
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    summary = row["summary"]
    connection.execute(
        f"INSERT INTO export_run ({names}) VALUES ({values})", {**row, "summary": None if summary is None else Json(summary)}
    )


def add_reject(connection: psycopg.Connection[Any], entity_id: str, /, **columns: Any) -> int:
    """
    Write a reject down.

    :param connection: to the ledger.
    :param entity_id: its entity.
    :param columns: other columns of ``reject``.
    :return: its number.
    """
    payload = columns.pop("payload", None)
    row: Mapping[str, Any] = {
        "account": ACCOUNT,
        "export": EXPORT,
        "entity_id": entity_id,
        "record_key": f"key of {entity_id}",
        "reason": "bad",
        "run_id": "run",
        "payload": None if payload is None else Json(payload),
        **columns,
    }
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    found = connection.execute(f"INSERT INTO reject ({names}) VALUES ({values}) RETURNING id", row).fetchone()
    assert found
    return int(found[0])
