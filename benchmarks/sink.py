"""
The sink: an HTTP server in ODP's place that answers 202 faster than any client sends.

It keeps each upload as it came and parses none of them until it is asked for its counts, which costs the timed part nothing.
It is no ODP: it checks nothing but the key's presence. ``python -m benchmarks.sink --port 8099``; controls:

* ``POST /_sink/reset?latency_ms=100`` forgets everything and sets how long each answer takes;
* ``GET /_sink/counts`` counts.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httptools
import orjson
import uvloop

from benchmarks.counting import Upload, count

_ACCEPTED = b'{"title":"Accepted","status":202}'
_UPLOADS = ("/v3/profiles", "/v3/events", "/v3/objects/")


class Sink:
    """What the sink holds and how it answers."""

    def __init__(self) -> None:
        self.reset(0.0)

    def reset(self, latency: float) -> None:
        """
        Forget everything.

        :param latency: seconds each upload's answer takes from now on.
        """
        self.latency = latency
        self.uploads: list[Upload] = []
        self.refused = 0
        self.connections = 0
        self.first_at: float | None = None
        self.last_at: float | None = None
        self._cpu_before = _cpu_seconds()

    def receive(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, float]:
        """
        Take one request.

        :return: status and body of the answer, and how many seconds it takes.
        """
        parts = urlsplit(url)
        if parts.path == "/_sink/reset" and method == "POST":
            self.reset(float(parse_qs(parts.query).get("latency_ms", ["0"])[0]) / 1000)
            return 200, b"{}", 0.0
        if parts.path == "/_sink/counts":
            try:
                return 200, orjson.dumps(self.report()), 0.0
            except (KeyError, TypeError, ValueError) as error:  # an upload that no ODP would take
                return 500, orjson.dumps({"error": repr(error)}), 0.0
        if parts.path == "/healthz":
            return 200, b"{}", 0.0
        if not headers.get("x-api-key"):
            self.refused += 1
            return 403, b'{"title":"Forbidden","status":403}', 0.0
        if method == "POST" and parts.path.startswith(_UPLOADS):
            now = time.time()
            self.first_at = self.first_at or now
            self.last_at = now + self.latency
            self.uploads.append(Upload(parts.path, headers.get("content-encoding", ""), body))
            return 202, _ACCEPTED, self.latency
        # An account whose schema lacks everything and lets everything be created.
        if parts.path.startswith("/v3/schema/"):
            return (200, b"[]", 0.0) if method == "GET" else (201, b"{}", 0.0)
        self.refused += 1
        return 404, b'{"title":"Not Found","status":404}', 0.0

    def report(self) -> dict[str, Any]:
        """Count what came."""
        cpu_seconds = _cpu_seconds() - self._cpu_before
        counts = count(self.uploads)
        return {
            **asdict(counts),
            "requests": len(self.uploads),
            "bytes": sum(len(upload.body) for upload in self.uploads),
            "refused": self.refused,
            "connections": self.connections,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "cpu_seconds": cpu_seconds,
        }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Connection(asyncio.Protocol):
    """One connection; httptools parses the requests and calls the ``on_`` methods."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._start()

    def _start(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._sink.connections += 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._sink.refused += 1
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        status, body, seconds = self._sink.receive(method, self._url.decode(), self._headers, b"".join(self._pieces))
        self._start()
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._answer, status, body)
        else:
            self._answer(status, body)

    def _answer(self, status: int, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            self._transport.write(head + body)


async def serve(port: int, ready: Callable[[int], None] = lambda port: None) -> None:
    """
    Serve on 127.0.0.1 until cancelled.

    :param port: the port; 0 for any free one.
    :param ready: called with the port when connections are accepted.
    """
    sink = Sink()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(sink), "127.0.0.1", port, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def main() -> None:
    """Run the sink."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description="A server that answers 202 and counts.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
