"""
The ledger: what ODP has acknowledged, kept in PostgreSQL.

It is the one mechanism for change detection, for resuming, for never sending an event twice and for sharing a rate limit.
This module holds the connection and the state of records; events, runs and rejects have modules of their own beside it.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg

from odp.core.exceptions import LedgerError

if TYPE_CHECKING:
    import polars as pl

LEDGER_VERSION = 2
CREATE_COMMAND = "python -m odp.create_ledger"


HASH_DIGITS = 32


def hash_text(text: str) -> str:
    """Return a 128-bit hash as 32 hexadecimal digits, the beginning of SHA-256: the same in every version of every library."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def account_name(address: str, api_key: str) -> str:
    """
    Name an ODP account so that ledgers can tell accounts apart: host and a hash of the key's public part.

    The public part stays when a private key is replaced, and the hash does not give it away.

    :param address: address of the API.
    :param api_key: public key, or private key ``<public>.<secret>``.
    """
    host = address.partition("://")[2] or address
    return f"{host}/{hash_text(api_key.rsplit('.', 1)[0])[:10]}"


class Ledger:
    """
    One export's view of the ledger. Thread-safe: each thread has a connection of its own.

    :param connect: opens a connection to the ledger's database.
    :param account: name of the ODP account.
    :param export: id of the export.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], account: str, export: str) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: list[psycopg.Connection[Any]] = []
        self.account = account
        self.export = export

    def __enter__(self) -> Ledger:
        """Check that the ledger exists and is of this version."""
        self.check_version()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """This thread's connection, in autocommit mode; open a transaction where several statements belong together."""
        connection: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._connect()
            connection.autocommit = True
            connection.execute("SET application_name = 'odp_ledger'; SET TimeZone = 'UTC'")
            # A claim has to outlive a crash of the server, however the server is configured.
            connection.execute("SET synchronous_commit = on")
            # Every access is by key. Without statistics, while a table fills, the planner would read it whole for each request.
            connection.execute("SET enable_seqscan = off")
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    @property
    def scope(self) -> dict[str, Any]:
        """The account and the export, for statements: by name, and as the number that the large tables use."""
        return {"account": self.account, "export": self.export, "scope_id": self._scope_id}

    @cached_property
    def _scope_id(self) -> int:
        names = {"account": self.account, "export": self.export}
        self.connection.execute(
            "INSERT INTO export_scope (account, export) VALUES (%(account)s, %(export)s) ON CONFLICT DO NOTHING", names
        )
        row = self.connection.execute(
            "SELECT scope_id FROM export_scope WHERE account = %(account)s AND export = %(export)s", names
        ).fetchone()
        assert row is not None  # noqa: S101 - written just now
        return int(row[0])

    def check_version(self) -> None:
        """
        Check that the ledger's tables are there.

        :raises LedgerError: with the command that creates or migrates them.
        """
        try:
            row = self.connection.execute("SELECT max(version) FROM ledger_version").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
        if row is None or row[0] is None or row[0] < LEDGER_VERSION:
            found = "has no tables" if row is None or row[0] is None else f"is of version {row[0]}, not {LEDGER_VERSION}"
            raise LedgerError(f"The ledger (connection odp_ledger) {found}.", f"Create or migrate it: {CREATE_COMMAND}")

    def has_records(self) -> bool:
        """Tell whether ODP has acknowledged any record at all; a first export has nothing to compare with."""
        row = self.connection.execute(
            "SELECT EXISTS (SELECT FROM record_state WHERE scope_id = %(scope_id)s)", self.scope
        ).fetchone()
        return bool(row and row[0])

    def acknowledged(self, key_hashes: Iterable[str]) -> pl.DataFrame:
        """
        Look up what ODP last acknowledged.

        :param key_hashes: hashes of record keys.
        :return: columns ``key_hash``, ``acknowledged_hash`` and ``acknowledged_by`` (a run id), for those that are known.
        """
        return self.read_frame(
            "SELECT key_hash, payload_hash, run_id FROM record_state"
            " WHERE scope_id = %(scope_id)s AND key_hash = ANY(%(keys)s::uuid[])",
            {"keys": _array(key_hashes)},
            {"key_hash": "hash", "acknowledged_hash": "hash", "acknowledged_by": "text"},
        )

    def acknowledged_hashes(self, key_hashes: Iterable[str]) -> pl.Series:
        """
        Look up the payload hashes that ODP last acknowledged.

        :param key_hashes: hashes of record keys.
        :return: those that are known, in no order.
        """
        import polars as pl

        # One value instead of a row for each: to take a row from the connection costs more than to find it.
        row = self.connection.execute(
            "SELECT string_agg(encode(uuid_send(payload_hash), 'hex'), ',') FROM record_state"
            " WHERE scope_id = %(scope_id)s AND key_hash = ANY(%(keys)s::uuid[])",
            {**self.scope, "keys": _array(key_hashes)},
        ).fetchone()
        return pl.Series([row and row[0]], dtype=pl.String).str.split(",").explode().drop_nulls()

    def delivered_by_others(self, run_id: str, since: datetime, key_hashes: Iterable[str]) -> set[str]:
        """
        Tell which records other runs have delivered.

        :param run_id: the run that asks.
        :param since: not before this time.
        :param key_hashes: hashes of record keys.
        """
        found = self.read_frame(
            "SELECT key_hash FROM record_state WHERE scope_id = %(scope_id)s AND key_hash = ANY(%(keys)s::uuid[])"
            " AND run_id <> %(run_id)s AND delivered_at >= %(since)s",
            {"keys": _array(key_hashes), "run_id": run_id, "since": since},
            {"key_hash": "hash"},
        )
        return set(found["key_hash"])

    def forget(self, key_hashes: Iterable[str]) -> None:
        """
        Forget what ODP acknowledged of records, so that they count as new.

        :param key_hashes: hashes of record keys.
        """
        self.connection.execute(
            "DELETE FROM record_state WHERE scope_id = %(scope_id)s AND key_hash = ANY(%(keys)s::uuid[])",
            {**self.scope, "keys": _array(key_hashes)},
        )

    def read_frame(self, query: str, parameters: dict[str, Any], columns: dict[str, str]) -> pl.DataFrame:
        """
        Read a query's rows by COPY into columns of text.

        :param query: a SELECT; the names of :attr:`scope` are bound.
        :param parameters: its other parameters.
        :param columns: names of the result's columns; those of type ``hash`` come as 32 hexadecimal digits.
        """
        import polars as pl

        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", {**self.scope, **parameters}) as copy,
        ):
            content = b"".join(copy)
        if not content:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        frame = pl.read_csv(io.BytesIO(content), has_header=False, new_columns=list(columns), infer_schema=False)
        hashes = [name for name, type_ in columns.items() if type_ == "hash"]
        return frame.with_columns(pl.col(hashes).str.replace_all("-", "", literal=True))

    def confirm_records(self, run_id: str, part: int, states: bytes, rows: int) -> None:
        """
        Record that ODP acknowledged records, and count them for the run, in one transaction.

        :param run_id: the run that sent them.
        :param part: its part.
        :param states: the states of its items (``odp.core.bodies``).
        :param rows: how many extracted rows these records stand for.
        """
        with self.connection.transaction():
            self.confirm_in_transaction(run_id, states)
            self.count_delivered(run_id, part, rows)

    def confirm_in_transaction(self, run_id: str, states: bytes) -> None:
        """
        Record acknowledged records inside the caller's transaction.

        :param run_id: the run that sent them.
        :param states: the states of its items (``odp.core.bodies``).
        """
        self.copy_states(states)
        self.confirm_copied(run_id)

    def copy_states(self, states: bytes) -> None:
        """
        Put states into the temporary table ``item``, where they stay until the end of the caller's transaction.

        :param states: the states of items (``odp.core.bodies``).
        """
        self.connection.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS item (record_key text, key_hash uuid, payload_hash uuid, action text,"
            " closes boolean, entity_id text) ON COMMIT DELETE ROWS"
        )
        with self.connection.cursor() as cursor, cursor.copy("COPY item FROM STDIN (FORMAT csv)") as copy:
            copy.write(states)

    def confirm_copied(self, run_id: str) -> None:
        """
        Record the records in the table ``item`` (:meth:`copy_states`) as acknowledged.

        :param run_id: the run that sent them.
        """
        # Sorted, so that two tasks that confirm the same records lock them in the same order.
        self.connection.execute(
            "INSERT INTO record_state AS s (scope_id, key_hash, record_key, payload_hash, run_id)"
            " SELECT DISTINCT ON (key_hash) %(scope_id)s::integer, key_hash, record_key, payload_hash, %(run_id)s"
            " FROM item WHERE closes ORDER BY key_hash"
            " ON CONFLICT (scope_id, key_hash) DO UPDATE SET"
            " payload_hash = excluded.payload_hash, run_id = excluded.run_id, delivered_at = now()",
            {**self.scope, "run_id": run_id},
        )

    def count_delivered(self, run_id: str, part: int, rows: int) -> None:
        """
        Add to the number of delivered rows of a run's part; belongs in the transaction that records the delivery.

        :param run_id: the run.
        :param part: its part.
        :param rows: number of extracted rows.
        """
        self.connection.execute(
            "INSERT INTO run_part AS p (account, export, run_id, part, delivered)"
            " VALUES (%(account)s, %(export)s, %(run_id)s, %(part)s, %(rows)s)"
            " ON CONFLICT (account, export, run_id, part) DO UPDATE SET delivered = p.delivered + excluded.delivered",
            {**self.scope, "run_id": run_id, "part": part, "rows": rows},
        )

    def set_delivered(self, run_id: str, part: int, rows: int) -> None:
        """
        Correct the number of delivered rows of a run's part.

        :param run_id: the run.
        :param part: the part.
        :param rows: number of extracted rows.
        """
        self.connection.execute(
            "UPDATE run_part SET delivered = %(rows)s"
            " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s AND part = %(part)s",
            {**self.scope, "run_id": run_id, "part": part, "rows": rows},
        )

    def delivered_rows(self, run_id: str, part: int | None = None) -> int:
        """
        Count the rows of a run that ODP acknowledged.

        :param run_id: the run.
        :param part: one part only.
        """
        row = self.connection.execute(
            "SELECT coalesce(sum(delivered), 0) FROM run_part WHERE account = %(account)s AND export = %(export)s"
            " AND run_id = %(run_id)s AND (%(part)s::integer IS NULL OR part = %(part)s)",
            {**self.scope, "run_id": run_id, "part": part},
        ).fetchone()
        return int(row[0]) if row else 0


def _array(hashes: Iterable[str]) -> str:
    """Write hashes as the text of a PostgreSQL array: a tenth of the cost of binding each one."""
    return "{" + ",".join(hashes) + "}"
