"""
The custom fields of a run, as its manifest keeps them, so that every task of the run works by the same ones.

They come from up to three sources: the table CustomProperty, a preload (Mode A: a query or a function), and a factory (Mode B).
Each adds to those before it, and its values replace theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, create_model

from odp.core.contract import RESERVED_COLUMNS, Column, added_field, contract_fields
from odp.core.custom_settings import CustomSettings
from odp.core.exceptions import CustomPropertyError
from odp.core.fields import BOOLEAN, NUMBER, TEXT, TIMESTAMP
from odp.core.order_lines import ITEM_PREFIX
from odp.core.records import Order, Profile, Record

KINDS_BY_TYPE = {"string": TEXT.name, "number": NUMBER.name, "boolean": BOOLEAN.name, "timestamp": TIMESTAMP.name}
"""The kind of field for each type of ODP."""


class CustomField(BaseModel):
    """
    A field that a custom source gives.

    :param name: ODP's name of it.
    :param kind: name of its kind; where the contract has the field already, that field's.
    :param source: where its values come from.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    source: str


class StagedColumns(BaseModel):
    """
    What a query gives for the entities of a part, staged beside the part.

    :param stem: beginning of the file's name.
    :param origin: how messages name the query.
    :param columns: name and kind of each column after the entity's id, as PostgreSQL has it.
    """

    model_config = ConfigDict(frozen=True)

    stem: str
    origin: str
    columns: tuple[tuple[str, str], ...]

    def file_of(self, part: int) -> str:
        """
        Return the name of the file that belongs to a part.

        :param part: the part's number.
        """
        return f"{self.stem}-{part:05d}.csv.zst"


class CustomPlan(BaseModel):
    """
    The custom fields of a run, and where their values come from, in the order of merging.

    :param fields: the fields, by name.
    :param staged: what queries give.
    :param preload: function that gives values for entities, if any.
    :param factory: function that makes the one which computes values from rows, if any.
    :param factory_calls: whether that takes a ``chunk`` or a ``row``.
    :param cleared: fields that are sent as null where they have no value.
    """

    model_config = ConfigDict(frozen=True)

    fields: tuple[CustomField, ...]
    staged: tuple[StagedColumns, ...] = ()
    preload: str = ""
    factory: str = ""
    factory_calls: str = "chunk"
    cleared: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each field."""
        return {field.name: field.kind for field in self.fields}

    def extend(self, contract: type[Record]) -> type[Record]:
        """
        Add the fields to a contract.

        :param contract: the run's contract, with the columns added in SQL.
        """
        added = {f.name: added_field(f.kind, f.source) for f in self.fields if f.name not in contract.model_fields}
        extended: type[Record] = create_model(contract.__name__, __base__=contract, **added)  # type: ignore[call-overload]
        extended.cleared = frozenset(self.cleared)
        return extended


def settle_fields(
    export_id: str,
    contract: type[Record],
    columns: Sequence[Column],
    settings: CustomSettings,
    given: Iterable[CustomField],
) -> list[CustomField]:
    """
    Decide which fields an export has, and of which kinds.

    :param export_id: the export.
    :param contract: its contract, with the columns added in SQL.
    :param columns: the columns that its mapping file selects.
    :param settings: says which of them may be replaced.
    :param given: the fields of all sources, in the order of merging.
    :return: one entry a field, by name.
    :raises CustomPropertyError: if a field can have no such name, replaces what it must not, or has two types.
    """
    selected = {column.name for column in columns}
    kinds = {field.name: field.kind.name for field in contract_fields(contract)}
    settled: dict[str, CustomField] = {}
    for field in given:
        name = field.name
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise CustomPropertyError(
                f"{field.source} gives a field {name!r}, which ODP cannot have.",
                "Use lower case letters, digits and underscores, the first a letter.",
            )
        if _steers(name, contract):
            raise CustomPropertyError(
                f"{field.source} gives {name}, which tells records of {export_id} apart or decides how they are sent.",
                "Give the field another name; to use another key, change the mapping file.",
            )
        if name in selected and name not in settings.allow_override:
            raise CustomPropertyError(
                f"{field.source} gives {name}, which the mapping of {export_id} gives already.",
                "Give the field another name (properties can have a prefix), or list it in allow_override to replace it.",
            )
        kind, earlier = kinds.get(name, field.kind), settled.get(name)
        if earlier and earlier.kind != kind:
            raise CustomPropertyError(
                f"{earlier.source} gives {name} of {export_id} as {earlier.kind}, and {field.source} as {kind}.",
                "Give both the same type, or one of them another name.",
            )
        source = f"{earlier.source}, then {field.source}" if earlier else field.source
        settled[name] = CustomField(name=name, kind=kind, source=source)
    return [settled[name] for name in sorted(settled)]


def _steers(name: str, contract: type[Record]) -> bool:
    """Tell whether a field must not be replaced, whatever the settings allow."""
    if name in {*contract.key, *contract.envelope, *contract.reserved, *RESERVED_COLUMNS}:
        return True
    if issubclass(contract, Profile):
        return name in Profile.key
    return issubclass(contract, Order) and name.startswith(ITEM_PREFIX)
