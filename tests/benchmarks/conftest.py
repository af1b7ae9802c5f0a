"""A sink of a test's own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from benchmarks.sink import serve


@dataclass(frozen=True)
class RunningSink:
    """
    A sink that runs in a thread.

    :param port: its port.
    """

    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, latency_ms: int = 0) -> None:
        """Let it forget everything."""
        httpx.post(f"{self.url}/_sink/reset?latency_ms={latency_ms}").raise_for_status()

    def counts(self) -> dict[str, Any]:
        """Return what it was sent."""
        return dict(httpx.get(f"{self.url}/_sink/counts").raise_for_status().json())

    def send(self, path: str, items: Any, **headers: str) -> int:
        """Upload items, and return the status of the answer."""
        content = items if isinstance(items, bytes) else json.dumps(items).encode()
        return httpx.post(f"{self.url}/v3{path}", content=content, headers={"x-api-key": "key", **headers}).status_code


@pytest.fixture
def sink() -> Iterator[RunningSink]:
    """A running sink."""
    loop, ports, started = asyncio.new_event_loop(), [], threading.Event()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    task = loop.create_task(serve(0, ready))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    yield RunningSink(ports[0])
    loop.call_soon_threadsafe(task.cancel)
    thread.join()
