"""Reading a replica: what it lacks, how columns are typed and written, and one snapshot for all of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odp.core.commerce import READS, TABLES
from odp.core.exceptions import ReplicaError, ReplicaTimeoutError
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, WAREHOUSES, Export
from odp.core.replica import Absences, begin_snapshot, describe, find_absences, read_lookup, stream_rows
from sandbox.world import PROJECT, World
from tests.core.extraction import NOW, SQL, Extraction, execute, insert, uid

NOTHING = Absences((), (), ())
ANY_EXPORT = pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)


@pytest.fixture(scope="module")
def whole_replica(world: World) -> str:
    """A replica with all tables and no rows that no test changes."""
    dsn = world.postgres.create_database("core_replica")
    execute(dsn, "CREATE SCHEMA dbo")
    dsn = f"{dsn}?options=-c%20search_path%3Ddbo"
    execute(dsn, (PROJECT / "sandbox" / "commerce" / "schema.sql").read_text(encoding="utf-8"))
    return dsn


@pytest.fixture
def replica(whole_replica: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it in the one transaction an export reads in."""
    with psycopg.connect(whole_replica) as connection:
        begin_snapshot(connection, application_name="test", statement_timeout_minutes=1)
        yield connection


def minimal(dsn: str, export: Export) -> None:
    """Drop what the catalogue calls optional, and fill the rest of the export's tables with one row each."""
    files = (export.sql, *export.lookups.values())
    for name in dict.fromkeys(table for file in files for table in READS[file]):
        table = TABLES[name]
        if not table.required:
            execute(dsn, f"DROP TABLE {name}")
        else:
            execute(dsn, *(f"ALTER TABLE {name} DROP COLUMN {column.name}" for column in table.columns if not column.required))


