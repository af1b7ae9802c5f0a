"""What a sink was sent: how many items, and how many different ones, counted from the bodies as they came."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

# Primary keys of the objects that the benchmarks send, by the last part of the upload path.
_OBJECT_KEYS = {
    "products": ("product_id",),
    "businesses": ("business_id",),
    "business_users": ("business_id", "user_id"),
    "warehouses": ("warehouse_id",),
    "orders": ("order_id",),
}


@dataclass(frozen=True)
class Upload:
    """
    One request to an upload endpoint, as it arrived.

    :param path: such as ``/v3/profiles``.
    :param encoding: its Content-Encoding, empty if it has none.
    :param body: its body.
    """

    path: str
    encoding: str
    body: bytes


@dataclass(frozen=True)
class Counts:
    """
    What uploads held.

    :param items: number of items.
    :param unique: number of different items, told apart as ODP tells them apart.
    :param largest: items of the largest request.
    :param content: a checksum of all items, the same whatever their order and that of their fields.
    """

    items: int
    unique: int
    largest: int
    content: str


def count(uploads: Iterable[Upload]) -> Counts:
    """
    Parse uploads and count their items.

    :param uploads: the requests.
    :raises KeyError: if an item lacks its key, or goes to an object whose key is not known.
    """
    items = largest = checksum = 0
    seen: set[tuple[str, ...]] = set()
    for upload in uploads:
        content = orjson.loads(gzip.decompress(upload.body) if upload.encoding == "gzip" else upload.body)
        batch = content if isinstance(content, list) else [content]
        items += len(batch)
        largest = max(largest, len(batch))
        for item in batch:
            seen.add(_key(upload.path, item))
            checksum ^= _checksum(item)
    return Counts(items, len(seen), largest, f"{checksum:016x}")


def _checksum(item: Any) -> int:
    return int.from_bytes(hashlib.blake2b(orjson.dumps(item, option=orjson.OPT_SORT_KEYS), digest_size=8).digest(), "big")


def _key(path: str, item: dict[str, Any]) -> tuple[str, ...]:
    """Return what tells an item apart: a profile's address, an event's order and action, an object's primary key."""
    target = path.rsplit("/", 1)[1]
    if target == "profiles":
        return target, item["attributes"]["email"]
    if target == "events":
        return target, item["type"], item["action"], item["data"]["order"]["order_id"]
    return target, *(item[name] for name in _OBJECT_KEYS[target])
