"""Which events are accepted, and what of them the account's fields can hold."""

from __future__ import annotations

from typing import Any

from sandbox.odp.orders import ITEM_FIELDS, is_order
from sandbox.odp.schema import Schema
from sandbox.odp.values import UNKNOWN_FIELD, Drop, ItemError

_NOTHING: dict[str, Any] = {}


class EventChecker:
    """
    Checks the events of one batch.

    The event itself is kept as it came; what no field can hold is only counted.

    :param schema: the account's schema.
    :param truncate: text above the limit is cut instead of dropped.
    """

    def __init__(self, schema: Schema, *, truncate: bool) -> None:
        self._events = schema.checker("events")
        self._orders = schema.checker("orders")
        self._identifiers = schema.identifiers
        self._truncate = truncate

    def check(self, event: dict[str, Any], drops: list[Drop]) -> dict[str, Any]:
        """
        Return the event, or raise an `ItemError` that says why it is refused.

        :param event: as received.
        :param drops: receives every value that no field can hold.
        """
        if not isinstance(event.get("type"), str) or not event["type"]:
            raise ItemError("missing 'type' field")
        if event.get("action") is not None and not isinstance(event["action"], str):
            raise ItemError("Invalid value for field `action`")
        identifiers = event.get("identifiers")
        if not isinstance(identifiers, dict) or not any(identifiers.values()):
            raise ItemError("missing 'identifiers' field")
        for name in identifiers:
            if name not in self._identifiers:
                drops.append(("events", name, UNKNOWN_FIELD))
        data = event.get("data")
        if data is None:
            data = _NOTHING
        if not isinstance(data, dict):
            raise ItemError("Invalid value for field `data`")
        if is_order(event):
            self._check_order(data.get("order"), drops)
            data = {name: value for name, value in data.items() if name != "order"}
        self._events.check(data, drops, truncate=self._truncate)
        return event

    def order_change(self, event: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """
        Return (order_id, header fields) of an accepted order event, None for any other event.

        :param event: an accepted event.
        """
        if not is_order(event):
            return None
        order = event["data"]["order"]
        header = {name: value for name, value in order.items() if self._orders.knows(name)}
        header = self._orders.check(header, [], truncate=self._truncate)
        return header["order_id"], header

    def _check_order(self, order: object, drops: list[Drop]) -> None:
        if not isinstance(order, dict):
            raise ItemError("Missing required field `order`")  # noqa: TRY004 - one error for every bad item
        header: dict[str, Any] = {}
        line: dict[str, Any] = {}
        for name, value in order.items():
            if name != "items":
                # A field of the order's level that only events have is copied to every line of the order.
                (line if self._events.knows(name) and not self._orders.knows(name) else header)[name] = value
        if not self._orders.check({"order_id": order.get("order_id")}, []).get("order_id"):
            raise ItemError("Missing required field `order_id`")
        self._orders.check(header, drops, truncate=self._truncate)
        self._events.check(line, drops, truncate=self._truncate)
        items = order.get("items")
        if items is None:
            return
        if not isinstance(items, list):
            raise ItemError("Invalid value for field `items`")  # noqa: TRY004 - one error for every bad item
        for item in items:
            self._check_line(item, drops)

    def _check_line(self, item: object, drops: list[Drop]) -> None:
        if not isinstance(item, dict):
            raise ItemError("Invalid value for field `items`")  # noqa: TRY004 - one error for every bad item
        for name in item:
            if name not in ITEM_FIELDS:
                drops.append(("orders", f"items.{name}", UNKNOWN_FIELD))
        kept = item if item.keys() <= ITEM_FIELDS else {name: item[name] for name in item if name in ITEM_FIELDS}
        if not self._events.check(kept, drops, truncate=self._truncate).get("product_id"):
            raise ItemError("Missing required field `product_id`")
