"""Extract on a real replica with the real mapping files."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odp.core import extract as extract_module
from odp.core.exceptions import ReplicaError
from odp.core.exports import (
    CUSTOMERS,
    EXPORTS,
    ORDERS,
    PRODUCTS,
    USER_PROFILES,
    WAREHOUSES,
    Export,
)
from odp.core.extract import Selection, limit_of_part
from odp.core.settings import Settings
from odp.core.staging import Staging
from odp.core.window import Window
from sandbox.world import PROJECT, World
from tests.core.extraction import NOW, SQL, Extraction, execute, insert, uid

WAREHOUSE_SQL = (SQL / WAREHOUSES.sql).read_text(encoding="utf-8")


def with_column(expression: str, alias: str = "extra") -> str:
    """Return the mapping file of warehouses with one more column."""
    return WAREHOUSE_SQL.replace("    w.Name AS name,", f"    w.Name AS name,\n    {expression} AS {alias},", 1)


@pytest.fixture(scope="module")
def one_warehouse(world: World) -> str:
    """A replica with one warehouse that no test changes."""
    dsn = world.postgres.create_database("core_extract")
    execute(dsn, "CREATE SCHEMA dbo")
    dsn = f"{dsn}?options=-c%20search_path%3Ddbo"
    execute(dsn, (PROJECT / "sandbox" / "commerce" / "schema.sql").read_text(encoding="utf-8"))
    insert(dsn, "Warehouse", Name="'W'", City="'Leeds'")
    return dsn


def names(extraction: Extraction) -> list[str]:
    return [item["name"] for item in extraction.items]


class TestParts:
    @pytest.mark.parametrize(
        ("rows", "part_rows", "sizes"), [(8, 3, [3, 3, 2]), (6, 3, [3, 3]), (3, 3, [3]), (2, 3, [2]), (3, 1, [1, 1, 1])]
    )
    def test_rows_are_staged_in_parts_of_the_set_size(
        self, empty_replica: str, tmp_path: Path, rows: int, part_rows: int, sizes: list[int]
    ) -> None:
        insert(empty_replica, "Warehouse", rows, Name="'W' || n")
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, part_rows=part_rows)
        assert [part["rows"] for part in extraction.parts] == sizes
        assert [part["part"] for part in extraction.parts] == list(range(len(sizes)))
        assert len({part["file"] for part in extraction.parts}) == len(sizes)
        assert [b"".join(chunks).count(b"\n") for chunks in extraction.chunks] == sizes
        assert names(extraction) == [f"W{n}" for n in range(1, rows + 1)]
        assert extraction.manifest["rows"] == rows
        assert extraction.manifest["parts"] == extraction.parts

    def test_parts_grow_before_there_are_more_than_airflow_maps_over(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 40, Name="'W' || n")
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, part_rows=2, max_parts=8)
        assert [part["rows"] for part in extraction.parts] == [2, 2, 2, 2, 4, 4, 8, 16]
        assert names(extraction) == [f"W{n}" for n in range(1, 41)]

    def test_chunks_bound_what_transform_holds(self, empty_replica: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        insert(empty_replica, "Warehouse", 11, Name="E'multi\\nline ' || n")
        [[row, *_]] = Extraction(empty_replica, WAREHOUSES, tmp_path / "whole", part_rows=1).chunks[:1]
        monkeypatch.setattr(extract_module, "CHUNK_BYTES", 4 * len(row))
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, part_rows=9)
        assert [len(chunks) for chunks in extraction.chunks] == [3, 1]
        assert [part["rows"] for part in extraction.parts] == [9, 2]
        assert names(extraction) == [f"multi\nline {n}" for n in range(1, 12)]

    def test_wide_rows_make_smaller_parts(self, empty_replica: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        insert(empty_replica, "Warehouse", 10)
        monkeypatch.setattr(extract_module, "CHUNK_BYTES", 1)
        mapping = with_column("repeat('wide', 65000)")
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, mapping=mapping, part_rows=9, part_megabytes=1)
        assert [part["rows"] for part in extraction.parts] == [4, 4, 2]

    def test_an_empty_window_has_no_parts(self, empty_replica: str, tmp_path: Path) -> None:
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path)
        assert extraction.parts == []
        assert extraction.manifest["rows"] == 0
        assert extraction.manifest["columns"][:2] == [["entity_id", "text"], ["warehouse_id", "text"]]

    def test_a_retry_leaves_nothing_of_the_try_before(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 5, Name="'W' || n")
        Extraction(empty_replica, WAREHOUSES, tmp_path, part_rows=1)
        execute(empty_replica, "DELETE FROM Warehouse WHERE Name <> 'W2'")
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, part_rows=1)
        assert sorted(path.name for path in extraction.staging.folder.iterdir()) == ["extract.json", extraction.parts[0]["file"]]
        assert names(extraction) == ["W2"]

    def test_a_failure_on_the_way_leaves_no_manifest(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 5, Name="'W'", Latitude="5 - n")
        mapping = with_column("1 / w.Latitude")
        with pytest.raises(ReplicaError, match="division by zero"):
            Extraction(empty_replica, WAREHOUSES, tmp_path, mapping=mapping, part_rows=2)
        assert not list(tmp_path.rglob("extract.json"))

    def test_the_manifest_says_what_was_read(self, empty_replica: str, tmp_path: Path) -> None:
        window = Window(NOW, NOW + timedelta(days=1))
        manifest = Extraction(empty_replica, WAREHOUSES, tmp_path, window=window).manifest
        assert manifest["export"] == "warehouse_odp_export"
        assert manifest["window"] == ["2026-11-10T12:00:00+00:00", "2026-11-11T12:00:00+00:00"]
        assert manifest["absent"] == []


class TestLimitOfPart:
    @pytest.mark.parametrize("max_parts", [2, 3, 10, 1000, 1024])
    def test_all_rows_fit_into_the_parts_that_are_allowed(self, max_parts: int) -> None:
        sizes = [limit_of_part(number, 250_000, max_parts) for number in range(max_parts)]
        assert sizes[-1] is None  # it takes all the rest
        growing = [size or 0 for size in sizes[:-1]]
        assert growing == sorted(growing)
        assert growing[: max_parts // 2] == [250_000] * (max_parts // 2)

    def test_a_hundred_million_rows_are_parts_of_one_size_by_default(self) -> None:
        part_rows = Settings().part_rows
        number = -(-100_000_000 // part_rows)
        assert number == 400
        assert {limit_of_part(part, part_rows, 1024) for part in range(number)} == {part_rows}

    def test_one_part_takes_everything(self) -> None:
        assert limit_of_part(0, 5, 1) is None


class TestSelection:
    def test_the_window_is_half_open(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 5, Name="'W' || n")
        second = timedelta(seconds=1)
        for window, expected in (
            (Window(NOW + 2 * second, NOW + 4 * second), ["W2", "W3"]),
            (Window(NOW + 4 * second, None), ["W4", "W5"]),
            (Window(None, NOW + 2 * second), ["W1"]),
            (Window(), ["W1", "W2", "W3", "W4", "W5"]),
        ):
            assert names(Extraction(empty_replica, WAREHOUSES, tmp_path, window=window)) == expected

    def test_everything_includes_what_was_never_modified(self, empty_replica: str, tmp_path: Path) -> None:
        execute(empty_replica, "ALTER TABLE Warehouse ALTER ModifiedOn DROP NOT NULL")
        insert(empty_replica, "Warehouse", Name="'W'", ModifiedOn="NULL")
        assert names(Extraction(empty_replica, WAREHOUSES, tmp_path)) == ["W"]
        assert Extraction(empty_replica, WAREHOUSES, tmp_path, window=Window(None, NOW)).parts == []

    def test_a_window_in_another_zone_is_the_same_points_in_time(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 3, Name="'W' || n")
        start = (NOW + timedelta(seconds=2)).astimezone(timezone(timedelta(hours=9)))
        assert names(Extraction(empty_replica, WAREHOUSES, tmp_path, window=Window(start, None))) == ["W2", "W3"]

    @pytest.mark.parametrize("ids", [["W2"], [str(uid(2))], [str(uid(2)).upper()], ["W2", str(uid(2)), "nobody"]])
    def test_ids_are_commerces_ids_or_natural_keys(self, empty_replica: str, tmp_path: Path, ids: list[str]) -> None:
        insert(empty_replica, "Warehouse", 3, Name="'W' || n")
        assert names(Extraction(empty_replica, WAREHOUSES, tmp_path, ids=ids)) == ["W2"]

    @pytest.mark.parametrize(
        "injected",
        ["'", "' OR true --", "W1'); DROP TABLE Warehouse; --", '"', "%s", "%(ids)s", "{W1}", "\\", "$1", "W%", "NULL"],
    )
    @pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
    def test_an_id_is_never_sql(self, world: World, tmp_path: Path, export: Export, injected: str) -> None:
        dsn = f"{world.dsn('commerce')}?options=-c%20search_path%3Ddbo"
        assert Extraction(dsn, export, tmp_path, ids=[injected]).manifest["rows"] == 0

    def test_an_id_with_a_quote_finds_what_is_called_so(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", Name='$$O\'Brien \\ 100% "W"$$')
        assert names(Extraction(empty_replica, WAREHOUSES, tmp_path, ids=['O\'Brien \\ 100% "W"'])) == ['O\'Brien \\ 100% "W"']

    def test_what_is_to_be_tried_again_is_read_whenever_it_was_modified(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Warehouse", 4, Name="'W' || n")
        window = Window(NOW + timedelta(seconds=3), None)
        extraction = Extraction(empty_replica, WAREHOUSES, tmp_path, window=window, retried=(str(uid(1)), str(uid(4))))
        assert extraction.manifest["rows"] == 4
        assert extraction.manifest["retried"] == [str(uid(1)), str(uid(4))]
        assert names(extraction) == ["W1", "W3", "W4"]

    def test_the_parameters_of_a_mapping_file(self) -> None:
        selection = Selection(window=Window(NOW, None), as_of=NOW, ids=["1001", str(uid(5)).upper(), "'"])
        assert selection.parameters(Settings(site_url="https://shop.example.com/", email_mode="non_unique")) == {
            "everything": False,
            "window_start": "2026-11-10T12:00:00+00:00",
            "window_end": "infinity",
            "all_ids": False,
            "ids": [uid(5)],
            "numbers": ["1001", str(uid(5)).upper(), "'"],
            "as_of": NOW,
            "all_websites": True,
            "website_ids": [],
            "convert_to": "",
            "convert_by": "",
            "email_mode": "non_unique",
            "site_url": "https://shop.example.com",
            "user_events": [],
        }
        everything = Selection(window=Window(), as_of=NOW).parameters(Settings())
        assert (everything["everything"], everything["all_ids"], everything["ids"], everything["numbers"]) == (True, True, [], [])


class TestTenantsMapping:
    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("'red'::text", "red"),
            ("12.50000::numeric(18,5)", 12.5),
            ("7", 7.0),
            ("0.1::float8", 0.1),
            ("true", True),
            ("false", False),
            ("'2026-11-01 09:00:00.7+01'::timestamptz", 1_793_520_000),
            ("'2026-11-01 08:00:00'::timestamp", 1_793_520_000),
            ("'2026-11-01'::date", 1_793_491_200),
            (f"'{uid(9)}'::uuid", str(uid(9))),
            ("""'{"a":null}'::jsonb""", '{"a": null}'),
            ("""$$a","x":null,"y":"\\$$""", 'a","x":null,"y":"\\'),
            ("repeat('🙂', 2000)", "🙂" * 1024),
            ("NULL::text", None),
            ("'  '", None),
        ],
    )
    def test_a_column_added_in_sql_is_sent_with_its_type(
        self, one_warehouse: str, tmp_path: Path, expression: str, value: Any
    ) -> None:
        (item,) = Extraction(one_warehouse, WAREHOUSES, tmp_path, mapping=with_column(expression)).items
        assert item.get("extra") == value
        assert type(item.get("extra")) is type(value)
        assert ("extra" in item) == (value is not None)

    def test_an_entitys_number_can_be_its_key(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "Product", 2, ErpNumber="'A-' || n", Name="'Bolt'")
        mapping = (SQL / PRODUCTS.sql).read_text(encoding="utf-8").replace("p.Id AS product_id", "p.ErpNumber AS product_id")
        extraction = Extraction(empty_replica, PRODUCTS, tmp_path, mapping=mapping)
        assert [item["product_id"] for item in extraction.items] == ["A-1", "A-2"]

    def test_a_field_that_is_not_selected_is_not_sent(self, one_warehouse: str, tmp_path: Path) -> None:
        mapping = "SELECT w.Id AS warehouse_id, w.City AS city FROM Warehouse w WHERE %(everything)s"
        extraction = Extraction(one_warehouse, WAREHOUSES, tmp_path, mapping=mapping)
        assert extraction.items == [{"warehouse_id": str(uid(1)), "city": "Leeds"}]

    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            (WAREHOUSE_SQL.replace("w.Id AS warehouse_id", "w.Id AS id"), "does not select warehouse_id, without which"),
            (with_column("w.City", "city"), "selects city more than once"),
            (with_column("w.Nothing"), "column w.nothing does not exist"),
            (with_column("ARRAY['a']"), "selects extra as a list"),
            (with_column("w.City", '"Extra Field"'), "selects Extra Field, which no field can be called"),
            (with_column("w.City", "_extra"), "selects _extra, which no field can be called"),
        ],
    )
    def test_a_mistake_is_told_before_a_row_is_staged(
        self, one_warehouse: str, tmp_path: Path, mapping: str, message: str
    ) -> None:
        with pytest.raises(ReplicaError, match=message):
            Extraction(one_warehouse, WAREHOUSES, tmp_path, mapping=mapping)
        assert list(tmp_path.rglob("part-*")) == []

    def test_a_mistake_in_the_items_of_orders_is_told_before_a_row_is_staged(self, empty_replica: str, tmp_path: Path) -> None:
        text = (SQL / ORDERS.sql).read_text(encoding="utf-8")
        for added, message in (
            ("ARRAY['red'] AS item_colour,", "selects item_colour as a list"),
            ("o.CustomerPO AS action,", "selects action, which no field can be called"),
        ):
            mapping = text.replace("    o.OrderNumber AS order_id,", f"    o.OrderNumber AS order_id,\n    {added}", 1)
            with pytest.raises(ReplicaError, match=message):
                Extraction(empty_replica, ORDERS, tmp_path, mapping=mapping)

    def test_lines_selected_by_a_sub_select_may_be_none(self, empty_replica: str, tmp_path: Path) -> None:
        insert(
            empty_replica, "CustomerOrder", OrderNumber="'1001'", Status="'Submitted'", BTEmail="'ana@example.com'",
            OrderDate=f"'{NOW.isoformat()}'::timestamptz",
        )  # fmt: skip
        mapping = (
            "SELECT o.OrderNumber AS order_id, o.Status AS order_status, o.OrderDate AS purchased_at,"
            " o.BTEmail AS identifier_email,"
            " ARRAY(SELECT l.ProductId FROM OrderLine l WHERE l.CustomerOrderId = o.Id) AS item_product_id,"
            " ARRAY(SELECT l.QtyOrdered FROM OrderLine l WHERE l.CustomerOrderId = o.Id) AS item_quantity"
            " FROM CustomerOrder o WHERE %(everything)s"
        )
        (item,) = Extraction(empty_replica, ORDERS, tmp_path, mapping=mapping).items
        assert item["data"]["order"] == {"order_id": "1001"}
        insert(
            empty_replica, "OrderLine", 2, CustomerOrderId=f"'{uid(1)}'::uuid", ProductId=f"'{uid(7)}'::uuid", QtyOrdered="n"
        )  # fmt: skip
        (item,) = Extraction(empty_replica, ORDERS, tmp_path, mapping=mapping).items
        assert [line["quantity"] for line in item["data"]["order"]["items"]] == [1.0, 2.0]


class TestOrderStatuses:
    def map(self, dsn: str, *rows: tuple[str, str]) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for number, (status, action) in enumerate(rows, start=1):
                connection.execute(
                    "INSERT INTO OrderStatusMapping (Id, ErpOrderStatus, OdpActionType) VALUES (%s, %s, %s)",
                    (uid(number), status, action),
                )

    def test_the_mapping_of_commerce_decides(self, empty_replica: str, tmp_path: Path) -> None:
        self.map(empty_replica, (" Processing ", "Purchase"), ("Void", "CANCEL"), ("Shipped", ""))
        insert(
            empty_replica, "CustomerOrder", 5, OrderNumber="n::text", BTEmail="'ana@example.com'",
            Status="(ARRAY['processing', 'VOID', 'Shipped', 'Submitted', 'Saved'])[n]",
            OrderDate=f"'{NOW.isoformat()}'::timestamptz",
        )  # fmt: skip
        items = Extraction(empty_replica, ORDERS, tmp_path).items
        assert [(item["data"]["order"]["order_id"], item["action"]) for item in items] == [
            ("1", "purchase"),
            ("2", "cancel"),
            ("4", "purchase"),
        ]

    def test_a_contradiction_fails_naming_both_rows_unless_the_setting_decides(self, empty_replica: str, tmp_path: Path) -> None:
        self.map(empty_replica, ("Void", "Purchase"), ("void", "Cancel"))
        with pytest.raises(ReplicaError, match=f"row {uid(1)} says 'Purchase' and row {uid(2)} says 'Cancel'"):
            Extraction(empty_replica, ORDERS, tmp_path)
        extraction = Extraction(empty_replica, ORDERS, tmp_path, order_status={"Void": "cancel"})
        assert extraction.manifest["actions"]["void"] == "cancel"

    def test_an_unreadable_action_is_logged(self, empty_replica: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.map(empty_replica, ("Returned", "Refund"))
        with caplog.at_level(logging.WARNING):
            Extraction(empty_replica, ORDERS, tmp_path)
        assert "maps 'Returned' to 'Refund', which is neither Purchase nor Cancel" in caplog.text

    def test_strict_mapping_is_honoured(self, empty_replica: str, tmp_path: Path) -> None:
        self.map(empty_replica, ("Submitted", ""))
        assert Extraction(empty_replica, ORDERS, tmp_path).manifest["actions"]["submitted"] == "purchase"
        assert Extraction(empty_replica, ORDERS, tmp_path, strict_mapping=True).manifest["actions"]["submitted"] is None


class TestSettings:
    def test_the_e_mail_mode_decides_what_identifies_a_person(self, empty_replica: str, tmp_path: Path) -> None:
        insert(empty_replica, "UserProfile", Email="' Ana@Example.com '", FirstName="'Ana'")
        (unique,) = Extraction(empty_replica, USER_PROFILES, tmp_path).items
        assert unique["attributes"]["email"] == "ana@example.com"
        (shared,) = Extraction(empty_replica, USER_PROFILES, tmp_path, email_mode="non_unique").items
        assert "email" not in shared["attributes"]
        assert shared["attributes"]["business_user_id"] == str(uid(1))
        assert shared["attributes"]["contact_email"] == "ana@example.com"

    @pytest.mark.parametrize("address", ["https://shop.example.com", "https://shop.example.com/", "https://a'b/%s"])
    def test_the_site_address_is_put_before_paths(self, empty_replica: str, tmp_path: Path, address: str) -> None:
        insert(empty_replica, "Product", ErpNumber="'A-1'", UrlSegment="'bolt'")
        (item,) = Extraction(empty_replica, PRODUCTS, tmp_path, site_url=address).items
        assert item["product_url"] == f"{address.rstrip('/')}/bolt"


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_each_export_reads_the_generated_replica_without_a_reject(world: World, tmp_path: Path, export: Export) -> None:
    extraction = Extraction(f"{world.dsn('commerce')}?options=-c%20search_path%3Ddbo", export, tmp_path, part_rows=150)
    assert extraction.manifest["rows"] == sum(part["rows"] for part in extraction.parts) > 0
    assert len(extraction.items) > 0


def test_the_readers_connection_is_left_without_a_transaction(empty_replica: str, tmp_path: Path) -> None:
    with psycopg.connect(empty_replica) as connection:
        selection = Selection(window=Window(), as_of=datetime.now(timezone.utc))
        staging = Staging(tmp_path, "dag", "run")
        mapping = (SQL / CUSTOMERS.sql).read_text(encoding="utf-8")
        extract_module.extract(connection, CUSTOMERS, mapping, {}, selection, Settings(), staging)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_commerce_s_ids_are_not_looked_for_among_natural_keys() -> None:
    ids = [str(uid(1)), str(uid(2))]
    values = Selection(window=Window(), as_of=NOW, ids=ids, by_entity_id=True).parameters(Settings())
    assert (values["ids"], values["numbers"], values["all_ids"]) == ([uid(1), uid(2)], [], False)
    assert Selection(window=Window(), as_of=NOW, ids=ids).parameters(Settings())["numbers"] == ids
