"""
ODP's import of CSV files from its bucket, by the rules that ODP publishes, into a sandbox ODP.

A file's prefix says which object it is about. A blank erases. A record with a bad field is skipped, and more than 1 % of bad
records reject the whole file. The rows of an order are its items, and become one event. ODP is written to by its REST API.
"""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.odp.server import SandboxOdp

_BATCH = 500
_MOST_BAD = 0.01
_IDENTIFIERS = ("email", "business_user_id", "vuid", "customer_id")


@dataclass
class Imported:
    """
    What became of one file, as ODP's Activity Log says.

    :param name: the file's key in the bucket.
    :param records: number of records.
    :param bad: why records were skipped.
    """

    name: str
    records: int
    bad: list[str] = field(default_factory=list)

    @property
    def is_rejected(self) -> bool:
        """Whether too many records were bad, so that nothing was imported."""
        return len(self.bad) > _MOST_BAD * self.records


class CsvImport:
    """
    Imports files.

    :param client: boto3 client of the bucket's server.
    :param bucket: name of the bucket.
    :param odp: the account.
    :param tracker_id: the folder of the account.
    """

    def __init__(self, client: Any, bucket: str, odp: SandboxOdp, tracker_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._odp = odp
        self._prefix = f"{tracker_id}/"
        self._schema = {entry["name"]: entry for entry in self._call("GET", "/schema/objects")}

    def keys(self) -> list[str]:
        """Return the keys of the files that wait."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def run(self) -> list[Imported]:
        """Import all files, and take them out of the bucket."""
        done = []
        for key in self.keys():
            content = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            done.append(self.import_file(key, content))
            self._client.delete_object(Bucket=self._bucket, Key=key)
        return done

    def import_file(self, key: str, content: bytes) -> Imported:
        """
        Import one file.

        :param key: its key.
        :param content: its bytes.
        """
        name = self._object_of(key.rpartition("/")[2])
        header, *lines = self._records(content)
        result = Imported(key, len(lines))
        types = {entry["name"]: entry["type"] for entry in self._schema[name]["fields"]}
        if name == "orders":
            events = {entry["name"]: entry["type"] for entry in self._schema["events"]["fields"]}
            types |= {f"item_{column}": events[column] for column in ("price", "quantity", "discount", "subtotal")}
        rows = []
        for line in lines:
            try:
                rows.append(self._row(header, line, types))
            except ValueError as error:
                result.bad.append(str(error))
        if not result.is_rejected:
            path, items = self._items(name, rows)
            for start in range(0, len(items), _BATCH):
                self._call("POST", path, items[start : start + _BATCH])
        return result

    def _object_of(self, file: str) -> str:
        names = [name for name in self._schema if file.startswith(f"zaius_{name}")]
        assert names, f"{file} has the prefix of no object"
        return max(names, key=len)

    @staticmethod
    def _records(content: bytes) -> list[list[str]]:
        text = content.decode("utf-8")
        assert "\r" not in text, "a CR inside of a file"
        assert text.endswith("\n"), "no line feed after the last record"
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))

    @staticmethod
    def _row(header: list[str], line: list[str], types: dict[str, str]) -> dict[str, Any]:
        if len(line) != len(header):
            raise ValueError(f"{len(line)} fields where the header has {len(header)}")
        row: dict[str, Any] = {}
        for column, text in zip(header, line, strict=True):
            kind = types.get(column, "timestamp" if column == "ts" else "string")
            if "\n" in text:
                raise ValueError(f"{column} holds a line break")
            if text == "":
                row[column] = None  # erases
            elif kind == "number":
                if not re.fullmatch(r"[+-]?\d+(\.\d*)?", text):
                    raise ValueError(f"{column} is no plain decimal: {text}")
                row[column] = float(text)
            elif kind == "timestamp":
                row[column] = int(text)
            elif kind == "boolean":
                if text.lower() not in ("0", "1", "true", "false"):
                    raise ValueError(f"{column} is no boolean: {text}")
                row[column] = text.lower() in ("1", "true")
            else:
                row[column] = text
        return row

    def _items(self, name: str, rows: list[dict[str, Any]]) -> tuple[str, list[Any]]:
        if name == "customers":
            return "/profiles", [{"attributes": row} for row in rows]
        if name == "events":
            return "/events", [_event(row) for row in rows]
        if name == "orders":
            return "/events", list(_order_events(rows))
        return f"/objects/{name}", rows

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self._odp.url}/v3{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"x-api-key": self._odp.key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _taken(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row.pop(name) for name in names if row.get(name) is not None}


def _event(row: dict[str, Any]) -> dict[str, Any]:
    kind = _taken(row, "type", "action")
    return {**kind, "identifiers": _taken(row, *_IDENTIFIERS), "data": row}


def _order_events(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return one event for each order and action: its rows are its items, and stand together."""
    events: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        assert row.get("order_id"), "a row of orders without order_id"
        assert row.get("ts"), "a row of orders without ts"
        key = row["order_id"], row["action"]
        item = {name.removeprefix("item_"): row.pop(name) for name in list(row) if name.startswith("item_")}
        if key not in events:
            action, ts, identifiers = row.pop("action"), row.pop("ts"), _taken(row, *_IDENTIFIERS)
            events[key] = {"type": "order", "action": action, "identifiers": identifiers, "data": {"ts": ts, "order": row}}
        if item:
            assert key[1] != "cancel", "item columns are not for cancels"
            events[key]["data"]["order"].setdefault("items", []).append(item)
    yield from events.values()
