"""The lines of orders: lists of values per order, opened into one row a line, checked, and closed into JSON again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.columns import check, missing_as_null, normalise
from odp.core.contract import contract_fields
from odp.core.encode import order_line_item
from odp.core.exceptions import ReplicaError
from odp.core.records import OrderItem
from odp.core.replica import LIST_SEPARATOR

ITEM_PREFIX = "item_"
"""Before the names of item fields in orders.sql, as in ODP's CSV format for orders."""

_ROW = "__row"
_FIELDS = contract_fields(OrderItem)
_CHECKS = [check(field) for field in _FIELDS]

ITEM_COLUMNS = tuple(f"{ITEM_PREFIX}{field.name}" for field in _FIELDS)
"""Columns of orders.sql that hold the values of an order's lines."""


@dataclass(frozen=True)
class Lines:
    """
    The lines of a chunk's orders.

    :param texts: one row a line, normalised text, with the number of its order.
    :param unequal_rows: numbers of the orders whose item columns do not hold the same number of values.
    :param rejected_rows: numbers of the orders with a line that the contract refuses, unequal ones included.
    """

    texts: pl.DataFrame
    unequal_rows: pl.Series
    rejected_rows: pl.Series

    def differ_in_length(self, row: int) -> bool:
        """Whether the order's item columns do not hold the same number of values."""
        return row in self.unequal_rows

    def rows_of(self, row: int) -> list[dict[str, str | None]]:
        """Return the lines of one order as text, for pydantic's message."""
        return self.texts.filter(pl.col(_ROW) == row).drop(_ROW).to_dicts()

    def encoded(self, orders: pl.DataFrame) -> pl.DataFrame:
        """
        Return the JSON of each order's item list.

        :param orders: number and action of the orders to encode.
        :return: columns of the order's number and its ``items``; an order without lines has no row.
        """
        names = [field.name for field in _FIELDS]
        typed = self.texts.join(orders, on=_ROW, how="inner", maintain_order="left").with_columns(one.value for one in _CHECKS)
        item = order_line_item(names, is_cancel=pl.col("action") == "cancel")
        return (
            typed.select(_ROW, item.alias("item"))
            .group_by(_ROW, maintain_order=True)
            .agg(pl.col("item").str.join(",").alias("items"))
        )


def read_lines(orders: pl.DataFrame, list_columns: Sequence[str]) -> Lines:
    """
    Open the item columns of orders.

    :param orders: orders with their row numbers; each item column is the text of a list.
    :param list_columns: names of the item columns.
    :raises ReplicaError: if a list is no field of an item, which ODP would ignore.
    """
    names = {f"{ITEM_PREFIX}{field.name}": field.name for field in _FIELDS}
    if unknown := [name for name in list_columns if name not in names]:
        raise ReplicaError(
            f"The mapping query selects {', '.join(unknown)}, which is no field of an order's item: ODP ignores custom fields "
            f"there. Known item columns: {', '.join(names)}. Select the value for the whole order instead."
        )
    if not list_columns:
        nothing = missing_as_null(orders.select(_ROW).clear(), _FIELDS)
        return Lines(nothing, nothing[_ROW], nothing[_ROW])
    lists = [names[name] for name in list_columns]
    split = orders.select(_ROW, *[pl.col(f"{ITEM_PREFIX}{name}").str.split(LIST_SEPARATOR).alias(name) for name in lists])
    lengths = split.select(pl.col(lists).list.len().fill_null(0))
    equal = lengths.select(pl.min_horizontal(lists) == pl.max_horizontal(lists)).to_series()
    texts = missing_as_null(split.filter(equal & (lengths[lists[0]] > 0)).explode(lists), _FIELDS)
    texts = texts.select(_ROW).hstack(normalise(texts.drop(_ROW), _FIELDS))
    invalid = texts.filter(~pl.all_horizontal([one.valid for one in _CHECKS]))[_ROW]
    unequal = split.filter(~equal)[_ROW]
    return Lines(texts, unequal, pl.concat([unequal, invalid]))
