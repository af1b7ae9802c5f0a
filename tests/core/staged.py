"""Rows as extract stages them, and transform run over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from odp.core.contract import LIST, Column, contract_fields, extended_contract
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.records import Order, Profile, Record
from odp.core.transform import Outcome, Transformer
from odp.core.user_events import UserEvent

ACTIONS = {"submitted": "purchase", "cancellationrequested": "cancel", "saved": None}

Row = Mapping[str, str | None]


def csv_of(rows: Iterable[Sequence[str | None]]) -> bytes:
    """Return CSV as PostgreSQL's COPY writes it: nothing for null, quotes only where they are needed."""
    return "".join(",".join(map(_cell, row)) + "\n" for row in rows).encode()


def _cell(value: str | None) -> str:
    if value is None:
        return ""
    if value == "" or value == "\\." or any(mark in value for mark in ',"\n\r'):
        return '"' + value.replace('"', '""') + '"'
    return value


def columns_of(contract: type[Record], *more: str) -> list[Column]:
    """Return the columns of a mapping file that selects every field, and more."""
    names = [field.name for field in contract_fields(contract)]
    lists = [Column(name, LIST) for name in ITEM_COLUMNS] if issubclass(contract, Order) else []
    return [*(Column(name, "text") for name in (*names, *more)), *lists]


def family_of(contract: type[Record]) -> Any:
    """Return the API a contract's records are for."""
    if issubclass(contract, (Order, UserEvent)):
        return "events"
    return "profiles" if issubclass(contract, Profile) else "objects"


def transformer_of(contract: type[Record], columns: Sequence[Column] | None = None) -> Transformer:
    """Return the transformer of a run."""
    columns = columns_of(contract) if columns is None else columns
    return Transformer(extended_contract(contract, columns, ITEM_COLUMNS), family_of(contract), columns, ACTIONS)


def transform(contract: type[Record], rows: Sequence[Row], columns: Sequence[Column] | None = None) -> Outcome:
    """Transform rows, given as field to text, as one part of one chunk."""
    columns = columns_of(contract) if columns is None else columns
    transformer = transformer_of(contract, columns)
    chunk = csv_of([row.get(column.name) for column in columns] for row in rows)
    return transformer.transform(chunk, transformer.superseded_rows(iter([chunk])), 0)


def items_of(outcome: Outcome) -> list[Any]:
    """Return the items, parsed."""
    return [orjson.loads(item) for item in outcome.items]


def product(key: str = "p-1", **values: str | None) -> Row:
    return {"product_id": key, **values}


def warehouse(key: str = "w-1", **values: str | None) -> Row:
    return {"warehouse_id": key, **values}


def order(key: str = "1001", **values: str | None) -> Row:
    """Return an order that is sent, with one line."""
    return {
        "order_id": key,
        "order_status": "Submitted",
        "purchased_at": "1700000000",
        "cancelled_at": "1700000500",
        "identifier_email": "ana@example.com",
        "total": "30",
        "item_product_id": "p-1",
        "item_price": "10",
        "item_quantity": "3",
        "item_discount": "0",
        "item_subtotal": "30",
    } | values
