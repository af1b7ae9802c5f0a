"""The results of comparisons, kept in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Json

from odp.core.ledger import Ledger


def keep_check(ledger: Ledger, run_id: str, result: Mapping[str, Any]) -> None:
    """
    Keep the result of a comparison; again for one that has got further.

    :param ledger: the export's ledger.
    :param run_id: the run of odp_consistency.
    :param result: counts, and examples without personal data.
    """
    ledger.connection.execute(
        "INSERT INTO consistency_check (account, export, run_id, result)"
        " VALUES (%(account)s, %(export)s, %(run_id)s, %(result)s)"
        " ON CONFLICT (account, export, run_id) DO UPDATE SET result = excluded.result, checked_at = now()",
        {**ledger.scope, "run_id": run_id, "result": Json(dict(result))},
    )


def latest_checks(connection: psycopg.Connection[Any], account: str) -> dict[str, dict[str, Any]]:
    """
    Return the latest result of each export.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :return: by the id of the export: what was kept, with ``run_id`` and ``checked_at``.
    """
    rows = connection.execute(
        "SELECT DISTINCT ON (export) export, run_id, checked_at, result FROM consistency_check WHERE account = %s"
        " ORDER BY export, checked_at DESC",
        (account,),
    )
    return {export: {**result, "run_id": run_id, "checked_at": checked_at} for export, run_id, checked_at, result in rows}
