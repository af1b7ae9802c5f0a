"""
Queries that give custom values for entities: the table CustomProperty, and a team's own (Mode A).

They run in the snapshot in which the rows were read, once for each staged part, with the ids of its entities. What they give is
staged beside the part, so that neither memory nor the plan of the mapping query depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time
import psycopg
from psycopg import sql

from odp import sql_files
from odp.core.contract import LIST, Column
from odp.core.custom_plan import CustomField, StagedColumns
from odp.core.custom_properties import property_query
from odp.core.exceptions import CustomPropertyError, ReplicaError
from odp.core.replica import Absences, describe, stream_rows
from odp.core.rows import ENTITY, RowReader
from odp.core.staging import Staging, read_frames, write_rows


@dataclass(frozen=True)
class CustomQuery:
    """
    A query of custom values.

    :param text: the query, with the ids of entities as its placeholder ``ids``.
    :param parameters: values of its other placeholders.
    :param columns: its columns, the entity's id first.
    :param staged: what of it is staged.
    """

    text: str
    parameters: Mapping[str, Any]
    columns: tuple[Column, ...]
    staged: StagedColumns

    @property
    def fields(self) -> list[CustomField]:
        """The fields it gives, of the types that PostgreSQL has them."""
        return [CustomField(name=name, kind=kind, source=self.staged.origin) for name, kind in self.staged.columns]


def query_of_properties(
    connection: psycopg.Connection[Any], properties: Mapping[str, str], table: str, absences: Absences
) -> CustomQuery:
    """
    Return the query of chosen properties.

    :param connection: a connection in the snapshot.
    :param properties: field to property.
    :param table: Commerce's name of the entities' table.
    :param absences: what the replica lacks.
    """
    query, parameters = property_query(properties, table)
    text = query.as_string(connection)
    columns = describe(connection, text, {**parameters, "ids": []}, absences)
    return CustomQuery(text, parameters, columns, _staged("custom-properties", f"CustomProperty of {table}", columns))


def query_of_preload(
    connection: psycopg.Connection[Any], file: str, parameters: Mapping[str, Any], absences: Absences
) -> CustomQuery:
    """
    Return a team's own query.

    :param connection: a connection in the snapshot.
    :param file: its file in ``include/sql/custom``.
    :param parameters: values of its placeholders besides ``ids``.
    :param absences: what the replica lacks.
    :raises CustomPropertyError: if there is no such file, or the query gives no field.
    :raises ReplicaError: with PostgreSQL's message, if the query is not valid on this replica.
    """
    path, origin = Path(sql_files.CUSTOM_SQL_DIR, file), f"include/sql/custom/{file}"
    if not path.is_file():
        raise CustomPropertyError(
            f"The settings name {origin}, but there is no file {path}.", "Create it, or correct the setting."
        )
    text = path.read_text(encoding="utf-8").strip().rstrip(";")
    try:
        columns = describe(connection, text, {**parameters, "ids": []}, absences)
    except ReplicaError as error:
        raise ReplicaError(f"The preload query {origin} does not work: {error.cause}", error.remedy) from error
    if lists := [column.name for column in columns if column.kind == LIST]:
        raise CustomPropertyError(f"{origin} selects {', '.join(lists)} as a list, which ODP has no field type for.")
    if len(columns) < 2:
        raise CustomPropertyError(f"{origin} selects no field.", "Select the entity's id first, then a column for each field.")
    # Whatever entities the query itself selects: those of the part are enough, and PostgreSQL can look for them alone.
    wanted = sql.SQL("SELECT * FROM (\n{}\n) AS custom WHERE custom.{}::uuid = ANY({}::uuid[])").format(
        sql.SQL(text), sql.Identifier(columns[0].name), sql.Placeholder("ids")
    )
    return CustomQuery(wanted.as_string(connection), parameters, columns, _staged("custom-preload", origin, columns))


def _staged(stem: str, origin: str, columns: Sequence[Column]) -> StagedColumns:
    return StagedColumns(stem=stem, origin=origin, columns=tuple((column.name, column.kind) for column in columns[1:]))


def stage_custom_values(
    connection: psycopg.Connection[Any],
    queries: Sequence[CustomQuery],
    absences: Absences,
    reader: RowReader,
    parts: Sequence[Mapping[str, Any]],
    staging: Staging,
) -> None:
    """
    Stage what the queries give for the entities of each part.

    :param connection: the connection in whose snapshot the parts were read.
    :param queries: the queries.
    :param absences: what the replica lacks.
    :param reader: reads the parts.
    :param parts: the staged parts.
    :param staging: the run's folder.
    :raises ReplicaError: if a query fails on the values of a row.
    """
    for part in parts if queries else ():
        ids = entity_ids(reader, part["file"], staging)
        for query in queries:
            rows = stream_rows(connection, query.text, {**query.parameters, "ids": ids}, absences, query.columns)
            write_rows(staging, query.staged.file_of(part["part"]), rows)


def entity_ids(reader: RowReader, file_name: str, staging: Staging) -> list[str]:
    """
    Return the ids of a part's entities, each once.

    :param reader: reads the part.
    :param file_name: the part's file.
    :param staging: the run's folder.
    """
    with staging.read(file_name) as file:
        ids = pl.concat([reader.parse(chunk, [ENTITY]) for chunk in read_frames(file)])[ENTITY]
    return ids.drop_nulls().unique().sort().to_list()
