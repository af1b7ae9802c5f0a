"""Transform and load of one part: counts, files, and what happens without anything to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from odp.core.bodies import read_bodies
from odp.core.client import OdpClient
from odp.core.event_claims import EventClaims
from odp.core.exceptions import StagingError
from odp.core.exports import ORDERS, PRODUCTS, Export
from odp.core.extract import MANIFEST
from odp.core.ledger import Ledger
from odp.core.parts import UNCERTAIN_REASON, load_part, transform_part
from odp.core.settings import Settings
from odp.core.staging import FrameWriter, Staging, read_lines
from sandbox.odp.server import SandboxOdp
from tests.core.staged import ACTIONS, Row, columns_of, csv_of, order, product

SETTINGS = Settings(visibility_delay_minutes=0)


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """The folder of one run."""
    return Staging(tmp_path, "dag", "run")


def stage(staging: Staging, export: Export, *chunks: Sequence[Row]) -> dict[str, Any]:
    """Stage rows as extract does, as one part of some chunks."""
    columns = columns_of(export.contract, "entity_id", "skip_reason")
    with staging.write("part-00000.csv.zst") as file:
        frames = FrameWriter(file)
        for rows in chunks:
            frames.write(csv_of([row.get(column.name) for column in columns] for row in rows))
    staging.write_json(MANIFEST, {"columns": [[column.name, column.kind] for column in columns], "actions": ACTIONS})
    return {"part": 0, "file": "part-00000.csv.zst", "rows": sum(map(len, chunks))}


def transform(staging: Staging, export: Export, part: dict[str, Any], ledger: Ledger, **options: Any) -> dict[str, Any]:
    return transform_part(
        export, part, options.pop("settings", SETTINGS), staging, ledger, **{"batch_size": 500, "resend": False, **options}
    )


def load(staging: Staging, export: Export, transformed: dict[str, Any], odp: SandboxOdp, ledger: Ledger, **options: Any) -> Any:
    client = OdpClient(odp.url, odp.key)
    options = {"run_id": "run", "dry_run": False, "repeated": False, **options}
    return load_part(export, transformed, client, SETTINGS, staging, ledger, **options)


def lines(staging: Staging, name: str) -> list[Any]:
    with staging.read(name) as file:
        return [orjson.loads(line) for line in read_lines(file)]


def bodies(staging: Staging, upload: dict[str, Any]) -> list[Any]:
    with staging.read(upload["bodies"]) as content, staging.read(upload["states"]) as states:
        return [orjson.loads(body.content) for body in read_bodies(content, states)]


class TestTransform:
    def test_each_row_is_counted_once(self, staging: Staging, ledger: Ledger) -> None:
        rows = [product("1"), product("2", price="odd"), product("3", skip_reason="a variant"), product("1", name="later")]
        part = stage(staging, PRODUCTS, rows[:2], rows[2:])
        done = transform(staging, PRODUCTS, part, ledger)
        assert (done["extracted"], done["records"], done["rejected"], done["unchanged"], done["uncertain"]) == (4, 1, 1, 0, 0)
        assert done["skipped"] == {"a variant": 1, "superseded by a later row with the same key": 1}
        [upload] = done["uploads"]
        assert (upload["path"], upload["rows"], upload["items"], upload["requests"]) == ("/objects/products", 1, 1, 1)
        assert bodies(staging, upload) == [[{"product_id": "1", "name": "later"}]]
        assert [(line["entity_id"], line["key"]) for line in lines(staging, done["rejects"])] == [("2", "2")]

    def test_bodies_span_chunks_and_keep_the_batch_size(self, staging: Staging, ledger: Ledger) -> None:
        part = stage(staging, PRODUCTS, *([product(f"{chunk}-{n}") for n in range(5)] for chunk in range(3)))
        [upload] = transform(staging, PRODUCTS, part, ledger, batch_size=4)["uploads"]
        assert [len(body) for body in bodies(staging, upload)] == [4, 4, 4, 3]
        assert (upload["rows"], upload["requests"]) == (15, 4)

    def test_events_and_updates_have_files_of_their_own(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        part = stage(staging, ORDERS, [order("1")])
        load(staging, ORDERS, transform(staging, ORDERS, part, ledger), odp, ledger)
        part = stage(staging, ORDERS, [order("1", total="45"), order("2")])
        done = transform(staging, ORDERS, part, ledger)
        assert {upload["path"]: upload["rows"] for upload in done["uploads"]} == {"/events": 1, "/objects/orders": 1}
        names = [name for upload in done["uploads"] for name in (upload["bodies"], upload["states"])]
        assert len(set(names)) == 4
        assert done["statuses"] == [["Submitted", "purchase", 2]]

    def test_nothing_to_send_leaves_no_upload(self, staging: Staging, ledger: Ledger) -> None:
        part = stage(staging, PRODUCTS, [product("1", skip_reason="a variant")])
        done = transform(staging, PRODUCTS, part, ledger)
        assert (done["uploads"], done["records"]) == ([], 0)
        assert lines(staging, done["rejects"]) == []

    def test_an_order_with_an_open_event_is_uncertain(self, staging: Staging, ledger: Ledger) -> None:
        EventClaims(ledger).claim([("1", "purchase", "0" * 32)], "other", 0)
        done = transform(staging, ORDERS, stage(staging, ORDERS, [order("1", entity_id="e-1")]), ledger)
        assert (done["uncertain"], done["records"]) == (1, 0)
        assert lines(staging, done["rejects"]) == [
            {"entity_id": "e-1", "key": "1", "reason": UNCERTAIN_REASON, "uncertain": True}
        ]

    def test_a_part_that_lacks_rows_is_refused(self, staging: Staging, ledger: Ledger) -> None:
        part = stage(staging, PRODUCTS, [product("1")]) | {"rows": 2}
        with pytest.raises(StagingError, match=r"holds 1 rows where 2 were extracted\. Clear the extract task"):
            transform(staging, PRODUCTS, part, ledger)

    def test_the_ledger_is_only_read(self, staging: Staging, ledger: Ledger) -> None:
        transform(staging, ORDERS, stage(staging, ORDERS, [order("1")]), ledger)
        for table in ("event_delivery", "record_state", "run_part", "reject"):
            assert ledger.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


class TestLoad:
    def test_what_was_delivered_is_counted_by_the_ledger(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        done = transform(staging, PRODUCTS, stage(staging, PRODUCTS, [product("1"), product("2")]), ledger)
        counts = load(staging, PRODUCTS, done, odp, ledger)
        assert counts == {
            "part": 0, "delivered": 2, "rejected": 0, "unchanged": 0, "uncertain": 0, "not_sent": 0,
            "rejects": "rejects-odp-00000.jsonl.zst",
        }  # fmt: skip
        assert len(odp.dump("objects/products")) == 2

    def test_rejects_and_uncertain_ones_are_staged(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        rows = [order("1", entity_id="e-1"), order("2", entity_id="e-2")]
        done = transform(staging, ORDERS, stage(staging, ORDERS, rows), ledger)
        odp.faults(path="/v3/events", status=400, body={"detail": {"invalids": [{"event": 0, "message": "odd"}]}})
        odp.faults(path="/v3/graphql", status=403)
        counts = load(staging, ORDERS, done, odp, ledger)
        assert (counts["rejected"], counts["uncertain"], counts["delivered"]) == (1, 1, 0)
        rejected, uncertain = lines(staging, counts["rejects"])
        assert (rejected["entity_id"], rejected["key"], rejected["odp"]) == ("e-1", "1", True)
        assert rejected["row"]["data"]["order"]["order_id"] == "1"
        assert "odd" in rejected["reason"]
        assert uncertain == {"entity_id": "e-2", "key": "2", "reason": UNCERTAIN_REASON, "uncertain": True}

    def test_a_dry_run_asks_for_nothing(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        done = transform(staging, ORDERS, stage(staging, ORDERS, [order("1"), order("2")]), ledger)
        counts = load(staging, ORDERS, done, odp, ledger, dry_run=True)
        assert (counts["not_sent"], counts["delivered"]) == (2, 0)
        assert odp.requests() == []
        assert "rejects" not in counts

    def test_a_part_without_uploads_asks_for_nothing(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        done = transform(staging, PRODUCTS, stage(staging, PRODUCTS, [product("1", skip_reason="a variant")]), ledger)
        assert load(staging, PRODUCTS, done, odp, ledger)["delivered"] == 0
        assert odp.requests() == []

    def test_a_missing_file_says_what_to_do(self, staging: Staging, ledger: Ledger, odp: SandboxOdp) -> None:
        done = transform(staging, PRODUCTS, stage(staging, PRODUCTS, [product("1")]), ledger)
        (staging.folder / done["uploads"][0]["states"]).unlink()
        with pytest.raises(StagingError, match="is gone. Clear the extract task"):
            load(staging, PRODUCTS, done, odp, ledger)
        assert odp.dump("objects/products") == []
