"""What the account received, in SQLite: rows of objects, events, customers, and the schema."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sandbox.odp.answers import timestamp

# The lookup of a profile by identifier must not read its document: hence the table of identifiers.
_TABLES = """
CREATE TABLE IF NOT EXISTS object_row (object TEXT, key TEXT, doc TEXT NOT NULL, PRIMARY KEY (object, key));
CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, type TEXT, action TEXT, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS profile (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS identifier (
    name TEXT, value TEXT, profile INTEGER NOT NULL, PRIMARY KEY (name, value)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identifier_profile ON identifier (profile);
CREATE TABLE IF NOT EXISTS subtraction (order_id TEXT PRIMARY KEY, total REAL NOT NULL, subtotal REAL NOT NULL);
CREATE TABLE IF NOT EXISTS schema_document (id INTEGER PRIMARY KEY CHECK (id = 1), doc TEXT NOT NULL);
"""
_DATA_TABLES = ("object_row", "event", "profile", "identifier", "subtraction")

# json_patch is a JSON merge patch: a key left out keeps the stored value, null removes it, the last one received wins.
_UPSERT_ROW = (
    "INSERT INTO object_row (object, key, doc) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (object, key) DO UPDATE SET doc = json_patch(doc, ?4)"
)
_LATEST = 5
_PAGE = 2000


def without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """
    Return a row as it is stored when nothing was stored before: null clears, so nothing remains of it.

    :param row: a checked row.
    """
    return {name: value for name, value in row.items() if value is not None}


class Store:
    """
    The account's data. One thread writes and reads at a time: the account sends all work through one worker.

    :param path: SQLite file that outlives the process; None keeps everything in memory.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        if path:
            # A killed process must not lose what it acknowledged; a power cut may, this is a sandbox.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)
        self.event_counts: Counter[str] = Counter()
        self._latest: dict[str, deque[tuple[str, str]]] = {}
        for kind, action, count in self._db.execute("SELECT type, action, count(*) FROM event GROUP BY type, action"):
            self.event_counts[event_name(kind, action)] = count

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for reads outside a transaction."""
        return self._db

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write everything of one request, or nothing of it."""
        self._db.execute("BEGIN")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def upsert_rows(self, name: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """
        Merge rows into those stored.

        :param name: name of the object.
        :param rows: (key, checked row), None in a row clears the field.
        """
        bound = []
        for key, row in rows:
            patch = orjson.dumps(row).decode()
            whole = orjson.dumps(without_nulls(row)).decode() if None in row.values() else patch
            bound.append((name, key, whole, patch))
        self._db.executemany(_UPSERT_ROW, bound)
        self.note(name, [row for _, row in rows[-_LATEST:]])

    def replace_rows(self, name: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """
        Store rows as they are.

        :param name: name of the object.
        :param rows: (key, complete row).
        """
        bound = [(name, key, orjson.dumps(row).decode()) for key, row in rows]
        self._db.executemany("INSERT INTO object_row VALUES (?1, ?2, ?3) ON CONFLICT (object, key) DO UPDATE SET doc = ?3", bound)
        self.note(name, [row for _, row in rows[-_LATEST:]])

    def row(self, name: str, key: str) -> dict[str, Any] | None:
        """
        Return a stored row.

        :param name: name of the object.
        :param key: its key, as `row_key` makes it.
        """
        found = self._db.execute("SELECT doc FROM object_row WHERE object = ? AND key = ?", (name, key)).fetchone()
        return None if found is None else orjson.loads(found[0])

    def add_events(self, events: Sequence[dict[str, Any]]) -> None:
        """
        Append events; a repeated event is stored again, as events are immutable and have no key.

        :param events: as received.
        """
        bound = [(event["type"], event.get("action"), orjson.dumps(event).decode()) for event in events]
        self._db.executemany("INSERT INTO event (type, action, doc) VALUES (?, ?, ?)", bound)
        self.event_counts.update(event_name(kind, action) for kind, action, _ in bound)
        self.note("events", events)

    def note(self, kind: str, items: Sequence[Any]) -> None:
        """
        Remember what arrived last, for the page.

        :param kind: `profiles`, `events` or the name of an object.
        :param items: a batch, oldest first.
        """
        latest = self._latest.setdefault(kind, deque(maxlen=_LATEST))
        now = timestamp()
        latest.extend((now, orjson.dumps(item).decode()) for item in items[-_LATEST:])

    def latest(self, kind: str) -> list[tuple[str, str]]:
        """
        Return (time received, JSON text) of what arrived last since the start, newest first.

        :param kind: `profiles`, `events` or the name of an object.
        """
        return list(reversed(self._latest.get(kind, ())))

    def counts(self) -> dict[str, Any]:
        """Return how many profiles and rows there are, and how many events were accepted."""
        return {
            "profiles": self._db.execute("SELECT count(*) FROM profile").fetchone()[0],
            "objects": dict(self._db.execute("SELECT object, count(*) FROM object_row GROUP BY object")),
            "events": dict(self.event_counts),
        }

    def page_of(self, kind: str, after: int) -> tuple[list[str], int]:
        """
        Return the next JSON texts of a kind and where to go on; an empty list at the end.

        :param kind: `profiles`, `events` or the name of an object.
        :param after: 0, or what the previous page returned.
        """
        if kind in {"profiles", "events"}:
            table = "profile" if kind == "profiles" else "event"
            found = self._db.execute(f"SELECT id, doc FROM {table} WHERE id > ? ORDER BY id LIMIT {_PAGE}", (after,))
        else:
            found = self._db.execute(
                f"SELECT rowid, doc FROM object_row WHERE object = ? AND rowid > ? ORDER BY rowid LIMIT {_PAGE}",
                (kind, after),
            )
        rows = found.fetchall()
        return [doc for _, doc in rows], rows[-1][0] if rows else after

    def schema_document(self) -> dict[str, Any] | None:
        """Return the saved schema, None in a new account."""
        found = self._db.execute("SELECT doc FROM schema_document").fetchone()
        return None if found is None else orjson.loads(found[0])

    def save_schema(self, document: dict[str, Any]) -> None:
        """
        Save the schema.

        :param document: what `Schema.document()` returned.
        """
        self._db.execute("INSERT OR REPLACE INTO schema_document VALUES (1, ?)", (orjson.dumps(document).decode(),))

    def clear(self) -> None:
        """Forget all data, and keep the schema."""
        with self.transaction():
            for table in _DATA_TABLES:
                self._db.execute(f"DELETE FROM {table}")
        self.event_counts.clear()
        self._latest.clear()


def event_name(kind: str, action: str | None) -> str:
    """
    Return how counts call an event: `type/action`, or only the type where there is no action.

    :param kind: the event's type.
    :param action: the event's action.
    """
    return f"{kind}/{action}" if action else kind


def row_key(row: dict[str, Any], keys: Sequence[str]) -> str | None:
    """
    Return the key of a row, None when a part is missing.

    :param row: a checked row.
    :param keys: names of the key fields.
    """
    if len(keys) == 1:
        value = row.get(keys[0])
        if type(value) is str and value:
            return value
    parts = []
    for name in keys:
        value = row.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        parts.append(value if isinstance(value, str) else orjson.dumps(value).decode())
    return "\x1f".join(parts)
