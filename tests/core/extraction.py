"""Extract and transform run on a real replica, as an export's DAG runs them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg

from odp.core.contract import Column, extended_contract
from odp.core.exports import Export
from odp.core.extract import MANIFEST, Selection, extract
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.settings import Settings
from odp.core.staging import Staging, read_frames
from odp.core.transform import Transformer
from odp.core.window import Window
from sandbox.world import PROJECT

NOW = datetime(2026, 11, 10, 12, tzinfo=timezone.utc)
SQL = PROJECT / "include" / "sql"


def uid(number: int) -> UUID:
    return UUID(int=number)


def insert(dsn: str, table: str, rows: int = 1, **values: str) -> None:
    """
    Insert rows with the ids 1, 2, ... that were modified on NOW.

    :param values: SQL of columns; ``n`` is the number of the row.
    """
    given = {
        "Id": "lpad(to_hex(n), 32, '0')::uuid",
        "ModifiedOn": f"'{NOW.isoformat()}'::timestamptz + n * interval '1 second'",
    } | values
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO {table} ({', '.join(given)}) SELECT {', '.join(given.values())} FROM generate_series(1, {rows}) AS n"
        )


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


class Extraction:
    """
    One extract and what it staged.

    :param mapping: text of the mapping file, if not the standard one.
    """

    def __init__(
        self,
        dsn: str,
        export: Export,
        folder: Path,
        *,
        mapping: str | None = None,
        window: Window | None = None,
        ids: list[str] | None = None,
        retried: tuple[str, ...] = (),
        max_parts: int = 1024,
        **settings: Any,
    ) -> None:
        self.export = export
        self.settings = Settings(**settings)
        self.staging = Staging(folder, export.dag_id, "run")
        text = (SQL / export.sql).read_text(encoding="utf-8") if mapping is None else mapping
        lookups = {name: (SQL / file).read_text(encoding="utf-8") for name, file in export.lookups.items()}
        selection = Selection(window=window or Window(), ids=ids, as_of=NOW)
        with psycopg.connect(dsn) as connection:
            self.parts = extract(
                *(connection, export, text, lookups, selection, self.settings, self.staging),
                retried=retried,
                max_parts=max_parts,
            )

    @property
    def manifest(self) -> dict[str, Any]:
        return self.staging.read_json(MANIFEST)

    @property
    def chunks(self) -> list[list[bytes]]:
        """The chunks of each part."""
        chunks = []
        for part in self.parts:
            with self.staging.read(part["file"]) as file:
                chunks.append(list(read_frames(file)))
        return chunks

    @property
    def items(self) -> list[Any]:
        """What transform makes of it."""
        columns = [Column(name, kind) for name, kind in self.manifest["columns"]]
        contract = extended_contract(self.export.contract_for(self.settings), columns, ITEM_COLUMNS)
        transformer = Transformer(contract, self.export.family, columns, self.manifest.get("actions"))
        items = []
        for chunks in self.chunks:
            superseded, offset = transformer.superseded_rows(iter(chunks)), 0
            for chunk in chunks:
                outcome = transformer.transform(chunk, superseded, offset)
                assert outcome.rejects == []
                items += [orjson.loads(item) for item in outcome.items]
                offset += outcome.rows
        return items
