"""Runs of an export with custom properties, on a real replica: extract and transform as its DAG runs them, or load as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from odp import sql_files
from odp.core.bodies import read_bodies
from odp.core.exports import Export
from odp.core.ledger import Ledger
from odp.core.parts import transform_part
from odp.core.staging import read_lines
from tests.core.extraction import Extraction, insert, uid


class CustomFolder:
    """A team's own files, in place of those in ``include``."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.python, self.sql = root / "python", root / "sql"
        self.python.mkdir()
        self.sql.mkdir()
        monkeypatch.setattr(sql_files, "CUSTOM_DIR", str(self.python))
        monkeypatch.setattr(sql_files, "CUSTOM_SQL_DIR", str(self.sql))

    def write(self, name: str, text: str) -> None:
        ((self.sql if name.endswith(".sql") else self.python) / name).write_text(text, encoding="utf-8")


class CustomRun:
    """
    An extract of an export, and what transform makes of it.

    :param folder: where it stages; a ledger's account of its own, too.
    :param custom: its part ``custom`` of the settings.
    """

    def __init__(
        self, dsn: str, ledger_dsn: str, export: Export, folder: Path, custom: dict[str, Any], **extraction: Any
    ) -> None:
        settings = {"exports": {export.dag_id: {"custom": custom}}, **extraction.pop("settings", {})}
        self.extraction = Extraction(dsn, export, folder, **settings, **extraction)
        self.export, self.staging, self.settings = export, self.extraction.staging, self.extraction.settings
        self._ledger_dsn, self._account = ledger_dsn, str(folder)

    def ledger(self) -> Ledger:
        return Ledger(lambda: psycopg.connect(self._ledger_dsn), self._account, self.export.dag_id)

    def transform(self) -> list[dict[str, Any]]:
        with self.ledger() as ledger:
            return [
                transform_part(self.export, part, self.settings, self.staging, ledger, batch_size=500, resend=False)
                for part in self.extraction.parts
            ]

    def items(self) -> list[Any]:
        """The items of all bodies; nothing may be rejected."""
        found = []
        for transformed in self.transform():
            assert transformed["rejected"] == 0, self.rejects(transformed)
            for upload in transformed["uploads"]:
                with self.staging.read(upload["bodies"]) as bodies, self.staging.read(upload["states"]) as states:
                    found += [item for body in read_bodies(bodies, states) for item in orjson.loads(body.content)]
        return found

    def rejects(self, transformed: dict[str, Any]) -> list[Any]:
        with self.staging.read(transformed["rejects"]) as file:
            return [orjson.loads(line) for line in read_lines(file)]


def add_property(dsn: str, table: str, entity: int, name: str, value: str, modified_on: str = "2026-11-10") -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, ModifiedOn)"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)",
            (table, uid(entity), name, value, modified_on),
        )


def add_warehouses(dsn: str, rows: int = 2) -> None:
    insert(dsn, "Warehouse", rows, Name="'W' || n")


def own(items: list[Any], *standard: str) -> dict[int, dict[str, Any]]:
    """Return what items of warehouses hold besides standard fields, by number of the entity."""
    left_out = {"warehouse_id", "name", "is_default", "allow_pickup", "is_active", *standard}
    return {
        int(item["warehouse_id"].replace("-", ""), 16): {name: value for name, value in item.items() if name not in left_out}
        for item in items
    }
