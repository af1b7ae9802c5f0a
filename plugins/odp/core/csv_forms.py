"""
The forms of ODP's CSV files: which columns the items of an upload become.

ODP's CSV differs from its REST API in three things that shape everything here: a file has one set of columns, a blank **erases**
what ODP has, and a record may not hold a line break. So a field that is absent must be in no column of the row's file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time
from pydantic import BaseModel

from odp.core.contract import contract_fields
from odp.core.exports import Export
from odp.core.fields import BOOLEAN, NUMBER, TIMESTAMP
from odp.core.order_lines import ITEM_PREFIX
from odp.core.records import Order, OrderItem, Record
from odp.core.user_events import UserEvent

LINES = "items"
"""Column of the lines of orders: a list in the form, a row of the file for each."""

_DATA_TYPES: Mapping[str, type[pl.DataType]] = {BOOLEAN.name: pl.Boolean, NUMBER.name: pl.Float64, TIMESTAMP.name: pl.Int64}
_IDENTIFIERS = ("email", "business_user_id", "vuid")


@dataclass(frozen=True)
class CsvForm:
    """
    How the items of one upload path are written as CSV.

    :param object_name: ODP's name of the object, which begins the file's name.
    :param key: columns by which ODP knows a record; empty for events, of which each row is a new one.
    :param json: polars type of an item.
    :param columns: the columns, in order, by their place in the item.
    :param cleared: columns whose blank is meant: ODP is to clear the field. Every row has them.
    """

    object_name: str
    key: tuple[str, ...]
    json: pl.Struct
    columns: Mapping[str, tuple[str, ...]]
    cleared: frozenset[str] = frozenset()

    def read(self, items: pl.Series) -> pl.DataFrame:
        """
        Read items into columns, a row each; what an item does not have is null.

        :param items: JSON.
        """
        decoded = items.cast(pl.String).str.json_decode(self.json).alias("item").to_frame()
        frame = decoded.select(_at(place).alias(name) for name, place in self.columns.items())
        if LINES not in self.columns:
            return frame
        # Item columns are for purchases: what a cancel takes back is in its totals.
        return frame.with_columns(pl.when(pl.col("action") == "purchase").then(pl.col(LINES)).alias(LINES))


def _at(place: Sequence[str]) -> pl.Expr:
    value = pl.col("item")
    for name in place:
        value = value.struct.field(name)
    return value


def form_of(export: Export, contract: type[Record], path: str) -> CsvForm | None:
    """
    Return the form of the items of an upload path.

    :param export: what is sent.
    :param contract: contract of the run, with the columns added in SQL.
    :param path: upload path.
    :return: ``None`` for what ODP's CSV has no form for: rows of the orders object, as each row of a file of orders is an event.
    """
    fields = _types(contract, without=contract.envelope)
    if issubclass(contract, UserEvent):
        form = _events(fields)
    elif issubclass(contract, Order):
        if path != export.path:
            return None
        form = _orders(fields)
    elif export.family == "profiles":
        json = pl.Struct({"attributes": pl.Struct(fields)})
        form = CsvForm(contract.object_name, contract.key, json, {name: ("attributes", name) for name in fields})
    else:
        form = CsvForm(contract.object_name, contract.key, pl.Struct(fields), {name: (name,) for name in fields})
    return replace(form, cleared=contract.cleared & form.columns.keys())


def _types(contract: type[BaseModel], without: Collection[str] = ()) -> dict[str, type[pl.DataType]]:
    fields = contract_fields(contract)
    return {field.name: _DATA_TYPES.get(field.kind.name, pl.String) for field in fields if field.name not in without}


def _identifiers(*names: str) -> tuple[pl.Struct, dict[str, tuple[str, ...]]]:
    return pl.Struct(dict.fromkeys(names, pl.String)), {name: ("identifiers", name) for name in names}


def _events(fields: Mapping[str, type[pl.DataType]]) -> CsvForm:
    identifiers, columns = _identifiers(*_IDENTIFIERS)
    data: dict[str, type[pl.DataType]] = {"ts": pl.Int64, "active_event": pl.Boolean, "idempotence_id": pl.String, **fields}
    json = pl.Struct({"type": pl.String, "action": pl.String, "identifiers": identifiers, "data": pl.Struct(data)})
    # A field that has the name of an identifier would have to share its column.
    own = {name: ("data", name) for name in data if name not in columns}
    return CsvForm("events", (), json, {"type": ("type",), "action": ("action",), **columns, **own})


def _orders(fields: Mapping[str, type[pl.DataType]]) -> CsvForm:
    identifiers, columns = _identifiers(*_IDENTIFIERS[:2])
    order = pl.Struct({**fields, LINES: pl.List(pl.Struct(_types(OrderItem)))})
    json = pl.Struct({"action": pl.String, "identifiers": identifiers, "data": pl.Struct({"ts": pl.Int64, "order": order})})
    # The e-mail address of the order's header, too, would have to share the column of the identifier.
    header = {name: ("data", "order", name) for name in fields if name not in columns}
    return CsvForm(
        "orders", (), json, {**columns, "action": ("action",), "ts": ("data", "ts"), **header, LINES: ("data", "order", LINES)}
    )


def line_columns(lines: pl.Expr, names: Sequence[str]) -> list[pl.Expr]:
    """
    Return the item columns of a line.

    :param lines: a column of lines.
    :param names: names of their fields.
    """
    return [lines.struct.field(name).alias(f"{ITEM_PREFIX}{name}") for name in names]


LINE_FIELDS = tuple(field.name for field in contract_fields(OrderItem))
"""Fields of a line of an order."""
