"""CSV files: no blank, no line break, and together exactly what the items say."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl  # noqa: TID253
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odp.core.bodies import ItemState
from odp.core.contract import Column, extended_contract
from odp.core.csv_files import CsvFiles
from odp.core.csv_forms import form_of
from odp.core.exports import ORDERS, PRODUCTS, USER_EVENTS, USER_PROFILES, Export
from odp.core.import_bucket import RECORD_END, import_file, read_records
from odp.core.settings import Settings
from odp.core.staging import Staging, read_frames
from tests.core.staged import columns_of

Files = list[tuple[dict[str, Any], list[dict[str, str]]]]


def frame_of(items: Sequence[Any], *, alone: bool = False, pairs: bool = False) -> pl.DataFrame:
    """Return uploads as ``ChangeDetector`` makes them."""
    rows = [
        {
            "item": orjson.dumps(item) + (b"," + orjson.dumps(item) if pairs else b""),
            "states": ItemState.write([ItemState(str(at), "0" * 32, "1" * 32, "", True, f"e-{at}")]),
            "items": 2 if pairs else 1,
            "alone": alone,
        }
        for at, item in enumerate(items)
    ]
    schema = {"item": pl.Binary, "states": pl.Binary, "items": pl.Int32, "alone": pl.Boolean}
    return pl.DataFrame(rows, schema=schema)


def write(
    root: Path, export: Export, chunks: Sequence[pl.DataFrame], *more: Column, path: str = "", max_sets: int = 100
) -> tuple[Files, list[Any], Staging]:
    """Write chunks; return the files, parsed, and the items that were left for the REST API."""
    path = path or export.path
    contract = extended_contract(export.contract_for(Settings()), [*columns_of(export.contract), *more], _items())
    staging = Staging(root, "dag", "run")
    left: list[Any] = []
    with CsvFiles(export, contract, staging, 3, max_sets) as files:
        for chunk in chunks:
            left += [orjson.loads(b"[" + item + b"]") for item in files.take({path: chunk})[path]["item"]]
        left += [orjson.loads(b"[" + item + b"]") for _, frame in files.close() for item in frame["item"]]
    return [(upload, parse(staging, upload)) for upload in files.listed], list(itertools.chain(*left)), staging


def _items() -> Sequence[str]:
    from odp.core.order_lines import ITEM_COLUMNS

    return ITEM_COLUMNS


def parse(staging: Staging, upload: Mapping[str, Any]) -> list[dict[str, str]]:
    with staging.read(upload["bodies"]) as staged, import_file(upload, "run", 3, read_frames(staged)) as file:
        text = file.content.read().decode()
    assert text.endswith("\n")
    assert "\r" not in text
    assert RECORD_END.decode() not in text
    assert text.count("\n") == len(rows := list(csv.reader(io.StringIO(text, newline=""), strict=True)))
    assert all(cell for row in rows for cell in row)
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def merged(files: Files, key: str) -> dict[str, dict[str, str]]:
    """Return what ODP holds of records after all files."""
    held: dict[str, dict[str, str]] = {}
    for _, rows in files:
        for row in rows:
            held.setdefault(row[key], {}).update(row)
    return held


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(lambda t: f"x{t}x")
awkward = st.sampled_from(
    ["a,b", '"', 'say "hi"', "a\\nb", "\\", "a\nb", "a\r\nb", "\x1e", "'", "null", "1e5", "ü🙂", "\u2028", "=1+1"]
)
products = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.one_of(texts, awkward),
            "brand": st.one_of(texts, awkward),
            "price": st.floats(-1e15, 1e15),
            "is_active": st.booleans(),
            "vendor": texts,
            "weight": st.integers(-(10**9), 10**9),
        },
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(products, st.integers(1, 4))
def test_records_come_back_whole_from_all_files_and_nothing_is_blank(
    tmp_path_factory: pytest.TempPathFactory, given_products: list[dict[str, Any]], size: int
) -> None:
    items = [{"product_id": f"p-{at}", **product} for at, product in enumerate(given_products)]
    chunks = [frame_of(items[at : at + size]) for at in range(0, len(items), size)]
    files, left, _ = write(tmp_path_factory.mktemp("files"), PRODUCTS, chunks, Column("weight", "number"))

    held = merged(files, "product_id")
    by_rest = {item["product_id"] for item in left}
    assert held.keys() | by_rest == {item["product_id"] for item in items}
    assert not held.keys() & by_rest
    for item in items:
        broken = any(mark in str(value) for value in item.values() for mark in ("\n", "\r", "\x1e"))
        assert (item["product_id"] in by_rest) or not broken
        if item["product_id"] in held:
            row = held[item["product_id"]]
            assert row.keys() == item.keys()
            for name, value in item.items():
                if name in ("price", "weight"):
                    assert float(row[name]) == float(value)
                    assert "e" not in row[name].lower()
                else:
                    assert row[name] == as_text(value)
    assert sum(upload["rows"] for upload, _ in files) == len(held)
    # One file has all rows; every other one a group of columns that no other file has.
    columns = [name for upload, _ in files for name in upload["columns"] if name != "product_id"]
    assert len(columns) == len(set(columns))


def test_columns_that_are_given_together_share_a_file(tmp_path: Path) -> None:
    items = [
        {"product_id": "1", "name": "a", "price": 1.0, "sale_price": 0.5},
        {"product_id": "2", "name": "b", "brand": "Norr"},
        {"product_id": "3", "name": "c", "price": 2.0, "sale_price": 1.5, "brand": "Norr"},
    ]
    files, left, _ = write(tmp_path, PRODUCTS, [frame_of(items[:1]), frame_of(items[1:])])
    assert left == []
    assert [(upload["columns"], upload["rows"], upload["items"]) for upload, _ in files] == [
        (["product_id", "name"], 3, 3),
        (["product_id", "price", "sale_price"], 0, 2),
        (["product_id", "brand"], 0, 2),
    ]
    assert files[0][0]["object"] == "products"


def test_a_field_that_odp_is_to_clear_is_a_blank_of_the_file_that_has_all_rows(tmp_path: Path) -> None:
    class Cleared(PRODUCTS.contract):  # type: ignore[name-defined, misc]
        cleared = frozenset({"brand", "price"})

    items = [{"product_id": "1", "brand": None, "price": 1.0, "name": "a"}, {"product_id": "2", "brand": "Norr", "price": None}]
    staging = Staging(tmp_path, "dag", "run")
    with CsvFiles(PRODUCTS, Cleared, staging, 3, 1) as files:
        files.take({PRODUCTS.path: frame_of(items)})
        assert list(files.close()) == []
    texts = []
    for upload in files.listed:
        with staging.read(upload["bodies"]) as staged, import_file(upload, "run", 3, read_frames(staged)) as file:
            texts.append(file.content.read().decode())
    assert texts == ["product_id,brand,price\n1,,1\n2,Norr,\n", "product_id,name\n1,a\n"]
    assert dict(read_records(files.listed[0], staging, {0, 1})) == {
        "0": {"product_id": "1", "price": "1"},
        "1": {"product_id": "2", "brand": "Norr"},
    }


def test_people_are_told_apart_by_their_identifier(tmp_path: Path) -> None:
    items = [
        {"attributes": {"email": "ana@example.com", "business_user_id": "u-1", "first_name": "Ana"}},
        {"attributes": {"email": "bo@example.com", "business_user_id": "u-2"}},
    ]
    files, _, staging = write(tmp_path, USER_PROFILES, [frame_of(items)])
    assert [upload["object"] for upload, _ in files] == ["customers", "customers"]
    assert merged(files, "email") == {item["attributes"]["email"]: item["attributes"] for item in items}
    assert list(read_records(files[0][0], staging, {1})) == [
        ("1", {"attributes": {"email": "bo@example.com", "business_user_id": "u-2"}})
    ]


def purchase(number: str, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
    order = {"order_id": number, "total": 30.0, **header} | ({"items": list(lines)} if lines else {})
    data = {"ts": 1_700_000_000, "active_event": False, "idempotence_id": "x", "order": order}
    return {"type": "order", "action": "purchase", "identifiers": {"email": "ana@example.com"}, "data": data}


def test_an_order_is_a_row_for_each_of_its_items(tmp_path: Path) -> None:
    first = {"product_id": "p-1", "price": 10.0, "quantity": 2.0}
    second = {"product_id": "p-2", "price": 5.0, "quantity": 2.0}
    files, left, staging = write(tmp_path, ORDERS, [frame_of([purchase("1", first, second), purchase("2", first)])])
    assert left == []
    ((upload, rows),) = files
    common = {"email": "ana@example.com", "action": "purchase", "ts": "1700000000", "total": "30"}
    one, two = ({"item_product_id": p, "item_price": c, "item_quantity": "2"} for p, c in (("p-1", "10"), ("p-2", "5")))
    assert rows == [common | {"order_id": "1"} | one, common | {"order_id": "1"} | two, common | {"order_id": "2"} | one]
    assert (upload["rows"], upload["items"], upload["object"]) == (2, 2, "orders")
    assert [item["data"]["order"]["order_id"] for _, item in read_records(upload, staging, {1})] == ["2"]


def test_the_address_in_an_order_s_header_never_becomes_the_identifier(tmp_path: Path) -> None:
    ((_, (row,)),), _, _ = write(tmp_path, ORDERS, [frame_of([purchase("1", email="office@example.com")])])
    assert row["email"] == "ana@example.com"


def test_a_cancel_has_no_item_columns(tmp_path: Path) -> None:
    cancel = purchase("1", {"product_id": "p-1", "price": -10.0, "quantity": 2.0}, tax=0.0) | {"action": "cancel"}
    ((_, rows),), _, _ = write(tmp_path, ORDERS, [frame_of([cancel])])
    assert rows == [
        {"email": "ana@example.com", "action": "cancel", "ts": "1700000000", "order_id": "1", "total": "30", "tax": "0"}
    ]


def test_events_with_other_columns_are_in_other_files_and_rare_ones_go_by_rest(tmp_path: Path) -> None:
    line = {"product_id": "p-1", "price": 1.0}
    items = [
        *(purchase(f"a{at}", line) for at in range(3)),
        *(purchase(f"b{at}", line, tax=1.0) for at in range(2)),
        purchase("c", line, coupon_code="X"),
        purchase("d", line, {"product_id": "p-2"}),  # a price in one of its lines only
        purchase("e", coupon_code="a\nb"),
    ]
    files, left, _ = write(tmp_path, ORDERS, [frame_of(items[:4]), frame_of(items[4:])], max_sets=2)
    assert sorted(row["order_id"] for _, rows in files for row in rows) == ["a0", "a1", "a2", "b0", "b1"]
    assert {tuple("tax" in row for row in rows) for _, rows in files} == {(False,) * 3, (True,) * 2}
    assert sorted(item["data"]["order"]["order_id"] for item in left) == ["c", "d", "e"]
    files, left, _ = write(tmp_path / "all", ORDERS, [frame_of(items)])
    assert sorted(item["data"]["order"]["order_id"] for item in left) == ["d", "e"]


@pytest.mark.parametrize("how", [{"alone": True}, {"pairs": True}])
def test_what_needs_a_request_of_its_own_or_an_order_of_arrival_goes_by_rest(tmp_path: Path, how: dict[str, bool]) -> None:
    files, left, _ = write(tmp_path, ORDERS, [frame_of([purchase("1")], **how)])
    assert files == []
    assert len(left) == (2 if "pairs" in how else 1)


def test_updates_of_orders_go_by_rest(tmp_path: Path) -> None:
    item = {"order_id": "1", "total": 3.0, "status": "purchase"}
    assert form_of(ORDERS, ORDERS.contract, "/objects/orders") is None
    files, left, _ = write(tmp_path, ORDERS, [frame_of([item])], path="/objects/orders")
    assert (files, left) == ([], [item])


def test_user_events_are_flat_rows(tmp_path: Path) -> None:
    data = {"ts": 1_700_000_000, "active_event": False, "idempotence_id": "x-1"}
    items = [
        {"type": "product", "action": "detail", "identifiers": {"email": "a@b.c"}, "data": {**data, "product_id": "p-1"}},
        {"type": "pageview", "identifiers": {"vuid": "v"}, "data": {**data, "page": "/"}},
    ]
    files, left, _ = write(tmp_path, USER_EVENTS, [frame_of(items)])
    assert left == []
    assert {upload["object"] for upload, _ in files} == {"events"}
    flat = {"ts": "1700000000", "active_event": "false", "idempotence_id": "x-1"}
    assert sorted((row for _, rows in files for row in rows), key=str) == sorted(
        [
            {"type": "product", "action": "detail", "email": "a@b.c", **flat, "product_id": "p-1"},
            {"type": "pageview", "vuid": "v", **flat, "page": "/"},
        ],
        key=str,
    )


def test_a_name_says_object_run_and_content(tmp_path: Path) -> None:
    (upload, _), *_ = write(tmp_path, PRODUCTS, [frame_of([{"product_id": "1"}])])[0]

    def name(run_id: str, *blocks: bytes) -> str:
        with import_file(upload, run_id, 7, blocks) as file:
            return file.name

    first = name("manual__2026-11-24T13:44:46+00:00", b"1\n\x1e")
    assert first.startswith("zaius_products_manual-2026-11-24T13-44-46-00-00_")
    assert first.endswith(".csv")
    assert "_00007-000_" in first
    assert first == name("manual__2026-11-24T13:44:46+00:00", b"1\n")
    others = [name("manual__2026-11-24T13:44:46+00:00", b"2\n"), name("manual--2026-11-24T13:44:46+00:00", b"1\n")]
    assert len({first, *others}) == 3


def test_nothing_stays_on_the_local_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write(tmp_path, PRODUCTS, [frame_of([{"product_id": "1"}])])
    assert list((tmp_path / "temporary").iterdir()) == []
