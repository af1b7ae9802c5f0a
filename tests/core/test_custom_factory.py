"""Mode B: values computed from the rows, a chunk or a row at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from odp.core import extract
from odp.core.exceptions import CustomFunctionError, CustomPropertyError
from odp.core.exports import ORDERS, WAREHOUSES, Export
from tests.core.custom import CustomFolder, CustomRun, add_property, add_warehouses, own
from tests.core.extraction import insert

Start: TypeAlias = Callable[..., CustomRun]

BEGINNING = """
import json
from pathlib import Path

FIELDS = {"label": "string", "score": "number", "is_big": "boolean", "seen_at": "timestamp"}
notes = Path(__file__).with_name("notes.jsonl")


def note(**values):
    with notes.open("a") as file:
        file.write(json.dumps(values) + "\\n")


def make(context):
    note(made=context.part, export=context.export_id, window=[str(context.from_), str(context.to)], columns=len(context.columns))

    def enrich(rows):
"""


def notes(folder: CustomFolder) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in (folder.python / "notes.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CustomFolder:
    """A team's own files."""
    return CustomFolder(tmp_path, monkeypatch)


@pytest.fixture
def start(folder: CustomFolder, replica_without_rows: str, shared_ledger: str, tmp_path: Path) -> Start:
    """Return a function that extracts an export, with a factory of this body of its function."""

    def begin(body: str, export: Export = WAREHOUSES, *, per: str = "chunk", part_rows: int = 1000, **custom: Any) -> CustomRun:
        lines = "".join(f"        {line}\n" for line in body.splitlines())
        folder.write("f.py", BEGINNING + lines + "\n    return enrich\n")
        settings = {"factory": "f.py:make", "factory_calls": per, **custom}
        more = {"settings": {"part_rows": part_rows}}
        return CustomRun(replica_without_rows, shared_ledger, export, tmp_path / "staged", settings, **more)

    return begin


