"""Which events are accepted, and what of them the account's fields can hold."""

from __future__ import annotations

from typing import Any, NamedTuple

from sandbox.odp.orders import ITEM_FIELDS, is_order
from sandbox.odp.schema import Schema
from sandbox.odp.values import UNKNOWN_FIELD, Drop, ItemError

_NOTHING: dict[str, Any] = {}


class CheckedEvent(NamedTuple):
    """
    An accepted event as it came, and what it says about an order.

    :param order_id: key of the order; None when the event changes no order.
    :param header: fields of the order; None in them clears.
    """

    event: dict[str, Any]
    order_id: str | None
    header: dict[str, Any]


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

    def check(self, event: dict[str, Any], drops: list[Drop]) -> CheckedEvent:
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
        header = _NOTHING
        if is_order(event):
            header = self._order_header(data.get("order"), drops)
            data = {name: value for name, value in data.items() if name != "order"}
        self._events.check(data, drops, truncate=self._truncate)
        return CheckedEvent(event, header.get("order_id"), header)

    def _order_header(self, order: object, drops: list[Drop]) -> dict[str, Any]:
        if not isinstance(order, dict):
            raise ItemError("Missing required field `order`")  # noqa: TRY004 - one error for every bad item
        given: dict[str, Any] = {}
        copied: dict[str, Any] = {}
        for name, value in order.items():
            if name != "items":
                # A field of the order's level that only events have is copied to every line of the order.
                (given if self._orders.knows(name) or not self._events.knows(name) else copied)[name] = value
        header = self._orders.check(given, drops, truncate=self._truncate)
        if not header.get("order_id"):
            raise ItemError("Missing required field `order_id`")
        if copied:
            self._events.check(copied, drops, truncate=self._truncate)
        items = order.get("items")
        if items is None:
            return header
        if not isinstance(items, list):
            raise ItemError("Invalid value for field `items`")  # noqa: TRY004 - one error for every bad item
        for item in items:
            self._check_line(item, drops)
        return header

    def _check_line(self, item: object, drops: list[Drop]) -> None:
        if not isinstance(item, dict):
            raise ItemError("Invalid value for field `items`")  # noqa: TRY004 - one error for every bad item
        for name in item:
            if name not in ITEM_FIELDS:
                drops.append(("orders", f"items.{name}", UNKNOWN_FIELD))
        kept = item if item.keys() <= ITEM_FIELDS else {name: item[name] for name in item if name in ITEM_FIELDS}
        if not self._events.check(kept, drops, truncate=self._truncate).get("product_id"):
            raise ItemError("Missing required field `product_id`")
