"""A replica, a ledger and the trigger that watches the one for the other, as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from odp.core.ledger import Ledger
from odp.hooks.odp import OdpHook
from odp.triggers.changes import CommerceChangesTrigger
from sandbox.world import PROJECT, World
from tests.core.extraction import execute

SQL = PROJECT / "include" / "sql"
SECONDS = 20.0
"""A guard against a test that hangs; nothing is measured."""


class Watching:
    """The trigger at work in an event loop of its own."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, int]] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        self._watch = asyncio.run_coroutine_threadsafe(self._collect(), self._loop)

    async def _collect(self) -> None:
        _, arguments = CommerceChangesTrigger().serialize()
        async for event in CommerceChangesTrigger(**arguments).run():
            self.events.put(event.payload["changes"])

    def next(self) -> dict[str, int]:
        """Wait for the next event."""
        return self.events.get(timeout=SECONDS)

    def stop(self) -> None:
        """Stop it as the triggerer does."""
        self._watch.cancel()
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._end()))
        self._thread.join(SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()


class Shop:
    """
    A replica and a ledger, and what they hold.

    :param replica: connection string of the replica.
    :param ledger: connection string of the ledger.
    """

    def __init__(self, replica: str, ledger: str) -> None:
        self.replica = replica
        self.ledger = ledger

    def execute(self, *statements: str) -> None:
        execute(self.replica, *statements)

    def record_changes(self) -> None:
        """Install the change table."""
        self.execute((SQL / "change_notifications.sql").read_text())

    def waiting(self) -> dict[str, list[str]]:
        """Return the entities that wait in the ledger, by export."""
        found: dict[str, list[str]] = {}
        with psycopg.connect(self.ledger) as connection:
            for export, entity_id in connection.execute(
                "SELECT s.export, c.entity_id FROM changed_entity c JOIN export_scope s USING (scope_id)"
                " WHERE c.done_at IS NULL ORDER BY 1, 2"
            ):
                found.setdefault(export, []).append(entity_id)
        return found

    def look_again(self) -> None:
        """Wait until the trigger has looked at all that has been committed, and has fired if it was to."""
        with psycopg.connect(self.ledger, autocommit=True) as connection:
            for _ in range(2):
                begun = connection.execute("SELECT max(looked_at) FROM change_watch").fetchone()
                while connection.execute("SELECT max(looked_at) FROM change_watch").fetchone() == begun:
                    time.sleep(0.02)

    def open_ledger(self, export_id: str) -> Ledger:
        return Ledger(lambda: psycopg.connect(self.ledger), OdpHook().account, export_id)


@pytest.fixture
def ledger_of_shop(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty ledger beside the replica."""
    name = f"ledger_{id(request)}"
    dsn = world.postgres.create_database(name)
    execute(dsn, (SQL / "ledger.sql").read_text())
    yield dsn
    execute(world.dsn("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def set_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Return a function that sets the Variable ``odp_settings``."""

    def set_variable(**settings: Any) -> None:
        value = {"staging": str(tmp_path), "realtime_poll_seconds": 0.05, **settings}
        monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps(value))

    return set_variable


@pytest.fixture
def shop(empty_replica: str, ledger_of_shop: str, set_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An empty shop, which Airflow's connections lead to."""
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", empty_replica)
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", ledger_of_shop)
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps({"conn_type": "odp", "host": "us1", "password": "public.secret"}))
    set_settings()
    assert urlsplit(empty_replica).path
    return Shop(empty_replica, ledger_of_shop)


@pytest.fixture
def watching(shop: Shop) -> Callable[[], Any]:
    """Return a context manager that runs the trigger."""

    @contextmanager
    def run() -> Iterator[Watching]:
        watching = Watching()
        watching.start()
        try:
            yield watching
        finally:
            watching.stop()

    return run
