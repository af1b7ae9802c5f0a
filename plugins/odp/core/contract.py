"""
What a run sends: a contract of ``odp.core.records`` together with the columns the tenant's SQL adds.

Every field of a contract has a kind (``odp.core.fields``) and names the Commerce columns it is read from. This module reads
both out of the pydantic model, so that checks, documentation and ODP's schema all follow from one definition.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from odp.core.exceptions import ReplicaError
from odp.core.fields import BOOLEAN, KINDS, NUMBER, TIMESTAMP, Boolean, Kind, Number, Text, Timestamp, read_from
from odp.core.records import Order, Record

LIST = "list"
"""Column kind of an array: the values of an order's lines."""

RESERVED_COLUMNS = ("skip_reason", "entity_id")
"""Columns of a mapping file that steer the export and are never sent."""

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")

_ADDED_TYPES: dict[str, Any] = {BOOLEAN.name: Boolean, NUMBER.name: Number, TIMESTAMP.name: Timestamp}


def added_field(kind: str, source: str) -> tuple[Any, Any]:
    """
    Return type and definition of a field that a contract has not from the start.

    :param kind: name of its kind; whatever is no number, truth value or time is text.
    :param source: where its values come from.
    """
    return _ADDED_TYPES.get(kind, Text) | None, read_from(source)


@dataclass(frozen=True)
class Column:
    """
    A column that a mapping file selects.

    :param name: the alias, which is the ODP field's name.
    :param kind: name of a kind of ``odp.core.fields``, or ``list``.
    """

    name: str
    kind: str


@dataclass(frozen=True)
class ContractField:
    """
    A field of a contract.

    :param name: ODP's name of the field.
    :param kind: its kind.
    :param required: whether a record cannot be sent without it.
    :param source: the Commerce columns it is read from.
    """

    name: str
    kind: Kind
    required: bool
    source: str


def _kind_in(annotation: Any) -> Kind | None:
    if typing.get_origin(annotation) is typing.Annotated:
        return next((extra for extra in annotation.__metadata__ if isinstance(extra, Kind)), None)
    return next((kind for kind in map(_kind_in, typing.get_args(annotation)) if kind), None)


def _kind_of(info: FieldInfo) -> Kind | None:
    return next((extra for extra in info.metadata if isinstance(extra, Kind)), None) or _kind_in(info.annotation)


def contract_fields(contract: type[BaseModel]) -> tuple[ContractField, ...]:
    """
    List a contract's plain fields, key first, in the order they are sent.

    :param contract: a contract; nested item lists are not part of the result.
    """
    fields = []
    for name, info in contract.model_fields.items():
        kind = _kind_of(info)
        if kind is not None:
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            fields.append(ContractField(name, kind, info.is_required(), str(extra.get("source", ""))))
    return tuple(fields)


def extended_contract(contract: type[Record], columns: Sequence[Column], list_columns: Sequence[str] = ()) -> type[Record]:
    """
    Add the columns that a tenant's SQL selects beyond the contract, typed as PostgreSQL types them.

    :param contract: the export's contract.
    :param columns: the columns the mapping file selects.
    :param list_columns: names of the columns that hold the values of an order's lines.
    :return: the contract itself if nothing is added.
    :raises ReplicaError: if the key is not selected, or a column's name or kind is one that no field can have.
    """
    names = {column.name for column in columns}
    if missing := [field.name for field in contract_fields(contract) if field.required and field.name not in names]:
        raise ReplicaError(
            f"The mapping query does not select {', '.join(missing)}, without which no record can be sent. "
            "Give the column that holds it this alias."
        )
    taken = sorted(contract.reserved)
    list_columns = list_columns if issubclass(contract, Order) else ()
    if lists := [column.name for column in columns if column.kind == LIST and column.name not in list_columns]:
        raise ReplicaError(
            f"The mapping query selects {', '.join(lists)} as a list, which ODP has no field type for. "
            f"Lists are only taken as {', '.join(list_columns) or 'the item columns of orders'}."
        )
    if single := [column.name for column in columns if column.kind != LIST and column.name in list_columns]:
        raise ReplicaError(
            f"The mapping query selects {', '.join(single)} as a single value. It takes a list with one value for each line of "
            "the order: aggregate the lines with array_agg."
        )
    added = [c for c in columns if c.name not in contract.model_fields and c.name not in (*RESERVED_COLUMNS, *list_columns)]
    wrong = [c.name for c in added if not _FIELD_NAME.fullmatch(c.name)] + [c.name for c in columns if c.name in taken]
    if wrong:
        rule = "lower case letters, digits and underscores, the first a letter" + (
            f"; none of {', '.join(taken)}" if taken else ""
        )
        raise ReplicaError(
            f"The mapping query selects {', '.join(wrong)}, which no field can be called. Give it an alias of {rule}."
        )
    if not added:
        return contract
    definitions: dict[str, Any] = {column.name: added_field(column.kind, "added in SQL") for column in added}
    return create_model(contract.__name__, __base__=contract, **definitions)


def fields_fed_by(contract: type[Record], absent: Iterable[str]) -> list[str]:
    """
    Tell which fields come from columns that the replica lacks.

    :param contract: the export's contract.
    :param absent: names of tables (``Brand``) and columns (``Product.Unspsc``).
    """
    wanted = set(absent)
    return [
        field.name
        for field in contract_fields(contract)
        if any(word.strip(",;()") in wanted or word.partition(".")[0] in wanted for word in field.source.split())
    ]


def odp_types(contract: type[Record]) -> dict[str, str]:
    """Return the type of each of a contract's fields in ODP's schema API."""
    return {field.name: KINDS[field.kind.name].odp_type for field in contract_fields(contract)}
