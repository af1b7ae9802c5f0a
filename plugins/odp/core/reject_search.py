"""Finding rejects: how many there are of each reason, those that match a text, and one with its payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class ReasonGroup:
    """
    Open rejects of one reason.

    :param reason_group: the reason, without what differs from record to record.
    :param rejects: how many there are.
    """

    reason_group: str
    rejects: int


@dataclass(frozen=True, kw_only=True)
class FoundReject:
    """
    A reject, without its payload.

    :param tries: how many runs have tried it.
    :param first_at: when it was rejected first.
    :param last_at: when it was rejected last.
    :param closed_at: when it went through or its entity was gone; ``None`` while it is open.
    """

    id: int
    export: str
    entity_id: str
    record_key: str
    reason: str
    reason_group: str
    run_id: str
    tries: int
    first_at: datetime
    last_at: datetime
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, kw_only=True)
class WholeReject(FoundReject):
    """
    A reject with all that is kept of it.

    :param payload: the row or the item that could not be delivered.
    :param odp_answer: ODP's answer, if ODP refused it.
    """

    payload: Any
    odp_answer: str | None


_FOUND = "id, export, entity_id, record_key, reason, reason_group, run_id, tries, first_at, last_at, closed_at, closed_by"


MOST_COUNTED = 10_000
"""Open rejects of one export that are counted one by one: beyond, the exact number tells nobody anything."""


def open_rejects(connection: psycopg.Connection[Any], account: str, exports: Sequence[str]) -> dict[str, int]:
    """
    Count the open rejects of exports, up to :data:`MOST_COUNTED` of each.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param exports: ids of the exports.
    """
    rows = connection.execute(
        "SELECT wanted, found.rejects FROM unnest(%(exports)s::text[]) AS wanted CROSS JOIN LATERAL ("
        "SELECT count(*) AS rejects FROM (SELECT FROM reject WHERE account = %(account)s AND export = wanted"
        # In the order of an index, so that it is read and not the table.
        " AND closed_at IS NULL ORDER BY entity_id LIMIT %(limit)s) AS counted) AS found WHERE found.rejects > 0",
        {"account": account, "exports": list(exports), "limit": MOST_COUNTED},
    )
    return dict(rows.fetchall())


def reason_groups(connection: psycopg.Connection[Any], account: str, export: str) -> list[ReasonGroup]:
    """
    Count an export's open rejects by reason, the most frequent first.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    """
    with connection.cursor(row_factory=class_row(ReasonGroup)) as cursor:
        return cursor.execute(
            "SELECT reason_group, count(*) AS rejects FROM reject"
            " WHERE account = %s AND export = %s AND closed_at IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100",
            (account, export),
        ).fetchall()


def find_rejects(
    connection: psycopg.Connection[Any],
    account: str,
    export: str,
    *,
    text: str = "",
    whole_key: bool = False,
    reason_group: str | None = None,
    is_open: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[FoundReject]:
    """
    Find rejects of an export, those that were tried last first.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    :param text: part of the key, the entity's id or the reason, in any case; empty for all.
    :param whole_key: find keys and ids only as a whole, and reasons without what differs from record to record, so that
        somebody who must not see them cannot guess them bit by bit.
    :param reason_group: only of this reason.
    :param is_open: the open ones, or those that went through since.
    :param limit: how many at most.
    :param offset: how many to pass over.
    """
    if whole_key:
        match = "lower(record_key) = lower(%(text)s) OR lower(entity_id) = lower(%(text)s) OR reason_group ILIKE %(pattern)s"
    else:
        match = "record_key ILIKE %(pattern)s OR entity_id ILIKE %(pattern)s OR reason ILIKE %(pattern)s"
    literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    with connection.cursor(row_factory=class_row(FoundReject)) as cursor:
        return cursor.execute(
            f"SELECT {_FOUND} FROM reject WHERE account = %(account)s AND export = %(export)s"
            f" AND closed_at IS {'' if is_open else 'NOT'} NULL"
            + (f" AND ({match})" if text else "")
            + (" AND reason_group = %(reason_group)s" if reason_group is not None else "")
            + f" ORDER BY {'last_at' if is_open else 'closed_at'} DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s",
            {
                "account": account,
                "export": export,
                "text": text,
                "pattern": f"%{literal}%",
                "reason_group": reason_group,
                "limit": limit,
                "offset": offset,
            },
        ).fetchall()


def read_reject(connection: psycopg.Connection[Any], account: str, export: str, reject_id: int) -> WholeReject | None:
    """
    Read one reject.

    :param connection: a connection to the ledger.
    :param account: name of the ODP account in the ledger.
    :param export: id of the export.
    :param reject_id: its number.
    :return: ``None`` if there is none, or no longer.
    """
    with connection.cursor(row_factory=class_row(WholeReject)) as cursor:
        return cursor.execute(
            f"SELECT {_FOUND}, payload, odp_answer FROM reject WHERE account = %s AND export = %s AND id = %s",
            (account, export, reject_id),
        ).fetchone()
