"""
Reading the Commerce replica: one snapshot, streamed as CSV.

A mapping file (``include/sql/*.sql``) is one plain SELECT whose column aliases are ODP field names. It runs inside a wrapper:

* common table expressions named like Commerce tables stand in for optional tables and columns that the replica lacks, so the
  mapping file needs no variants;
* the type of each column decides how it is written (times as epoch seconds, arrays as lists), so the file needs no casts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from odp.core import commerce
from odp.core.contract import LIST, Column
from odp.core.exceptions import ReplicaError, ReplicaTimeoutError
from odp.core.fields import BOOLEAN, NUMBER, TEXT, TIMESTAMP

log = logging.getLogger(__name__)

LIST_SEPARATOR = "\x1f"
"""Between the values of a list: the ASCII unit separator, which text meant for people does not hold."""

_KIND_BY_TYPE = {
    "bool": BOOLEAN.name,
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8"), NUMBER.name),
    **dict.fromkeys(("timestamptz", "timestamp", "date"), TIMESTAMP.name),
}


@dataclass(frozen=True)
class Absences:
    """
    What the replica lacks of the tables an export reads.

    :param tables: optional tables that do not exist.
    :param columns: optional columns that do not exist, as ``Table.Column``.
    :param shadows: common table expressions that stand in for them.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    shadows: tuple[sql.Composable, ...]