class TestChunks:
    def test_columns_become_fields(self, start: Start, replica_without_rows: str) -> None:
        insert(
            replica_without_rows,
            "Warehouse",
            3,
            Name="'W' || n",
            Latitude="n",
            Longitude="n",
            Phone="CASE n WHEN 1 THEN '12' ELSE '' END",
        )
        run = start(
            """
import polars as pl
assert dict(rows.schema) | {"latitude": pl.Float64, "is_active": pl.Boolean, "phone": pl.String} == dict(rows.schema)
return rows.select(
    label=pl.col("name") + " " + pl.col("phone"),
    score=pl.when(pl.col("latitude") > 1).then(pl.col("latitude") * 10),
    is_big=pl.col("latitude") > 2,
)
"""
        )
        assert own(run.items(), "latitude", "longitude", "phone") == {
            1: {"label": "W1 12", "is_big": False},
            2: {"score": 20.0, "is_big": False},
            3: {"score": 30.0, "is_big": True},
        }

    def test_the_factory_is_called_once_a_part_and_its_function_once_a_chunk(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_warehouses(replica_without_rows, 5)
        monkeypatch.setattr(extract, "CHUNK_BYTES", 1)  # a row a chunk
        run = start("note(rows=rows.height)\nreturn rows.select(label='name')", part_rows=3)
        assert own(run.items()) == {number: {"label": f"W{number}"} for number in range(1, 6)}
        made = {"export": "warehouse_odp_export", "window": ["None", "None"], "columns": 19 + 4}
        chunk = {"rows": 1}
        assert notes(folder) == [{"made": 0, **made}, *[chunk] * 3, {"made": 1, **made}, *[chunk] * 2]

    def test_it_sees_what_table_and_preload_gave_and_wins(
        self, start: Start, folder: CustomFolder, replica_without_rows: str
    ) -> None:
        add_warehouses(replica_without_rows, 2)
        add_property(replica_without_rows, "Warehouse", 1, "Label", "table")
        add_property(replica_without_rows, "Warehouse", 2, "Label", "table")
        folder.write("w.sql", "SELECT w.Id, 7 AS score FROM Warehouse w")
        run = start(
            "import polars as pl\nis_first = pl.col('name') == 'W1'\n"
            "return rows.select(label=pl.when(is_first).then(pl.format('{} {}', 'label', 'score')))",
            properties=["Label"],
            preload="w.sql",
        )
        assert own(run.items()) == {1: {"label": "table 7.0", "score": 7.0}, 2: {"label": "table", "score": 7.0}}

    def test_rows_that_are_not_sent_are_left_out(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        orders = {"OrderNumber": "'W' || n", "OrderDate": "now()", "BTEmail": "'a@example.com'"}
        insert(replica_without_rows, "CustomerOrder", 3, Status="CASE n WHEN 1 THEN 'Submitted' ELSE 'Cart' END", **orders)
        [event] = start("note(orders=rows['order_id'].to_list())\nreturn rows.select(label='customer_po')", ORDERS).items()
        assert notes(folder)[1:] == [{"orders": ["W1"]}]
        assert "label" not in event["data"]["order"]

    def test_without_a_row_to_send_it_is_not_called(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        insert(replica_without_rows, "CustomerOrder", OrderNumber="'W1'", Status="'Cart'", OrderDate="now()")
        assert start("raise AssertionError", ORDERS).items() == []

    def test_times_and_lists_are_typed(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        insert(
            replica_without_rows,
            "CustomerOrder",
            OrderNumber="'W1'",
            Status="'Submitted'",
            OrderDate="'2026-11-01T10:00:00Z'",
            BTEmail="'a@example.com'",
        )
        insert(
            replica_without_rows,
            "OrderLine",
            2,
            CustomerOrderId="lpad('1', 32, '0')::uuid",
            ProductId="lpad('5', 32, '0')::uuid",
            QtyOrdered="n",
            Line="n",
        )
        run = start(
            """
import polars as pl
return rows.select(
    score=pl.col("item_quantity").list.sum(),
    seen_at=pl.col("purchased_at").dt.offset_by("1h"),
    label=pl.col("purchased_at").dt.to_string("%H:%M %Z"),
)
""",
            ORDERS,
        )
        [event] = run.items()
        order = event["data"]["order"]
        assert (order["score"], order["seen_at"] - event["data"]["ts"], order["label"]) == (3.0, 3600, "10:00 UTC")

    @pytest.mark.parametrize(
        ("body", "message", "remedy"),
        [
            ("return [1]", "made returned a list, and not a polars frame", "factory_calls"),
            ("return rows.head(1).select(label='name')", "made returned 1 rows for 2", "one row for each"),
            ("return rows.select(color='name')", "gives color, which FIELDS does not declare", '{"color": "string"}'),
            ("import polars as pl\nreturn rows.select(label=pl.concat_list('name'))", "gives label as List", ""),
        ],
    )
    def test_another_result_is_refused_with_what_to_change(
        self, start: Start, replica_without_rows: str, body: str, message: str, remedy: str
    ) -> None:
        add_warehouses(replica_without_rows)
        with pytest.raises(CustomPropertyError, match=message) as error:
            start(body).transform()
        assert "include/custom/f.py:make of warehouse_odp_export" in error.value.cause
        assert remedy in error.value.remedy


class TestRows:
    def test_a_mapping_a_row(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 3)
        run = start(
            """
from datetime import datetime
note(name=rows["name"], active=rows["is_active"])
return {"W1": {"label": "one", "score": 1, "is_big": False, "seen_at": datetime(2024, 5, 1)}, "W2": None}.get(rows["name"], {})
""",
            per="row",
        )
        assert own(run.items()) == {
            1: {"label": "one", "score": 1.0, "is_big": False, "seen_at": 1714521600},
            2: {},
            3: {},
        }
        assert notes(folder)[1:] == [{"name": f"W{number}", "active": True} for number in (1, 2, 3)]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("return 'x'", "made returned a str for a row"),
            ("return {'color': 'red'}", "gives color, which FIELDS does not declare"),
            ("return {'label': ['x']}", "made holds a list, which ODP has no field type for.*: field label"),
        ],
    )
    def test_another_result_is_refused(self, start: Start, replica_without_rows: str, body: str, message: str) -> None:
        add_warehouses(replica_without_rows)
        with pytest.raises(CustomPropertyError, match=message):
            start(body, per="row").transform()


@pytest.mark.parametrize("per", ["chunk", "row"])
def test_an_error_names_the_line_and_nothing_is_lost(start: Start, replica_without_rows: str, per: str) -> None:
    add_warehouses(replica_without_rows)
    run = start("1 / 0", per=per)
    with pytest.raises(CustomFunctionError, match=r"f.py:make of .* failed in line 18 \(enrich\): ZeroDivisionError"):
        run.transform()
    start("return None" if per == "row" else "return rows.select()", per=per)
    assert len(run.items()) == 2


def test_a_factory_that_makes_no_function_is_refused(start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
    add_warehouses(replica_without_rows)
    run = start("...")
    folder.write("f.py", "FIELDS = {'label': 'string'}\ndef make(context):\n    return 1\n")
    with pytest.raises(CustomPropertyError, match="returned a int, and not a function") as error:
        run.transform()
    assert error.value.remedy == "Return the function that takes a chunk of rows."
