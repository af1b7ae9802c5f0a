"""Which custom fields a run has: decided once, before a row is read, from the settings, the replica and a team's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from odp.core.commerce import READS
from odp.core.contract import Column
from odp.core.custom_functions import load_function
from odp.core.custom_plan import KINDS_BY_TYPE, CustomField, CustomPlan, settle_fields
from odp.core.custom_properties import chosen_properties, property_fields, property_names, require_table
from odp.core.custom_queries import CustomQuery, query_of_preload, query_of_properties
from odp.core.custom_settings import EVERY_OTHER, CustomSettings
from odp.core.exceptions import CustomPropertyError
from odp.core.exports import Export
from odp.core.records import Record
from odp.core.replica import Absences
from odp.core.rows import ENTITY
from odp.core.settings import Settings


@dataclass(frozen=True)
class CustomFields:
    """
    The custom fields of a run.

    :param plan: what the run's later tasks need.
    :param queries: what is to be staged beside each part.
    """

    plan: CustomPlan
    queries: tuple[CustomQuery, ...]


def find_custom_fields(
    connection: psycopg.Connection[Any],
    export: Export,
    settings: Settings,
    contract: type[Record],
    columns: Sequence[Column],
    parameters: Mapping[str, Any],
    absences: Absences,
) -> CustomFields | None:
    """
    Decide which custom fields an export has.

    :param connection: a connection in the snapshot.
    :param export: the export.
    :param settings: the team's settings.
    :param contract: the export's contract, with the columns added in SQL.
    :param columns: the columns that its mapping file selects.
    :param parameters: values of the mapping file's placeholders.
    :param absences: what the replica lacks.
    :return: ``None``, if the settings ask for no custom field.
    :raises CustomPropertyError: if a field can have no such name, or replaces what it must not, or a file is wrong.
    :raises ReplicaError: if a query is not valid on this replica.
    """
    custom = settings.for_export(export.dag_id).custom
    if not custom.are_used:
        return None
    if ENTITY not in {column.name for column in columns}:
        raise CustomPropertyError(
            f"The mapping query of {export.dag_id} does not select {ENTITY}, by which custom values find their row.",
            f"Select Commerce's id of the entity as {ENTITY}.",
        )
    queries: list[CustomQuery] = []
    given: list[CustomField] = []
    if custom.properties:
        queries += _properties(connection, custom, READS[export.sql][0], absences, given)
    if custom.preload.endswith(".sql"):
        window = {"from": parameters["window_start"], "to": parameters["window_end"]}
        queries.append(query_of_preload(connection, custom.preload, {**parameters, **window}, absences))
        given += queries[-1].fields
    functions = {"preload": "" if custom.preload.endswith(".sql") else custom.preload, "factory": custom.factory}
    for name in filter(None, functions.values()):
        fields = load_function(name, export.dag_id).fields
        given += [
            CustomField(name=str(field), kind=KINDS_BY_TYPE[type_], source=f"include/custom/{name}")
            for field, type_ in fields.items()
        ]
    settled = settle_fields(export.dag_id, contract, columns, custom, given)
    replaced = {column.name for column in columns}
    return CustomFields(
        CustomPlan(
            fields=tuple(settled),
            staged=tuple(query.staged for query in queries),
            **functions,
            factory_calls=custom.factory_calls,
            cleared=tuple(f.name for f in settled if f.name not in replaced) if custom.missing == "null" else (),
        ),
        tuple(queries),
    )


def _properties(
    connection: psycopg.Connection[Any], custom: CustomSettings, table: str, absences: Absences, given: list[CustomField]
) -> list[CustomQuery]:
    """Add the fields of the table CustomProperty, and return their query, if there is any field."""
    require_table(absences, table)
    chosen = chosen_properties(custom, property_names(connection, table) if custom.properties.get(EVERY_OTHER) else ())
    fields = property_fields(chosen, custom.prefix, table)
    given += [
        CustomField(name=field, kind=KINDS_BY_TYPE[chosen[name].type], source=f"CustomProperty {name!r} of {table}")
        for field, name in fields.items()
    ]
    return [query_of_properties(connection, fields, table, absences)] if fields else []
