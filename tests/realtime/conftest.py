"""A replica, a ledger, and what watches the one for the other."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odp.core.change_feed import ChangeFeed
from odp.core.change_queue import ChangeRecorder
from odp.core.exports import EXPORTS
from odp.core.ledger import Ledger
from odp.core.settings import read_settings
from odp.hooks.odp import OdpHook
from odp.triggers.changes import CommerceChangesTrigger
from sandbox.odp.server import SandboxOdp
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

    def look(self) -> dict[str, int]:
        """Look at the replica once, as the trigger does; return what waits."""
        settings = read_settings(os.environ["AIRFLOW_VAR_ODP_SETTINGS"])
        mappings = {export.dag_id: (SQL / export.sql).read_text() for export in EXPORTS}
        with psycopg.connect(self.replica) as replica:
            recorder = ChangeRecorder(lambda: psycopg.connect(self.ledger), OdpHook().account, list(mappings))
            with recorder.connection:
                return recorder.record(ChangeFeed(replica, mappings, settings)).changes

    def runs(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of the runs in the ledger's history, oldest first."""
        with psycopg.connect(self.ledger) as connection:
            return connection.execute(f"SELECT {', '.join(columns)} FROM export_run ORDER BY started_at").fetchall()

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


@pytest.fixture
def account(shop: Shop, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> SandboxOdp:
    """An ODP account, which the connection leads to; it gives up at once."""
    connection = {"conn_type": "odp", "host": odp.url, "password": odp.key, "extra": {"retry_budget": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    return odp
