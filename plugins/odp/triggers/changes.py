"""The trigger of real time: it watches the replica and fires when changes wait to be delivered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    import psycopg

    from odp.core.change_feed import ChangeFeed
    from odp.core.change_queue import ChangeRecorder, Waiting

Result = TypeVar("Result")

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
"""Waits after an error grow from the first to the longest."""

_FRESH_SECONDS = 300.0
"""Settings, mapping files and connections are read anew this often."""

_REST = 4.0
"""Rest after a look, as a multiple of how long it took: what a large batch costs the replica stays a fifth of one core."""

_LOST_SECONDS = 300.0
"""An event that no run has answered by then is fired again; the waits double, up to the longest."""
_LONGEST_LOST_SECONDS = 3_600.0


class Signals:
    """
    Decides when an event is needed: when changes wait that no event has told of, however many of them come.

    :param clock: tells the seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_open = False
        self._taken_at: Any = None
        self._lost_at = 0.0
        self._patience = _LOST_SECONDS

    def is_due(self, waiting: Waiting) -> bool:
        """
        Tell whether to fire now.

        :param waiting: what waits.
        """
        if not waiting.changes:
            self._is_open = False
            return False
        answered = not self._is_open or waiting.taken_at != self._taken_at
        if not answered and self._clock() < self._lost_at:
            return False
        self._patience = _LOST_SECONDS if answered else min(2 * self._patience, _LONGEST_LOST_SECONDS)
        self._is_open, self._taken_at = True, waiting.taken_at
        self._lost_at = self._clock() + self._patience
        return True


class CommerceChangesTrigger(BaseEventTrigger):
    """
    Watch the Commerce replica for changes of what the exports send.

    Changes are written into the ledger before an event tells of them, so a restart of the triggerer loses none, and the event
    carries their number only. Whatever goes wrong, the trigger says so in its log and tries again.

    :param commerce_conn_id: PostgreSQL connection to the replica; its search_path names the schema.
    :param ledger_conn_id: PostgreSQL connection to the ledger.
    :param odp_conn_id: connection to the ODP account, which the ledger is kept for.
    """

    def __init__(
        self, commerce_conn_id: str = "commerce_db", ledger_conn_id: str = "odp_ledger", odp_conn_id: str = "odp_default"
    ) -> None:
        super().__init__()
        self.commerce_conn_id = commerce_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.odp_conn_id = odp_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments: ids of connections, no secrets."""
        return (
            "odp.triggers.changes.CommerceChangesTrigger",
            {
                "commerce_conn_id": self.commerce_conn_id,
                "ledger_conn_id": self.ledger_conn_id,
                "odp_conn_id": self.odp_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire an event with the number of changes by export, whenever some wait that no event has told of."""
        signals = Signals()
        wait = FIRST_WAIT_SECONDS
        # The connections are looked up and used in one thread of their own, so that nothing blocks the other triggers.
        thread = ThreadPoolExecutor(1, thread_name_prefix="odp_changes")

        def in_thread(function: Callable[[], Result]) -> asyncio.Future[Result]:
            return asyncio.get_running_loop().run_in_executor(thread, function)

        try:
            while True:
                watch = _Watch(self)
                try:
                    await in_thread(watch.open)
                    async with _listening(watch, self.log) as bell:
                        while watch.is_fresh:
                            began = time.monotonic()
                            waiting = await in_thread(watch.look)
                            took = time.monotonic() - began
                            wait = FIRST_WAIT_SECONDS
                            if signals.is_due(waiting):
                                self.log.info("Changes wait: %s", waiting.changes)
                                yield TriggerEvent({"changes": waiting.changes})
                            await bell(max(watch.poll_seconds, _REST * took))
                except Exception as error:
                    self.log.warning(
                        "Cannot look for changes, trying again in %s s: %s: %s", wait, type(error).__name__, str(error).strip()
                    )
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                finally:
                    thread.submit(watch.close)
        finally:
            thread.shutdown(wait=False)


class _Watch:
    """What the trigger holds open: used in its thread only, but for what the constructor sets and ``open`` has set."""

    def __init__(self, trigger: CommerceChangesTrigger) -> None:
        self._trigger = trigger
        self._connections: list[psycopg.Connection[Any]] = []
        self._opened_at = time.monotonic()
        self.poll_seconds = FIRST_WAIT_SECONDS
        self.listen_parameters: dict[str, str] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether settings and connections need not be read anew yet."""
        return time.monotonic() - self._opened_at < _FRESH_SECONDS

    def open(self) -> None:
        """Read settings and mapping files, and connect."""
        from airflow.sdk import Variable

        from odp.core.accounts import refuse_several
        from odp.core.change_feed import ChangeFeed
        from odp.core.change_queue import ChangeRecorder
        from odp.core.exports import EXPORTS
        from odp.core.settings import VARIABLE_NAME, read_settings
        from odp.hooks.commerce import connect_to_commerce
        from odp.hooks.ledger import connect_to_ledger
        from odp.hooks.odp import OdpHook
        from odp.sql_files import SQL_DIR

        settings = read_settings(Variable.get(VARIABLE_NAME, default=None))
        refuse_several(settings, "odp_realtime")
        self.poll_seconds = settings.realtime_poll_seconds
        exports = [export for export in EXPORTS if settings.for_export(export.dag_id).realtime]
        mappings = {export.dag_id: Path(SQL_DIR, export.sql).read_text(encoding="utf-8") for export in exports}
        replica = connect_to_commerce(self._trigger.commerce_conn_id)
        self._connections.append(replica)
        self._feed: ChangeFeed = ChangeFeed(replica, mappings, settings)
        if self._feed.has_change_table():
            self.listen_parameters = {**replica.info.get_parameters(), "password": replica.info.password}
        connect = connect_to_ledger(self._trigger.ledger_conn_id)
        self._recorder: ChangeRecorder = ChangeRecorder(connect, OdpHook(self._trigger.odp_conn_id).account, list(mappings))
        self._connections.append(self._recorder.connection)

    def look(self) -> Waiting:
        """Look at the replica once."""
        return self._recorder.record(self._feed)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()


@asynccontextmanager
async def _listening(watch: _Watch, log: Any) -> AsyncIterator[Callable[[float], Any]]:
    """
    Listen to the change table's notifications.

    :return: waits so many seconds, or until something has changed. A replica that cannot tell is looked at after each wait.
    """
    if watch.listen_parameters is None:
        yield asyncio.sleep
        return
    import psycopg

    from odp.core.change_feed import CHANNEL

    connection = await psycopg.AsyncConnection.connect(**watch.listen_parameters, autocommit=True)  # type: ignore[arg-type]
    async with connection:
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error as error:  # a physical standby
            log.info("The replica cannot notify, so it is asked every %s s: %s", watch.poll_seconds, str(error).strip())
            yield asyncio.sleep
            return

        async def until_notified(seconds: float) -> None:
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                pass

        yield until_notified
