"""Run the server: in this process for the command line, in a thread for tests."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from sandbox.odp.app import create_app
from sandbox.odp.gate import Gate
from sandbox.odp.settings import Settings

_START_SECONDS = 20


def uvicorn_server(app: Gate) -> uvicorn.Server:
    """
    Return a server for the application; it writes no access log, as a query may carry personal data.

    :param app: what `create_app` returned.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """
    Return a listening socket, so that a taken port is an error here and a free one is known at once.

    :param host: address to listen on.
    :param port: port to listen on; 0 takes a free one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


class SandboxOdp:
    """
    A server in a thread, as a context manager.

    :param key: the private key, `<public>.<secret>`; one is made up when none is given.
    :param port: port to listen on; 0 takes a free one.
    :param host: address to listen on.
    :param state: SQLite file that outlives the server; None keeps everything in memory.
    :param settings: switches that differ from their defaults, such as `profiles_per_second=0`.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        state: Path | str | None = None,
        **settings: Any,
    ) -> None:
        self.key = key or f"sandbox{secrets.token_hex(4)}.{secrets.token_hex(8)}"
        self.host = host
        self.port = port
        self._state = state
        self._settings = Settings(**settings)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server listens; the API is below `/v3`."""
        return f"http://{self.host}:{self.port}"

    @property
    def public_key(self) -> str:
        """The public part of the key, empty when it has none."""
        return self.key.rpartition(".")[0]

    def start(self) -> SandboxOdp:
        """Start the server and return when it accepts requests."""
        listener = listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._app = create_app(self.key, state=self._state, settings=self._settings)
        self._server = uvicorn_server(self._app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, name="odp-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The ODP sandbox did not start.")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop the server and close its database."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._thread = None
        self._app.account.close()

    def __enter__(self) -> SandboxOdp:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def counts(self) -> dict[str, Any]:
        """Return how much arrived, by kind."""
        return self._call("GET", "counts")

    def dump(self, kind: str) -> list[dict[str, Any]]:
        """
        Return everything of a kind.

        :param kind: `profiles`, `events`, `event_rows` or `objects/NAME`.
        """
        return list(self.iter_dump(kind))

    def iter_dump(self, kind: str) -> Iterator[dict[str, Any]]:
        """
        Yield everything of a kind, one by one.

        :param kind: `profiles`, `events`, `event_rows` or `objects/NAME`.
        """
        with urllib.request.urlopen(f"{self.url}/_sandbox/dump/{kind}", timeout=60) as lines:
            for line in lines:
                yield json.loads(line)

    def requests(self, limit: int = 1000, path: str = "") -> list[dict[str, Any]]:
        """
        Return the latest requests to the API, oldest first.

        :param limit: how many.
        :param path: only requests whose path starts with this.
        """
        return self._call("GET", f"requests?limit={limit}&path={path}")

    def reset(self, *, keep_schema: bool = False) -> None:
        """
        Start over: no data, no log, no faults, initial switches.

        :param keep_schema: keep objects, fields and identifiers that were created.
        """
        self._call("POST", f"reset?keep_schema={str(keep_schema).lower()}")

    def faults(self, **fault: Any) -> list[dict[str, Any]]:
        """
        Set a fault and return those still to come; without arguments only return them.

        :param fault: see `sandbox.odp.faults.Fault`.
        """
        return self._call("POST" if fault else "GET", "faults", fault or None)["faults"]

    def settings(self, **settings: Any) -> dict[str, Any]:
        """
        Change switches and return them all.

        :param settings: see `sandbox.odp.settings.Settings`.
        """
        return self._call("POST", "settings", settings)

    def _call(self, method: str, control: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sandbox/{control}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error
