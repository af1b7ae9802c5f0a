"""
The limit: the mapped rows out of PostgreSQL by COPY, and bodies that were built before out by HTTP.

A body leaves when the 500 rows it stands for have been read. Nothing is checked, compared, written down or encoded, so no
export that reads these rows and sends these bodies from one process can be faster. Prints seconds as JSON.
"""

from __future__ import annotations

import http.client
import itertools
import json
import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg.rows import dict_row

from benchmarks.peers.profiles import BATCH, DSN, HEADERS, SCHEMA, URL, VIEW, to_profile

_CONNECTIONS = 8
_PATIENCE_SECONDS = 60


def main() -> None:
    """Measure."""
    with psycopg.connect(DSN) as connection:
        bodies = list(_bodies(connection))
        read_only = _seconds(lambda: sum(1 for _ in _batches(connection)))
        both = _seconds(lambda: _send(body for body, _ in zip(bodies, _batches(connection), strict=True)))
    print(json.dumps({"read_seconds": read_only, "seconds": both}))


def _bodies(connection: psycopg.Connection) -> Iterator[bytes]:
    with connection.cursor("bodies", row_factory=dict_row) as cursor:
        cursor.itersize = BATCH
        cursor.execute(f"SELECT * FROM {SCHEMA}.{VIEW}")
        while rows := cursor.fetchmany(BATCH):
            yield orjson.dumps([to_profile(row) for row in rows])


def _batches(connection: psycopg.Connection) -> Iterator[int]:
    """Read all rows and yield the size of each batch."""
    with connection.cursor() as cursor, cursor.copy(f"COPY (SELECT * FROM {SCHEMA}.{VIEW}) TO STDOUT (FORMAT csv)") as copy:
        read = 0
        while copy.read():  # one row each
            read += 1
            if read == BATCH:
                yield read
                read = 0
        if read:
            yield read


def _send(bodies: Iterator[bytes]) -> None:
    waiting: queue.Queue[bytes | None] = queue.Queue(2 * _CONNECTIONS)
    refused: list[int] = []

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(URL).netloc)
        while (body := waiting.get()) is not None:
            connection.request("POST", "/v3/profiles", body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 202:
                refused.append(answer.status)

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        senders = [pool.submit(send) for _ in range(_CONNECTIONS)]
        for body in itertools.chain(bodies, [None] * _CONNECTIONS):
            waiting.put(body, timeout=_PATIENCE_SECONDS)
        for sender in senders:
            sender.result()
    if refused:
        raise RuntimeError(f"The sink answered {refused[0]} to {len(refused)} requests")


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
