"""
Commerce replicas of any size, filled inside PostgreSQL: tables, indexes and small tables of the sandbox's replica, and as
many rows of one workload as wanted, every one of which can be sent. A replica is kept and used again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.workloads import Workload
from sandbox.commerce.reference_rows import reference_rows
from sandbox.postgres import PostgresServer

SCHEMA = "dbo"
_ROWS_PER_BLOCK = 50_000
_SESSIONS = min(4, os.cpu_count() or 1)
# Fixed, so that a replica does not depend on the day it is made.
_NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Replicas:
    """
    The replicas on one server, a database each.

    :param server: a running PostgreSQL.
    """

    server: PostgresServer
    _script_cache: dict[str, str] = field(default_factory=dict, repr=False)

    def replica(self, workload: Workload, rows: int) -> str:
        """
        Return the name of a replica's database, filled now unless it was before.

        :param workload: what it is filled with.
        :param rows: how many rows of it.
        """
        database = f"{workload.name}_{rows}_{self._version(workload)}"
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
                return database
            unfinished = sql.Identifier(f"{database}_unfinished")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(unfinished))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(unfinished))
            self._fill(f"{database}_unfinished", workload, rows)
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, sql.Identifier(database)))
        return database

    def _fill(self, database: str, workload: Workload, rows: int) -> None:
        with self._connect(database) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
            connection.execute(_sandbox_script("schema.sql"))
            for table, entries in reference_rows(1, _NOW):
                _copy(connection, table, entries)
        sizes = {script: max(1, int(rows * share)) for script, share in workload.seed.items()}
        values: dict[str, Any] = {"now": _NOW, "people": sizes.get("user_profiles", 1)}
        for script, count in sizes.items():
            blocks = (
                {**values, "rows": count, "first": first, "past": min(first + _ROWS_PER_BLOCK, count)}
                for first in range(0, count, _ROWS_PER_BLOCK)
            )
            self._in_parallel(database, [(_seed_script(script), block) for block in blocks])
        for script in ("indexes.sql", "order_indexes.sql"):
            self._in_parallel(database, [(one, None) for one in _sandbox_script(script).split(";\n") if one.strip()])
        with self._connect(database, autocommit=True) as connection:
            # Leaves nothing to autovacuum, which would disturb what is measured next.
            connection.execute("VACUUM ANALYZE")

    def _in_parallel(self, database: str, statements: Iterable[tuple[str, Mapping[str, Any] | None]]) -> None:
        def execute(statement: tuple[str, Mapping[str, Any] | None]) -> None:
            with self._connect(database) as connection:
                connection.execute(*statement)

        with ThreadPoolExecutor(_SESSIONS) as pool:
            list(pool.map(execute, statements))

    def _connect(self, database: str, autocommit: bool = False) -> psycopg.Connection:
        # The client's cursor takes a whole script with values; the server's would take one statement.
        return psycopg.connect(
            self.server.dsn(database),
            autocommit=autocommit,
            cursor_factory=psycopg.ClientCursor,
            options=f"-c search_path={SCHEMA}",
        )

    def _version(self, workload: Workload) -> str:
        """Return a mark of the scripts, so that a replica of older ones is not used."""
        text = "".join(_sandbox_script(name) for name in ("schema.sql", "indexes.sql", "order_indexes.sql"))
        return hashlib.sha256((text + "".join(map(_seed_script, workload.seed))).encode()).hexdigest()[:8]


def _copy(connection: psycopg.Connection, table: str, entries: list[dict[str, Any]]) -> None:
    columns = list(entries[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.lower()), sql.SQL(", ").join(sql.Identifier(column.lower()) for column in columns)
    )
    with connection.cursor().copy(statement) as copy:
        for entry in entries:
            copy.write_row([entry[column] for column in columns])


def _sandbox_script(name: str) -> str:
    return resources.files("sandbox.commerce").joinpath(name).read_text(encoding="utf-8")


def _seed_script(name: str) -> str:
    return resources.files("benchmarks").joinpath("seed").joinpath(f"{name}.sql").read_text(encoding="utf-8")