class TestAbsences:
    @ANY_EXPORT
    def test_a_whole_replica_lacks_nothing(self, replica: psycopg.Connection[Any], export: Export) -> None:
        assert find_absences(replica, READS[export.sql]) == NOTHING

    @ANY_EXPORT
    def test_every_export_runs_on_a_replica_with_nothing_but_what_is_required(
        self, empty_replica: str, export: Export, tmp_path: Path
    ) -> None:
        minimal(empty_replica, export)
        required = {
            "Customer": {"IsGuest": "false"},
            "UserProfile": {"IsGuest": "false", "Email": "'ana@example.com'"},
            "CustomerUserProfile": {"CustomerId": f"'{uid(1)}'::uuid", "UserProfileId": f"'{uid(1)}'::uuid"},
            "CustomerOrder": {
                "OrderNumber": "'1001'",
                "Status": "'Submitted'",
                "OrderDate": f"'{NOW.isoformat()}'::timestamptz",
                "PlacedByUserProfileId": f"'{uid(1)}'::uuid",
            },
            "OrderLine": {"CustomerOrderId": f"'{uid(1)}'::uuid", "ProductId": f"'{uid(7)}'::uuid", "QtyOrdered": "2"},
        }
        for name in READS[export.sql]:
            if TABLES[name].required:
                insert(empty_replica, name, **required.get(name, {}))
        extraction = Extraction(empty_replica, export, tmp_path)
        assert len(extraction.items) == 1
        optional = [name for name in READS[export.sql] if not TABLES[name].required]
        assert set(optional) <= set(extraction.manifest["absent"])

    def test_a_missing_optional_table_costs_its_fields_and_is_logged(
        self, empty_replica: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        execute(empty_replica, "DROP TABLE Brand", "DROP TABLE CustomProperty")
        insert(empty_replica, "Product", ErpNumber="'A-1'", BrandId=f"'{uid(3)}'::uuid")
        with caplog.at_level(logging.WARNING):
            extraction = Extraction(empty_replica, PRODUCTS, tmp_path)
        assert extraction.items[0]["product_number"] == "A-1"
        assert "brand" not in extraction.items[0]
        assert extraction.manifest["absent"] == ["Brand", "CustomProperty"]
        assert "The replica lacks Brand, CustomProperty. Fields left out: brand." in caplog.messages

    def test_a_missing_optional_column_costs_its_field_and_is_logged(
        self, empty_replica: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        execute(empty_replica, "ALTER TABLE Product DROP COLUMN Unspsc", "ALTER TABLE Product DROP COLUMN BasicListPrice")
        insert(empty_replica, "Product", ErpNumber="'A-1'", ModelNumber="'M8'")
        with caplog.at_level(logging.WARNING):
            extraction = Extraction(empty_replica, PRODUCTS, tmp_path)
        (item,) = extraction.items
        assert item["model_number"] == "M8"
        assert not {"unspsc", "price"} & item.keys()
        assert extraction.manifest["absent"] == ["Product.Unspsc", "Product.BasicListPrice"]
        assert "Fields left out: price, unspsc." in caplog.text

    def test_a_whole_replica_logs_nothing(self, empty_replica: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            Extraction(empty_replica, PRODUCTS, tmp_path)
        assert "lacks" not in caplog.text

    def test_an_optional_table_without_one_of_its_required_columns_counts_as_missing(
        self, empty_replica: str, tmp_path: Path
    ) -> None:
        execute(empty_replica, "ALTER TABLE Brand DROP COLUMN Name")
        insert(empty_replica, "Product", ErpNumber="'A-1'")
        extraction = Extraction(empty_replica, PRODUCTS, tmp_path)
        assert extraction.manifest["absent"] == ["Brand"]
        assert len(extraction.items) == 1

    def test_without_a_status_mapping_the_defaults_decide(self, empty_replica: str, tmp_path: Path) -> None:
        execute(empty_replica, "DROP TABLE OrderStatusMapping")
        extraction = Extraction(empty_replica, ORDERS, tmp_path, order_status={"Processing": "purchase"})
        assert extraction.manifest["absent"] == ["OrderStatusMapping"]
        assert extraction.manifest["actions"]["submitted"] == "purchase"
        assert extraction.manifest["actions"]["processing"] == "purchase"

    def test_views_count_as_tables(self, empty_replica: str, tmp_path: Path) -> None:
        execute(empty_replica, "ALTER TABLE Warehouse RENAME TO stored", "CREATE VIEW Warehouse AS SELECT * FROM stored")
        insert(empty_replica, "stored", Name="'East'")
        assert [item["name"] for item in Extraction(empty_replica, WAREHOUSES, tmp_path).items] == ["East"]

    @pytest.mark.parametrize("table", ["Product", "product"])
    def test_a_missing_required_table_is_named_with_the_search_path(self, empty_replica: str, table: str, tmp_path: Path) -> None:
        execute(empty_replica, f"DROP TABLE {table}")
        with pytest.raises(ReplicaError) as error:
            Extraction(empty_replica, PRODUCTS, tmp_path)
        assert str(error.value) == (
            "The Commerce replica lacks Product (search_path is dbo). Name the schema in the connection's extra, such as "
            '{"options": "-c search_path=dbo"}, or add it to the replica.'
        )

    def test_everything_required_that_is_missing_is_named_at_once(self, empty_replica: str, tmp_path: Path) -> None:
        execute(
            empty_replica,
            "ALTER TABLE CustomerOrder DROP COLUMN Status",
            "ALTER TABLE CustomerOrder DROP COLUMN OrderDate",
            "DROP TABLE OrderLine",
            "DROP TABLE Currency",
        )
        with pytest.raises(ReplicaError, match=r"lacks CustomerOrder\.OrderDate, CustomerOrder\.Status, OrderLine \("):
            Extraction(empty_replica, ORDERS, tmp_path)


class TestSchemas:
    def test_the_search_path_names_the_schema(self, database: str, tmp_path: Path) -> None:
        for schema, name in (("one", "East"), ("two", "West")):
            execute(
                database,
                f"CREATE SCHEMA {schema}",
                f"CREATE TABLE {schema}.warehouse (Id uuid, ModifiedOn timestamptz, Name text)",
                f"INSERT INTO {schema}.warehouse VALUES ('{uid(1)}', now(), '{name}')",
            )
        for schema, name in (("one", "East"), ("two", "West"), ("two,one", "West")):
            extraction = Extraction(f"{database}?options=-c%20search_path%3D{schema}", WAREHOUSES, tmp_path)
            assert [item["name"] for item in extraction.items] == [name]
        with pytest.raises(ReplicaError, match=r'lacks Warehouse \(search_path is "\$user", public\). Name the schema'):
            Extraction(database, WAREHOUSES, tmp_path)

    def test_a_replica_in_pascal_case_is_pointed_to_the_folded_views_and_works_with_them(
        self, database: str, tmp_path: Path
    ) -> None:
        execute(
            database,
            "CREATE SCHEMA dbo",
            'CREATE TABLE dbo."Warehouse" ("Id" uuid, "ModifiedOn" timestamptz, "Name" text, "CountryId" uuid)',
            'CREATE TABLE dbo."Country" ("Id" uuid, "IsoCode2" text)',
            f"""INSERT INTO dbo."Country" VALUES ('{uid(2)}', 'GB')""",
            f"""INSERT INTO dbo."Warehouse" VALUES ('{uid(1)}', now(), 'East', '{uid(2)}')""",
        )
        with pytest.raises(ReplicaError) as error:
            Extraction(f"{database}?options=-c%20search_path%3Ddbo", WAREHOUSES, tmp_path)
        assert "Schema dbo holds it in PascalCase: run include/sql/folded_views.sql once, and put commerce_folded first" in str(
            error.value
        )
        execute(database, (SQL / "folded_views.sql").read_text(encoding="utf-8"))
        extraction = Extraction(f"{database}?options=-c%20search_path%3Dcommerce_folded", WAREHOUSES, tmp_path)
        assert extraction.items == [{"warehouse_id": str(uid(1)), "name": "East", "country": "GB", "is_active": True}]


def selected(replica: psycopg.Connection[Any], mapping: str, **parameters: Any) -> tuple[dict[str, str], list[str]]:
    """Return the kinds of a mapping's columns and its rows as CSV."""
    columns = describe(replica, mapping, parameters, NOTHING)
    rows = [row.decode().removesuffix("\n") for row in stream_rows(replica, mapping, parameters, NOTHING, columns)]
    return {column.name: column.kind for column in columns}, rows


class TestColumns:
    @pytest.mark.parametrize(
        ("expression", "kind", "written"),
        [
            ("true", "boolean", "t"),
            ("false", "boolean", "f"),
            ("7::smallint", "number", "7"),
            ("-7", "number", "-7"),
            ("7::bigint", "number", "7"),
            ("12.50000::numeric(18,5)", "number", "12.50000"),
            ("0.1::double precision", "number", "0.1"),
            ("'NaN'::numeric", "number", "NaN"),
            ("'2026-11-01 08:00:00.9+01'::timestamptz", "timestamp", "1793516400"),
            ("'2026-11-01 08:00:00'::timestamp", "timestamp", "1793520000"),
            ("'2026-11-01'::date", "timestamp", "1793491200"),
            ("'1969-12-31 23:59:59.5+00'::timestamptz", "timestamp", "-1"),
            ("'0001-01-01 00:00:00+00'::timestamptz", "timestamp", "-62135596800"),
            ("'9999-12-31 23:59:59.999999+00'::timestamptz", "timestamp", "253402300799"),
            ("'infinity'::timestamptz", "timestamp", "Infinity"),
            ("'Bolt'::varchar(10)", "text", "Bolt"),
            ("'Bolt'::char(6)", "text", "Bolt  "),
            (f"'{uid(255)}'::uuid", "text", str(uid(255))),
            ("""'{"a": 1}'::jsonb""", "text", '"{""a"": 1}"'),
            ("'1 day'::interval", "text", "1 day"),
            ("ARRAY['a', 'b,\"', NULL]", "list", '"a\x1fb,""\x1f"'),
            ("ARRAY[1.5, NULL, 2]", "list", "1.5\x1f\x1f2"),
            (f"ARRAY['{uid(1)}'::uuid]", "list", str(uid(1))),
            ("ARRAY[]::text[]", "list", ""),
            ("NULL::text[]", "list", ""),
            ("ARRAY[NULL]::text[]", "list", '""'),
            ("NULL::boolean", "boolean", ""),
            ("NULL::timestamptz", "timestamp", ""),
            ("NULL", "text", ""),
            ("''", "text", '""'),
            ("'a' || chr(10) || 'b'", "text", '"a\nb"'),
        ],
    )
    def test_the_type_decides_the_kind_and_how_it_is_written(
        self, replica: psycopg.Connection[Any], expression: str, kind: str, written: str
    ) -> None:
        assert selected(replica, f"SELECT {expression} AS it") == ({"it": kind}, [written])

    def test_a_type_of_the_tenants_own_is_text_or_what_it_is_made_of(self, empty_replica: str) -> None:
        execute(empty_replica, "CREATE TYPE size AS ENUM ('s', 'm')", "CREATE DOMAIN money_amount AS numeric CHECK (value >= 0)")
        with psycopg.connect(empty_replica) as connection:
            mapping = "SELECT 's'::size AS size, 5::money_amount AS amount"
            assert selected(connection, mapping) == ({"size": "text", "amount": "number"}, ["s,5"])

    def test_the_session_of_the_database_does_not_change_what_is_written(self, empty_replica: str) -> None:
        name = psycopg.conninfo.conninfo_to_dict(empty_replica)["dbname"]
        for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'"):
            execute(empty_replica, f"ALTER DATABASE {name} SET {setting}")
        with psycopg.connect(empty_replica) as connection:
            begin_snapshot(connection, application_name="test", statement_timeout_minutes=0)
            mapping = "SELECT '2026-11-01'::date AS day, '2026-11-01 08:00'::timestamptz::text AS words"
            assert selected(connection, mapping)[1] == ["1793491200,2026-11-01 08:00:00+00"]

    def test_a_closing_semicolon_and_comment_do_no_harm(self, replica: psycopg.Connection[Any]) -> None:
        assert selected(replica, "SELECT 1 AS a -- the last line is a comment\n;\n")[1] == ["1"]
        assert selected(replica, "SELECT 1 AS a -- without a line break")[1] == ["1"]

    def test_rows_come_in_the_order_of_the_mapping(self, replica: psycopg.Connection[Any]) -> None:
        mapping = "SELECT n AS n FROM generate_series(1, 5000) AS n ORDER BY n %% %(seven)s, n DESC"
        rows = selected(replica, mapping, seven=7)[1]
        assert rows == [str(n) for n in sorted(range(1, 5001), key=lambda n: (n % 7, -n))]

    def test_the_first_rows_are_there_before_the_last_are_computed(self, replica: psycopg.Connection[Any]) -> None:
        mapping = "SELECT 1 / (100000 - n) AS n FROM generate_series(1, 200000) AS n"
        rows = stream_rows(replica, mapping, {}, NOTHING, describe(replica, mapping, {}, NOTHING))
        assert next(rows).startswith(b"0\n")
        with pytest.raises(ReplicaError, match="division by zero"):
            list(rows)


class TestBrokenMappings:
    @pytest.mark.parametrize(
        ("mapping", "words"),
        [
            ("SELEKT 1", "syntax error"),
            ("SELECT nothing FROM Product", 'column "nothing" does not exist'),
            ("SELECT 1 AS a FROM nowhere", 'relation "nowhere" does not exist'),
            ("SELECT 1 AS a; DROP TABLE Product", "syntax error"),
            ("SELECT 1 AS a) AS record; DROP TABLE Product; --", "syntax error|cannot insert multiple commands"),
            ("SELECT 'a' LIKE 'a%' AS a", "%"),
            ("SELECT %(unknown)s AS a", "unknown"),
            ("", "syntax error"),
        ],
    )
    def test_the_error_says_what_postgresql_says(self, replica: psycopg.Connection[Any], mapping: str, words: str) -> None:
        with pytest.raises(ReplicaError, match=f"The mapping query does not run on this replica: .*({words})"):
            describe(replica, mapping, {"known": 1}, NOTHING)

    def test_an_alias_used_twice_is_named(self, replica: psycopg.Connection[Any]) -> None:
        with pytest.raises(ReplicaError, match="selects a, b more than once. Each field needs its own alias"):
            describe(replica, "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS a, 5 AS b", {}, NOTHING)

    def test_a_row_the_query_cannot_compute_is_an_error_in_postgresqls_words(self, replica: psycopg.Connection[Any]) -> None:
        mapping = "SELECT 1 / n AS a FROM generate_series(-2, 2) AS n"
        with pytest.raises(ReplicaError, match="fails on a row of this replica: division by zero"):
            selected(replica, mapping)

    def test_a_side_query_that_does_not_run_is_an_error_too(self, replica: psycopg.Connection[Any]) -> None:
        with pytest.raises(ReplicaError, match='A side query .* does not run on this replica: .*"nowhere"'):
            read_lookup(replica, "SELECT 1 AS a FROM nowhere", NOTHING)


class TestSnapshot:
    def test_what_is_written_after_its_first_query_is_not_seen_by_any_later_one(self, empty_replica: str) -> None:
        insert(empty_replica, "Warehouse", 3, Name="'first'")
        mapping = "SELECT Id AS warehouse_id, Name AS name FROM Warehouse"
        with psycopg.connect(empty_replica) as connection:
            begin_snapshot(connection, application_name="test", statement_timeout_minutes=1)
            find_absences(connection, ["Warehouse"])
            execute(empty_replica, f"INSERT INTO Warehouse (Id, Name) VALUES ('{uid(9)}', 'second')")
            columns = describe(connection, mapping, {}, NOTHING)
            rows = stream_rows(connection, mapping, {}, NOTHING, columns)
            next(rows)
            execute(empty_replica, f"INSERT INTO Warehouse (Id, Name) VALUES ('{uid(10)}', 'third')", "DELETE FROM Warehouse")
            assert len(list(rows)) == 2
            assert [row["name"] for row in read_lookup(connection, mapping, NOTHING)] == ["first"] * 3
        with psycopg.connect(empty_replica) as connection:
            assert read_lookup(connection, mapping, NOTHING) == []

    def test_nothing_can_be_written(self, replica: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("DELETE FROM Warehouse")

    def test_it_shows_by_name_in_the_replicas_activity(self, whole_replica: str) -> None:
        with psycopg.connect(whole_replica) as connection:
            begin_snapshot(connection, application_name="product_odp_export", statement_timeout_minutes=3)
            row = connection.execute(
                "SELECT application_name, current_setting('statement_timeout'), current_setting('transaction_isolation')"
                " FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            ).fetchone()
        assert row == ("product_odp_export", "3min", "repeatable read")

    def test_zero_minutes_is_no_limit(self, whole_replica: str) -> None:
        with psycopg.connect(whole_replica) as connection:
            begin_snapshot(connection, application_name="test", statement_timeout_minutes=0)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)

    def test_a_query_that_takes_too_long_is_ended(self, replica: psycopg.Connection[Any]) -> None:
        replica.execute("SET LOCAL statement_timeout = '200ms'")
        mapping = "SELECT n AS n FROM generate_series(1, 3) AS n, pg_sleep(0.2)"
        with pytest.raises(ReplicaTimeoutError, match="statement_timeout_minutes"):
            selected(replica, mapping)

    def test_its_settings_end_with_it(self, replica: psycopg.Connection[Any]) -> None:
        replica.rollback()
        replica.isolation_level = None
        replica.read_only = None
        assert replica.execute("SHOW statement_timeout").fetchone() == ("0",)


class TestParameters:
    @pytest.mark.parametrize("value", ["'; DROP TABLE Warehouse; --", "\\'", "%s %(x)s %%", '"', "$1", "é🙂", "a\nb", "{}"])
    def test_a_value_is_never_sql(self, replica: psycopg.Connection[Any], value: str) -> None:
        kinds, rows = selected(replica, "SELECT length(%(value)s::text) AS length", value=value)
        assert (kinds, rows) == ({"length": "number"}, [str(len(value))])


def test_a_lookup_is_read_whole_as_text(replica: psycopg.Connection[Any]) -> None:
    query = f"SELECT n AS n, NULL::text AS nothing, '{uid(1)}'::uuid AS id FROM generate_series(1, 2) AS n;"
    assert read_lookup(replica, query, NOTHING) == [
        {"n": "1", "nothing": None, "id": str(uid(1))},
        {"n": "2", "nothing": None, "id": str(uid(1))},
    ]