def begin_snapshot(connection: psycopg.Connection[Any], *, application_name: str, statement_timeout_minutes: int) -> None:
    """
    Begin the one read-only transaction an export reads in.

    :param connection: an open connection that has no transaction yet.
    :param application_name: shown in the replica's ``pg_stat_activity``.
    :param statement_timeout_minutes: longest time of one query; 0 is no limit.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    for name, value in (
        ("application_name", application_name),
        ("statement_timeout", f"{statement_timeout_minutes}min"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO"),
        ("jit", "off"),
    ):
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def find_absences(connection: psycopg.Connection[Any], tables: Sequence[str]) -> Absences:
    """
    Compare the tables an export reads with those the replica has in its search_path.

    :param connection: a connection to the replica.
    :param tables: Commerce names of the tables.
    :raises ReplicaError: if something required is missing, naming all of it.
    """
    present = {
        (row[0], row[1])
        for row in connection.execute(
            "SELECT t.name, a.attname FROM unnest(%s::text[]) AS t(name) JOIN pg_attribute a"
            " ON a.attrelid = to_regclass(quote_ident(lower(t.name))) AND a.attnum > 0 AND NOT a.attisdropped",
            (list(tables),),
        )
    }
    present_tables = {table for table, _ in present}
    missing_required, absent_tables, absent_columns, shadows = [], [], [], []
    for name in tables:
        table = commerce.TABLES[name]
        lacking = [column for column in table.columns if (name, column.name.lower()) not in present]
        if name not in present_tables or (not table.required and any(column.required for column in lacking)):
            if table.required:
                missing_required.append(name)
                continue
            absent_tables.append(name)
            shadows.append(_empty_relation(name))
        elif lacking:
            missing_required += [f"{name}.{column.name}" for column in lacking if column.required]
            absent_columns += [f"{name}.{column.name}" for column in lacking]
            shadows.append(_relation_with_nulls(name, lacking))
    if missing_required:
        raise _missing_error(connection, missing_required)
    return Absences(tuple(absent_tables), tuple(absent_columns), tuple(shadows))


def locate_tables(connection: psycopg.Connection[Any], tables: Sequence[str]) -> list[tuple[str, str]]:
    """
    Find where the search_path leads to.

    :param connection: a connection to the replica.
    :param tables: Commerce names of tables.
    :return: schema and name of those that the replica has, as it spells them.
    """
    found = connection.execute(
        "SELECT n.nspname, c.relname FROM unnest(%s::text[]) WITH ORDINALITY AS t(name, place)"
        " JOIN pg_class c ON c.oid = to_regclass(quote_ident(lower(t.name))) JOIN pg_namespace n ON n.oid = c.relnamespace"
        " ORDER BY t.place",
        (list(tables),),
    )
    return [(schema, table) for schema, table in found]


def _missing_error(connection: psycopg.Connection[Any], missing: Sequence[str]) -> ReplicaError:
    search_path = connection.execute("SHOW search_path").fetchone()
    quoted = connection.execute(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = %s AND c.relname <> lower(c.relname) LIMIT 1",
        (missing[0].partition(".")[0],),
    ).fetchone()
    remedy = (
        f"Schema {quoted[0]} holds it in PascalCase: run include/sql/folded_views.sql once, and put commerce_folded first "
        "in the connection's search_path."
        if quoted
        else 'Name the schema in the connection\'s extra, such as {"options": "-c search_path=dbo"}, or add it to the replica.'
    )
    cause = f"The Commerce replica lacks {', '.join(missing)} (search_path is {search_path and search_path[0]})."
    return ReplicaError(cause, remedy)


def _nulls(columns: Iterable[commerce.Column]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("NULL::{} AS {}").format(sql.SQL(column.type), sql.Identifier(column.name.lower())) for column in columns
    )


def _empty_relation(name: str) -> sql.Composable:
    return sql.SQL("{} AS NOT MATERIALIZED (SELECT {} WHERE false)").format(
        sql.Identifier(name.lower()), _nulls(commerce.TABLES[name].columns)
    )


def _relation_with_nulls(name: str, lacking: Iterable[commerce.Column]) -> sql.Composable:
    table = sql.Identifier(name.lower())
    return sql.SQL("{} AS NOT MATERIALIZED (SELECT t.*, {} FROM {} t)").format(table, _nulls(lacking), table)


def _with_shadows(connection: psycopg.Connection[Any], shadows: Sequence[sql.Composable]) -> str:
    return f"WITH {sql.SQL(', ').join(shadows).as_string(connection)}\n" if shadows else ""


def with_stand_ins(connection: psycopg.Connection[Any], absences: Absences, query: str) -> str:
    """
    Put stand-ins for what the replica lacks before a query.

    :param connection: a connection to the replica.
    :param absences: what it lacks.
    :param query: a SELECT that reads Commerce's tables.
    """
    return _with_shadows(connection, absences.shadows) + query


def _body(mapping: str) -> str:
    return mapping.strip().rstrip(";")


def describe(
    connection: psycopg.Connection[Any], mapping: str, parameters: Mapping[str, Any], absences: Absences
) -> tuple[Column, ...]:
    """
    Ask PostgreSQL which columns a mapping file selects, and of which types.

    :param connection: a connection to the replica.
    :param mapping: text of the mapping file.
    :param parameters: values of its placeholders.
    :param absences: what the replica lacks.
    :raises ReplicaError: with PostgreSQL's message, if the query is not valid on this replica.
    """
    query = f"{_with_shadows(connection, absences.shadows)}SELECT * FROM (\n{_body(mapping)}\n) AS record LIMIT 0"
    try:
        description = connection.execute(query, parameters).description or ()
    except psycopg.ProgrammingError as error:
        raise ReplicaError(f"The mapping query does not run on this replica: {str(error).strip()}") from error
    names = [column.name for column in description]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ReplicaError(f"The mapping query selects {', '.join(repeated)} more than once. Each field needs its own alias.")
    return tuple(Column(column.name, _kind(connection, column.type_code)) for column in description)


def _kind(connection: psycopg.Connection[Any], type_oid: int) -> str:
    info = connection.adapters.types.get(type_oid)
    if info is None:
        return TEXT.name
    if info.array_oid == type_oid:
        return LIST
    return _KIND_BY_TYPE.get(info.name, TEXT.name)


def stream_rows(
    connection: psycopg.Connection[Any],
    mapping: str,
    parameters: Mapping[str, Any],
    absences: Absences,
    columns: Sequence[Column],
) -> Iterator[bytes]:
    """
    Stream the mapping's rows by COPY, each as one CSV record without header.

    :param connection: a connection in the snapshot that :func:`begin_snapshot` began.
    :param mapping: text of the mapping file.
    :param parameters: values of its placeholders; psycopg binds them, they never become SQL text by hand.
    :param absences: what the replica lacks.
    :param columns: the columns as :func:`describe` found them.
    :raises ReplicaError: if the query fails on the values of a row.
    """
    selected = sql.SQL(", ").join(_written(column) for column in columns).as_string(connection)
    statement = (
        f"COPY ({_with_shadows(connection, absences.shadows)}SELECT {selected} FROM (\n{_body(mapping)}\n) AS record)"
        " TO STDOUT (FORMAT csv)"
    )
    try:
        with connection.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            for row in copy:
                yield bytes(row)
    except psycopg.errors.QueryCanceled as error:
        raise ReplicaTimeoutError(
            f"The replica stopped the query: {str(error).strip()}. An index on ModifiedOn, a shorter window or a longer "
            "statement_timeout_minutes in odp_settings helps."
        ) from error
    except psycopg.DataError as error:
        raise ReplicaError(f"The mapping query fails on a row of this replica: {str(error).strip()}") from error


def _written(column: Column) -> sql.Composable:
    name = sql.Identifier("record", column.name)
    if column.kind == TIMESTAMP.name:
        # extract() is exact; the floating point of date_part() would round the last microsecond of year 9999 up.
        return sql.SQL("floor(extract(epoch FROM {}))").format(name)
    if column.kind == LIST:
        # An empty list is none: written as '' it would be a list of one absent value.
        return sql.SQL("array_to_string(nullif({0}, '{{}}'), {1}, '')").format(name, sql.Literal(LIST_SEPARATOR))
    return name


def read_lookup(connection: psycopg.Connection[Any], query: str, absences: Absences) -> list[dict[str, Any]]:
    """
    Read a small side query whole, in the same snapshot.

    :param connection: a connection in the snapshot.
    :param query: one SELECT without placeholders.
    :param absences: what the replica lacks.
    :return: the rows, with every value as text.
    :raises ReplicaError: with PostgreSQL's message, if the query is not valid on this replica.
    """
    statement = f"{_with_shadows(connection, absences.shadows)}SELECT * FROM (\n{_body(query)}\n) AS record"
    try:
        cursor = connection.execute(statement)
    except psycopg.ProgrammingError as error:
        raise ReplicaError(f"A side query of the mapping does not run on this replica: {str(error).strip()}") from error
    names = [column.name for column in cursor.description or ()]
    return [{name: None if value is None else str(value) for name, value in zip(names, row, strict=True)} for row in cursor]
