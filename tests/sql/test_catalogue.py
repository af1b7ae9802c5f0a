"""The catalogue of Commerce tables, the contracts and the mapping files say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from odp.core.commerce import READS, TABLES
from odp.core.records import Business, BusinessUser, Order, OrderItem, Product, Profile, Record, Warehouse
from odp.core.replica import describe, find_absences, stream_rows
from odp.core.user_events import UserEvent
from sandbox.postgres import PostgresServer
from tests.sql.replica import DEFAULTS, SQL_FOLDER, Replica, connect, create_tables, sql_text

CONTRACTS: dict[str, type[Record]] = {
    "products.sql": Product,
    "warehouses.sql": Warehouse,
    "orders.sql": Order,
    "customers.sql": Business,
    "user_profiles.sql": Profile,
    "customer_user_profiles.sql": BusinessUser,
    "user_events.sql": UserEvent,
}
REQUIRED_TABLES = {"Product", "Warehouse", "Customer", "UserProfile", "CustomerUserProfile", "CustomerOrder", "OrderLine"}
NO_SOURCE_IN_COMMERCE = {"coupon_code"}


def statement(file: str) -> str:
    """Return a mapping file without its comments."""
    return re.sub(r"--.*", "", sql_text(file))


def relations(file: str) -> dict[str, str]:
    """Return what a file reads, by alias; common table expressions of its own are left out."""
    found = re.findall(
        r"\b(?:FROM|JOIN)\s+(?!LATERAL\b)([A-Za-z_]\w*)(?:[ \t]+(?:AS[ \t]+)?(?!ON\b|WHERE\b)([a-z]\w*))?", statement(file)
    )
    return {alias or name: name for name, alias in found if name in TABLES or not name.islower()}


def column_references(file: str) -> Iterator[tuple[str, str]]:
    """Yield each ``alias.Column`` of a file, as table and column."""
    tables = relations(file)
    for alias, column in re.findall(r"\b([a-z]\w*)\.([A-Za-z]\w*)", statement(file)):
        if alias in tables:
            yield tables[alias], column


@pytest.mark.parametrize("file", READS)
def test_a_file_reads_the_tables_that_the_catalogue_says(file: str) -> None:
    assert set(relations(file).values()) == set(READS[file])


@pytest.mark.parametrize("file", READS)
def test_every_column_is_in_the_catalogue_as_commerce_spells_it(file: str) -> None:
    references = set(column_references(file))
    assert references
    assert not {
        f"{table}.{column}" for table, column in references if column not in {known.name for known in TABLES[table].columns}
    }


def test_the_catalogue_holds_nothing_that_is_not_read() -> None:
    read = {reference for file in READS for reference in column_references(file)}
    known = {(table.name, column.name) for table in TABLES.values() for column in table.columns}
    # Custom properties are read as a whole by odp.core.custom_properties; tables need an Id to be told apart.
    unread = {(table, column) for table, column in known - read if table != "CustomProperty" and column != "Id"}
    assert not unread


def test_required_tables() -> None:
    assert {table.name for table in TABLES.values() if table.required} == REQUIRED_TABLES
    for table in TABLES.values():
        assert any(column.required for column in table.columns) or table.name == "Website"


def test_a_column_is_found_in_any_case() -> None:
    column = TABLES["Product"].column("ERPNUMBER")
    assert column
    assert (column.name, column.type, column.required) == ("ErpNumber", "text", False)
    assert TABLES["Product"].column("Nothing") is None


def test_every_mapping_file_is_known() -> None:
    others = {"folded_views.sql", "ledger.sql", "storefront_event.sql", "change_notifications.sql"}
    assert {path.name for path in SQL_FOLDER.glob("*.sql")} - others == set(READS)


@pytest.mark.parametrize("file", READS)
def test_names_do_not_hide_tables(file: str) -> None:
    own = re.findall(r"(?:WITH|RECURSIVE|,)\s+(\w+) AS (?:NOT MATERIALIZED |MATERIALIZED )?\(", statement(file))
    assert not {name.lower() for name in own} & {table.lower() for table in TABLES}


@pytest.mark.parametrize(("file", "contract"), CONTRACTS.items())
def test_a_file_selects_the_fields_of_its_contract(replica: Replica, file: str, contract: type[Record]) -> None:
    cursor = replica.connection.execute(sql_text(file), DEFAULTS)
    selected = {column.name for column in cursor.description or ()} - {"skip_reason", "entity_id", "original_currency"}
    expected = set(contract.model_fields) - NO_SOURCE_IN_COMMERCE
    if contract is Order:
        expected = expected - {"items"} | {f"item_{name}" for name in OrderItem.model_fields}
    assert selected == expected


@pytest.mark.parametrize("contract", [*CONTRACTS.values(), OrderItem])
def test_sources_name_columns_of_the_catalogue(contract: type[Record]) -> None:
    for name, field in contract.model_fields.items():
        if name == "items":
            continue
        assert isinstance(field.json_schema_extra, dict)
        named = re.findall(r"\b([A-Z]\w+)\.([A-Z]\w+)", str(field.json_schema_extra["source"]))
        assert bool(named) != (name in NO_SOURCE_IN_COMMERCE), name
        for table, column in named:
            assert column in {known.name for known in TABLES[table].columns}, f"{name}: {table}.{column}"


@pytest.mark.parametrize("contract", CONTRACTS.values())
def test_keys_and_standard_fields_are_fields(contract: type[Record]) -> None:
    names = list(contract.model_fields)
    assert tuple(names[: len(contract.key)]) == contract.key
    assert contract.standard_fields | contract.envelope <= set(names)
    assert contract.object_name
    assert contract.object_alias
    assert contract.object_display_name


@pytest.fixture(scope="module")
def bare_database(mapping_server: PostgresServer) -> str:
    """Return a database with the required tables and columns only, and one row in each."""
    dsn = mapping_server.create_database("commerce_bare")
    with connect(dsn) as connection:
        create_tables(connection, optional=False)
        bare = Replica(connection)
        person = bare.add("UserProfile", Email="ana@example.com")
        customer = bare.add("Customer")
        bare.add("CustomerUserProfile", CustomerId=customer, UserProfileId=person)
        bare.add("Product")
        bare.add("Warehouse")
        order = bare.add("CustomerOrder", OrderNumber="1", Status="Submitted")
        bare.add("OrderLine", CustomerOrderId=order, QtyOrdered=Decimal(1))
    return dsn


@pytest.mark.parametrize("file", CONTRACTS)
@pytest.mark.parametrize("everything", [True, False])
def test_a_replica_without_anything_optional_is_enough(bare_database: str, file: str, everything: bool) -> None:
    parameters = DEFAULTS | {"everything": everything}
    with psycopg.connect(bare_database) as connection:
        absences = find_absences(connection, READS[file])
        columns = describe(connection, sql_text(file), parameters, absences)
        rows = list(stream_rows(connection, sql_text(file), parameters, absences, columns))

    assert absences.tables
    assert len(rows) == (1 if everything else 0)
