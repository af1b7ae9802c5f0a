"""
OrderHistory as a second source of orders: the ERP's orders that CustomerOrder does not have.

Its mapping file has the columns of orders.sql, so that its rows are staged, checked and sent like those of any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from odp.core.contract import LIST, Column
from odp.core.exceptions import ReplicaError
from odp.core.fields import BOOLEAN, NUMBER, TIMESTAMP
from odp.core.replica import Absences, describe

if TYPE_CHECKING:
    from odp.core.exports import Export
    from odp.core.settings import Settings

NAME = "order_history"
"""Its name among the queries beside orders.sql."""

_TYPES = {LIST: "text[]", BOOLEAN.name: "boolean", NUMBER.name: "numeric", TIMESTAMP.name: "timestamptz"}


def files_read(export: Export, settings: Settings) -> list[str]:
    """
    List the files of ``include/sql`` that an export reads under a team's settings.

    :param export: the export.
    :param settings: the team's settings.
    """
    lookups = [file for name, file in export.lookups.items() if name != NAME or settings.order_history]
    return [export.sql, *lookups]


def add_order_history(
    connection: psycopg.Connection[Any],
    mapping: str,
    lookups: Mapping[str, str],
    parameters: Mapping[str, Any],
    absences: Absences,
    columns: Sequence[Column],
    settings: Settings,
) -> list[str]:
    """
    Return the queries whose rows an export stages: its mapping and, if the settings say so, that of OrderHistory.

    :param connection: a connection to the replica.
    :param mapping: text of the export's mapping file.
    :param lookups: texts of the queries beside it, by name.
    :param parameters: values of the placeholders.
    :param absences: what the replica lacks.
    :param columns: the columns that the mapping selects and that are staged.
    :param settings: the team's settings.
    :return: queries that all have these columns.
    :raises ReplicaError: if the query of OrderHistory is not valid on this replica, or selects other columns.
    """
    if NAME not in lookups or not settings.order_history:
        return [mapping]
    history = lookups[NAME].strip().rstrip(";")
    # The column of the original currency is selected, but not always staged.
    selected = {column.name for column in describe(connection, mapping, parameters, absences)}
    own = {column.name for column in describe(connection, history, parameters, absences)}
    if unknown := sorted(own - selected):
        raise ReplicaError(
            f"order_history.sql selects {', '.join(unknown)}, which orders.sql does not.",
            "Select it there as well, if only as NULL::text.",
        )
    chosen = sql.SQL(", ").join(_column(column, is_there=column.name in own) for column in columns).as_string(connection)
    return [mapping, f"SELECT {chosen} FROM (\n{history}\n) AS history"]


def _column(column: Column, *, is_there: bool) -> sql.Composable:
    if is_there:
        return sql.Identifier("history", column.name)
    type_ = sql.SQL(_TYPES.get(column.kind, "text"))
    return sql.SQL("NULL::{} AS {}").format(type_, sql.Identifier(column.name))
