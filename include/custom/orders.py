"""
Mode B of custom properties, a row at a time: how large an order is.

To use it::

    {"exports": {"order_odp_export": {"custom": {"factory": "orders.py:make_enricher", "factory_calls": "row"}}}}

A row at a time is the easiest to write, and takes some microseconds a row, several times as long as a chunk at a time (see
``products.py``). An order's custom fields belong to the order; its items cannot have any, as ODP would drop them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odp.core.custom_factory import EnricherContext

FIELDS = {"line_count": "number", "unit_count": "number", "is_large_order": "boolean"}
"""Each field that the functions of this file give, and its type: string, number, boolean or timestamp."""

LARGE = 1_000.0


def make_enricher(context: EnricherContext) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """
    Make the function for one part of the rows. What takes long, such as reading a file, belongs here.

    :param context: the export, the part, the run's window, and the columns that rows have.
    """

    def enrich(order: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Return field to value; None, or no key, where there is no value.

        :param order: the order as it would be sent, with the values of CustomProperty and Mode A; lists hold a value a line.
        """
        quantities = order["item_quantity"] or []
        return {
            "line_count": len(quantities),
            "unit_count": sum(quantity or 0 for quantity in quantities),
            "is_large_order": None if order["total"] is None else order["total"] >= LARGE,
        }

    return enrich
