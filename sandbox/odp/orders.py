"""What order events do: they keep the order's header up to date, and a purchase has one event row per line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from sandbox.odp.schema import Schema
from sandbox.odp.store import Store

ACTIONS = frozenset({"purchase", "return", "refund", "cancel"})

#: What an item of an order may carry; custom keys of an item are ignored.
ITEM_FIELDS = frozenset({"product_id", "sku", "price", "quantity", "discount", "subtotal"})

_SUBTRACTED = ("total", "subtotal")
_OVERWRITTEN = ("tax", "shipping")


def is_order(event: dict[str, Any]) -> bool:
    """
    Tell whether an event changes an order.

    :param event: an event as received.
    """
    return event["type"] == "order" and event.get("action") in ACTIONS


class OrderHeaders:
    """
    The rows of `orders` that one batch of events touches: read once, changed in memory, written together.

    :param store: where the rows are.
    :param db: its connection inside a transaction.
    """

    def __init__(self, store: Store, db: sqlite3.Connection) -> None:
        self._store = store
        self._db = db
        self._rows: dict[str, dict[str, Any]] = {}

    def apply(self, action: str, order_id: str, header: dict[str, Any]) -> None:
        """
        Let one event change its order.

        :param action: the event's action; it becomes the order's status.
        :param order_id: key of the order.
        :param header: checked fields of the order; None clears.
        """
        row = self._rows.get(order_id)
        if row is None:
            row = self._rows[order_id] = self._store.row("orders", order_id) or {"order_id": order_id}
        if action == "purchase":
            self._purchase(order_id, row, header)
        else:
            self._take_back(order_id, row, header)
        row["status"] = action

    def save(self) -> None:
        """Write the rows."""
        if self._rows:
            self._store.replace_rows("orders", list(self._rows.items()))

    def _purchase(self, order_id: str, row: dict[str, Any], header: dict[str, Any]) -> None:
        for name, value in header.items():
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
        # Events may arrive in any order: what was taken back before the purchase came still counts.
        taken = self._taken_back(order_id)
        for name, amount in zip(_SUBTRACTED, taken, strict=True):
            if amount and header.get(name) is not None:
                row[name] = _money(header[name] - amount)

    def _take_back(self, order_id: str, row: dict[str, Any], header: dict[str, Any]) -> None:
        taken = list(self._taken_back(order_id))
        for position, name in enumerate(_SUBTRACTED):
            amount = abs(header.get(name) or 0)
            if amount:
                row[name] = _money(row.get(name, 0) - amount)
                taken[position] += amount
        self._db.execute("INSERT OR REPLACE INTO subtraction VALUES (?, ?, ?)", (order_id, *taken))
        for name in _OVERWRITTEN:
            if header.get(name) is not None:
                row[name] = header[name]

    def _taken_back(self, order_id: str) -> tuple[float, float]:
        found = self._db.execute("SELECT total, subtotal FROM subtraction WHERE order_id = ?", (order_id,)).fetchone()
        return found or (0, 0)


def _money(amount: float) -> float:
    """Return an amount without the dust of binary fractions (109.65 - 100 is 9.65)."""
    return round(amount, 6)


def event_rows(schema: Schema, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of `events` that one event becomes: one, or one per line of a purchase.

    :param schema: only fields it has are kept.
    :param event: an event as received.
    """
    checker = schema.checker("events")
    data = {name: value for name, value in (event.get("data") or {}).items() if name != "order"}
    base: dict[str, Any] = {"event_type": event["type"], **data}
    if event.get("action"):
        base["action"] = event["action"]
    base.update({f"event_{name}": value for name, value in event["identifiers"].items()})
    order = (event.get("data") or {}).get("order") if is_order(event) else None
    items: list[dict[str, Any]] = []
    if isinstance(order, dict):
        # The order's own subtotal and discount are no line's.
        base.update({name: value for name, value in order.items() if checker.knows(name) and name not in ITEM_FIELDS})
        items = order.get("items") or []
    lines = [{name: value for name, value in item.items() if name in ITEM_FIELDS} for item in items]
    for line in lines if lines and event.get("action") == "purchase" else [{}]:
        yield {name: value for name, value in checker.check({**base, **line}, []).items() if value is not None}
