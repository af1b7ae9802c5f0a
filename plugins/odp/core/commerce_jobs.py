"""Commerce's integration jobs as the replica has them: the definitions of the six export jobs, with their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from odp.core.exceptions import ReplicaError
from odp.core.exports import EXPORTS

Row = Mapping[str, Any]
"""A row, its columns in lower case."""


@dataclass(frozen=True)
class CommerceJob:
    """
    A job definition.

    :param row: its row in JobDefinition.
    :param parameters: names and default values of its parameters, those of its steps included.
    :param linked_job: name of the job that runs after it.
    """

    row: Row
    parameters: Mapping[str, str] = field(default_factory=dict)
    linked_job: str | None = None

    @property
    def name(self) -> str:
        """Its name in Commerce."""
        return str(self.row["name"])

    @property
    def is_recurring(self) -> bool:
        """Whether it runs by itself."""
        return bool(self.row.get("recurringjob"))

    def text(self, column: str) -> str:
        """Return a column's text, trimmed; empty if it has none."""
        return str(self.row.get(column) or "").strip()

    def time(self, column: str) -> datetime | None:
        """Return a column's time; one without zone is UTC."""
        value = self.row.get(column)
        return value if value is None or value.tzinfo else value.replace(tzinfo=timezone.utc)

    def number(self, column: str) -> int:
        """Return a column's number; 0 if it has none."""
        return int(self.row.get(column) or 0)


def read_jobs(connection: psycopg.Connection[Any]) -> dict[str, list[CommerceJob]]:
    """
    Read the job definitions of the six exports.

    :param connection: to the replica; its search_path names the schema. Table names may have any case.
    :return: by the id of the export's DAG; recurring jobs first, then by name.
    :raises ReplicaError: if the replica has no job definitions.
    """
    definitions = _rows(connection, "JobDefinition")
    if definitions is None:
        raise ReplicaError(
            "The replica has no table JobDefinition in its search_path. The tables of jobs are not needed for the exports: "
            "replicate JobDefinition and JobDefinitionParameter, or write the settings by hand."
        )
    parameters: dict[str, dict[str, str]] = {}
    steps = {row["id"]: row["jobdefinitionid"] for row in _rows(connection, "JobDefinitionStep") or ()}
    for row in _rows(connection, "JobDefinitionStepParameter") or ():
        parameters.setdefault(steps.get(row["jobdefinitionstepid"], ""), {})[row["name"]] = row["defaultvalue"] or ""
    for row in _rows(connection, "JobDefinitionParameter") or ():
        parameters.setdefault(row["jobdefinitionid"], {})[row["name"]] = row["defaultvalue"] or ""
    names = {row["id"]: row["name"] for row in definitions}
    jobs = [
        CommerceJob(row, parameters.get(row["id"], {}), names.get(row.get("linkedjobid"), row.get("linkedjobid")))
        for row in definitions
    ]
    jobs.sort(key=lambda job: (not job.is_recurring, job.name))
    return {
        export.dag_id: [job for job in jobs if job.text("postprocessor").lower() == export.post_processor.lower()]
        for export in EXPORTS
    }


def _rows(connection: psycopg.Connection[Any], table: str) -> list[Row] | None:
    """Read a whole table, in whatever case the replica has it; ``None`` if it does not."""
    found = connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE lower(relname) = lower(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND pg_table_is_visible(oid)",
        (table,),
    ).fetchone()
    if found is None:
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        # PostgreSQL has quoted the name. A column that the replica lacks is simply not there.
        rows = cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.SQL(found[0])))
        return [{name.lower(): value for name, value in row.items()} for row in rows]
