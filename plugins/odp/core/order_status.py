"""
Which ODP action an order's status stands for: purchase, cancel, or not sent.

The order of the rules is that of Commerce's order status mapping for ODP, with a setting on top: the setting, then the
mapping rows that name an action, then the statuses Commerce sends without any configuration, else not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from odp.core.exceptions import ReplicaError

Action = Literal["purchase", "cancel"]

DEFAULT_ACTIONS: Mapping[str, Action] = {
    "submitted": "purchase",
    "punchout": "purchase",
    "readyforpickup": "purchase",
    "cancellationrequested": "cancel",
}
"""Statuses that Commerce sends without configuration (Optimizely support, "Order status mapping")."""

MappingRow = Mapping[str, str | None]
"""A row of order_status_mapping.sql: ``id``, ``erp_order_status``, ``odp_action_type``."""


def fold_status(status: str | None) -> str:
    """Return a status as it is compared: trimmed, without regard to case, as SQL Server compares it."""
    return (status or "").strip().lower()


def resolve_actions(
    rows: Iterable[MappingRow], overrides: Mapping[str, str], *, strict: bool = False
) -> tuple[dict[str, Action | None], list[str]]:
    """
    Resolve the statuses that are mapped at all.

    :param rows: the rows of Commerce's OrderStatusMapping; empty where the replica has no such table.
    :param overrides: the ``order_status`` setting: status to ``purchase``, ``cancel`` or ``none``.
    :param strict: whether a row without an action stops a default status from being sent.
    :return: folded status to action (``None``: not sent), and warnings about rows that cannot be read.
    :raises ReplicaError: if two rows of one status name different actions, with both rows.
    """
    actions: dict[str, Action | None] = dict(DEFAULT_ACTIONS)
    warnings: list[str] = []
    decided = {fold_status(status): None if action == "none" else action for status, action in overrides.items()}
    named_by: dict[str, MappingRow] = {}
    for row in rows:
        status = fold_status(row["erp_order_status"])
        action = fold_status(row["odp_action_type"])
        if not status or status in decided:
            continue
        if action not in ("purchase", "cancel"):
            if action:
                warnings.append(
                    f"OrderStatusMapping row {row['id']} maps {row['erp_order_status']!r} to {row['odp_action_type']!r}, "
                    "which is neither Purchase nor Cancel: the row does not make orders of this status sent."
                )
            if (action or strict) and status not in named_by:
                actions[status] = None
            continue
        earlier = named_by.get(status)
        if earlier is not None and fold_status(earlier["odp_action_type"]) != action:
            raise ReplicaError(
                f"OrderStatusMapping contradicts itself for status {row['erp_order_status']!r}: row {earlier['id']} says "
                f"{earlier['odp_action_type']!r} and row {row['id']} says {row['odp_action_type']!r}. "
                "Change one of them in Commerce, or decide with the order_status setting of odp_settings."
            )
        named_by[status] = row
        actions[status] = action  # type: ignore[assignment]
    return {**actions, **decided}, warnings  # type: ignore[dict-item]
