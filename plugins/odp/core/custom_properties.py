"""
Commerce's table CustomProperty: one row per extra property of an entity, its value always text.

The settings choose properties by name; each becomes a field, and the query here brings their values in one row per entity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from pydantic.alias_generators import to_snake

from odp.core.custom_settings import EVERY_OTHER, CustomSettings, PropertySettings
from odp.core.exceptions import CustomPropertyError
from odp.core.replica import Absences

TABLE = "CustomProperty"
ID = "id"
"""Name of the column that says which entity a row of custom values belongs to."""


def snake_case(name: str) -> str:
    """
    Turn a property's name into a field's: ``PreferredColor`` and ``Preferred Color`` become ``preferred_color``.

    :param name: name of a property.
    """
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"_+", "_", to_snake(re.sub(r"[^A-Za-z0-9]+", "_", plain))).strip("_")


def chosen_properties(settings: CustomSettings, present: Iterable[str]) -> dict[str, PropertySettings]:
    """
    Return the properties to send, by name.

    :param settings: the export's.
    :param present: names in the table; only needed where the settings ask for all of them.
    """
    chosen = {name: given for name, given in settings.properties.items() if given and name != EVERY_OTHER}
    if others := settings.properties.get(EVERY_OTHER):
        chosen |= {name: others for name in present if name and name not in settings.properties}
    return dict(sorted(chosen.items()))


def require_table(absences: Absences, table: str) -> None:
    """
    Make sure that the replica has properties at all.

    :param absences: what the replica lacks.
    :param table: Commerce's name of the table that they are wanted of.
    :raises CustomPropertyError: if it lacks the table or a column that is needed.
    """
    needed = (TABLE, f"{TABLE}.Name", f"{TABLE}.Value")
    if lacking := [name for name in (*absences.tables, *absences.columns) if name in needed]:
        raise CustomPropertyError(
            f"odp_settings choose custom properties of {table}, but the replica lacks {', '.join(lacking)}.",
            "Replicate it, or take properties out of the settings.",
        )


def property_names(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """
    Return the names of all properties that entities of a table have.

    :param connection: a connection to the replica.
    :param table: Commerce's name of the table, such as ``Product``.
    """
    rows = connection.execute("SELECT DISTINCT btrim(cp.Name) FROM CustomProperty cp WHERE cp.ParentTable = %s", (table,))
    return sorted(row[0] for row in rows if row[0])


def property_fields(properties: Mapping[str, PropertySettings], prefix: str, table: str) -> dict[str, str]:
    """
    Name the field of each property.

    :param properties: the properties, by name.
    :param prefix: put before each field that the settings do not name.
    :param table: Commerce's name of the table, for the message.
    :return: field to property.
    :raises CustomPropertyError: if a property can have no field, or two would share one.
    """
    fields: dict[str, str] = {}
    for name, given in properties.items():
        field = given.field or f"{prefix}{snake_case(name)}"
        way_out = f'Name another field for one of them ({{"{name}": {{"field": "..."}}}}), or leave it out ({{"{name}": null}}).'
        if not re.fullmatch(r"[a-z][a-z0-9_]*", field):
            raise CustomPropertyError(f"The custom property {name!r} of {table} gives no field's name: {field!r}.", way_out)
        if field in fields:
            raise CustomPropertyError(
                f"The custom properties {fields[field]!r} and {name!r} of {table} would both become the field {field}.", way_out
            )
        fields[field] = name
    return fields


def property_query(fields: Mapping[str, str], table: str) -> tuple[sql.Composed, dict[str, str]]:
    """
    Compose the query of the properties of some entities, given as the placeholder ``ids``.

    :param fields: field to property.
    :param table: Commerce's name of the table.
    :return: the query, and the values of its other placeholders.
    """
    # Of several rows with one name, the one that was modified last counts.
    value = sql.SQL(
        "(array_agg(cp.Value ORDER BY cp.ModifiedOn DESC NULLS LAST, cp.Id DESC) FILTER (WHERE btrim(cp.Name) = {}))[1] AS {}"
    )
    values = [value.format(sql.Placeholder(f"property_{at}"), sql.Identifier(field)) for at, field in enumerate(fields)]
    query = sql.SQL(
        "SELECT cp.ParentId AS {}, {} FROM CustomProperty cp WHERE cp.ParentTable = {} AND cp.ParentId = ANY({}::uuid[])"
        " GROUP BY cp.ParentId"
    ).format(sql.Identifier(ID), sql.SQL(", ").join(values), sql.Placeholder("parent_table"), sql.Placeholder("ids"))
    parameters = {f"property_{at}": name for at, name in enumerate(fields.values())}
    return query, {**parameters, "parent_table": table}
