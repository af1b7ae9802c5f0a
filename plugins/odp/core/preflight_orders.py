"""Preflight of orders: what each status becomes, how many orders have it, and what would be skipped."""

from __future__ import annotations

from typing import Any

import psycopg

from odp.core.commerce import READS
from odp.core.exports import ORDERS
from odp.core.order_status import fold_status, resolve_actions
from odp.core.preflight_report import Finding
from odp.core.replica import find_absences, read_lookup
from odp.core.settings import Settings

_AREA = "orders"

_EXPORTS = (ORDERS.dag_id,)

_COUNTS = "SELECT btrim(coalesce(o.Status, '')), count(*) FROM CustomerOrder o GROUP BY 1 ORDER BY 2 DESC, 1"

_NOT_YET_ORDERS = frozenset(
    {"", "abandonedcart", "awaitingapproval", "cart", "punchoutorderrequest", "quoteproposed", "quoterejected", "quoterequested"}
    | {"requisition", "requisitionsubmitted", "saved"}
)
"""Statuses of carts, quotes and saved lists (Optimizely support, "Cart status labels"): nobody expects them in ODP."""


def check_orders(connection: psycopg.Connection[Any], mapping_query: str, settings: Settings) -> list[Finding]:
    """
    Resolve the order status mapping and count the orders of each status.

    :param connection: a connection to the replica.
    :param mapping_query: text of ``order_status_mapping.sql``.
    :param settings: statuses that the team decided, and how empty rows are read.
    :raises ReplicaError: if the mapping contradicts itself or cannot be read.
    """
    rows = read_lookup(connection, mapping_query, find_absences(connection, READS["order_status_mapping.sql"]))
    actions, unreadable = resolve_actions(rows, settings.order_status, strict=settings.strict_mapping)
    findings = [
        Finding(
            area=_AREA,
            subject="status mapping",
            verdict="warning",
            cause=words,
            remedy="Choose Purchase or Cancel in Commerce's order status mapping, or decide with order_status in odp_settings.",
            exports=_EXPORTS,
        )
        for words in unreadable
    ]
    statuses: dict[str, dict[str, Any]] = {}
    for status, count in connection.execute(_COUNTS):
        known = statuses.setdefault(fold_status(status), {"status": status, "orders": 0})
        known["orders"] += count
    statuses = dict(sorted(statuses.items(), key=lambda entry: -entry[1]["orders"]))
    for folded, known in statuses.items():
        known["action"] = actions.get(folded) or "not sent"
    expected = _NOT_YET_ORDERS | {fold_status(status) for status, action in settings.order_status.items() if action == "none"}
    return [*findings, _count_finding(statuses, expected)]


def _count_finding(statuses: dict[str, dict[str, Any]], expected: frozenset[str]) -> Finding:
    """Count what is sent; a warning if statuses are not, other than those that nobody expects to be."""
    orders = sum(known["orders"] for known in statuses.values())
    sent = sum(known["orders"] for known in statuses.values() if known["action"] != "not sent")
    skipped = [known for folded, known in statuses.items() if known["action"] == "not sent" and folded not in expected]
    listed = ", ".join(f"{known['status'] or '(empty)'} {known['orders']} ({known['action']})" for known in statuses.values())
    cause = f"{sent} of {orders} rows of CustomerOrder have a status that is sent." + (f" By status: {listed}." if listed else "")
    remedy = ""
    if skipped:
        names = ", ".join(known["status"] for known in skipped)
        remedy = (
            f"{sum(known['orders'] for known in skipped)} orders would be skipped. If {names} stands for orders that were "
            "placed, map it to Purchase in Commerce's order status mapping, or by order_status in odp_settings."
        )
    return Finding(
        area=_AREA,
        subject="orders by status",
        verdict="warning" if skipped else "ok",
        cause=cause,
        remedy=remedy,
        exports=_EXPORTS if skipped else (),
        details={"statuses": list(statuses.values()), "sent": sent, "skipped": orders - sent},
    )
