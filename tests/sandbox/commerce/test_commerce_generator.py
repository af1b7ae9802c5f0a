"""The generator: sizes, determinism, references, balanced orders, the command line."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from sandbox.commerce import generate
from sandbox.commerce.__main__ import main
from sandbox.commerce.generator import PLACED_PER_MILLE, UNPLACED_PER_MILLE
from sandbox.commerce.reference_rows import POST_PROCESSORS, uid
from sandbox.commerce.vocabulary import slug, word_lists
from tests.sandbox.commerce.generated_replica import NOW, SIZES, Replica

# Child column -> parent table, for the references that must all hold.
REFERENCES = (
    ("OrderLine", "CustomerOrderId", "CustomerOrder"),
    ("OrderLine", "ProductId", "Product"),
    ("CustomerOrder", "CustomerId", "Customer"),
    ("CustomerOrder", "ShipToId", "Customer"),
    ("CustomerOrder", "PlacedByUserProfileId", "UserProfile"),
    ("CustomerOrder", "CurrencyId", "Currency"),
    ("CustomerOrder", "WebsiteId", "Website"),
    ("CustomerOrder", "DefaultWarehouseId", "Warehouse"),
    ("CustomerOrderPromotion", "CustomerOrderId", "CustomerOrder"),
    ("CustomerOrderPromotion", "OrderLineId", "OrderLine"),
    ("OrderHistoryLine", "OrderHistoryId", "OrderHistory"),
    ("Product", "BrandId", "Brand"),
    ("Product", "ProductLineId", "ProductLine"),
    ("Product", "VendorId", "Vendor"),
    ("Product", "StyleParentId", "Product"),
    ("ProductImage", "ProductId", "Product"),
    ("CategoryProduct", "ProductId", "Product"),
    ("CategoryProduct", "CategoryId", "Category"),
    ("ProductWarehouse", "WarehouseId", "Warehouse"),
    ("Category", "ParentId", "Category"),
    ("Customer", "ParentId", "Customer"),
    ("Customer", "StateId", "State"),
    ("Customer", "CountryId", "Country"),
    ("UserProfile", "DefaultCustomerId", "Customer"),
    ("UserProfile", "LanguageId", "Language"),
    ("JobDefinitionParameter", "JobDefinitionId", "JobDefinition"),
)

EXPORTED = ("Product", "Warehouse", "Customer", "UserProfile", "CustomerUserProfile", "CustomerOrder", "OrderLine")


def test_makes_as_many_rows_as_asked_and_reports_them(replica: Replica) -> None:
    counts = replica.counts
    assert (counts["Customer"], counts["UserProfile"]) == (SIZES["customers"], SIZES["customers"])
    assert counts["CustomerOrder"] == SIZES["orders"]
    assert counts["Product"] == SIZES["products"]
    assert 3 <= counts["OrderLine"] / counts["CustomerOrder"] <= 5
    assert counts["JobDefinition"] == len(POST_PROCESSORS)
    assert counts == {table: replica.value(f"SELECT count(*) FROM {table}") for table in counts}
    assert all(counts.values())


def test_leaves_nothing_but_the_schema(replica: Replica) -> None:
    schemas = replica.rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' ORDER BY 1")
    assert ("dbo_drafts",) not in schemas
    assert not replica.rows("SELECT proname FROM pg_proc WHERE pronamespace = 'dbo'::regnamespace")


def test_statuses_have_their_shares(replica: Replica) -> None:
    expected = {**PLACED_PER_MILLE, **UNPLACED_PER_MILLE}
    assert sum(expected.values()) == 1_000
    counts = dict(replica.rows("SELECT Status, count(*) FROM CustomerOrder GROUP BY 1"))
    assert counts == {status: share * SIZES["orders"] // 1_000 for status, share in expected.items()}


def test_only_placed_orders_have_a_number_and_it_is_theirs_alone(replica: Replica) -> None:
    unplaced = replica.rows("SELECT DISTINCT Status FROM CustomerOrder WHERE OrderNumber = ''")
    assert {status for (status,) in unplaced} == set(UNPLACED_PER_MILLE)
    assert not replica.rows("SELECT OrderNumber FROM CustomerOrder WHERE OrderNumber <> '' GROUP BY 1 HAVING count(*) > 1")
    assert not replica.rows("SELECT 1 FROM CustomerOrder WHERE OrderNumber <> '' AND OrderDate IS NULL")


def test_orders_balance(replica: Replica) -> None:
    unbalanced = replica.rows(
        """
        SELECT o.Id, o.OrderTotal, o.TaxAmount
        FROM CustomerOrder o
        LEFT JOIN (
            SELECT CustomerOrderId, sum(CASE TotalNetPrice WHEN 0 THEN QtyOrdered * UnitNetPrice ELSE TotalNetPrice END) AS net
            FROM OrderLine GROUP BY 1
        ) l ON l.CustomerOrderId = o.Id
        LEFT JOIN (
            SELECT CustomerOrderId, sum(Amount)::numeric AS discount
            FROM CustomerOrderPromotion WHERE OrderLineId IS NULL GROUP BY 1
        ) p ON p.CustomerOrderId = o.Id
        WHERE o.OrderTotal <> coalesce(l.net, 0) - coalesce(p.discount, 0)
            + CASE o.TaxAmount WHEN 0 THEN o.StateTax + o.LocalTax ELSE o.TaxAmount END
            + o.ShippingCharges + coalesce(o.HandlingCharges, 0)
        """
    )
    assert not unbalanced
    assert not replica.rows("SELECT 1 FROM CustomerOrder WHERE OrderTotal < 0")


@pytest.mark.parametrize(("child", "column", "parent"), REFERENCES)
def test_references_hold(replica: Replica, child: str, column: str, parent: str) -> None:
    assert replica.value(f"SELECT count(*) FROM {child} WHERE {column} IS NOT NULL")
    assert not replica.rows(f"SELECT 1 FROM {child} c WHERE NOT c.{column} IN (SELECT Id FROM {parent})")


def test_links_are_not_doubled_and_few_are_broken(replica: Replica) -> None:
    assert not replica.rows("SELECT 1 FROM CustomerUserProfile GROUP BY CustomerId, UserProfileId HAVING count(*) > 1")
    broken = replica.value(
        "SELECT count(*) FROM CustomerUserProfile l WHERE NOT EXISTS (SELECT FROM Customer c WHERE c.Id = l.CustomerId)"
        " OR NOT EXISTS (SELECT FROM UserProfile u WHERE u.Id = l.UserProfileId)"
    )
    assert broken == 2 * len(range(21, SIZES["customers"], 250))


def test_account_numbers_are_unique(replica: Replica) -> None:
    assert not replica.rows("SELECT 1 FROM Customer GROUP BY CustomerNumber, CustomerSequence HAVING count(*) > 1")
    assert not replica.rows("SELECT 1 FROM UserProfile GROUP BY UserName HAVING count(*) > 1")
    assert not replica.rows("SELECT 1 FROM Product GROUP BY ErpNumber HAVING count(*) > 1")


def test_no_email_is_malformed_and_few_are_shared(replica: Replica) -> None:
    emails = replica.rows(
        "SELECT btrim(Email) FROM UserProfile UNION SELECT btrim(Email) FROM Customer"
        " UNION SELECT btrim(BtEmail) FROM CustomerOrder UNION SELECT btrim(StEmail) FROM CustomerOrder"
    )
    plain = re.compile(r"[A-Za-z0-9._-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}")
    assert [email for (email,) in emails if email and not plain.fullmatch(email)] == []
    shared = replica.rows(
        "SELECT lower(btrim(Email)), count(*) FROM UserProfile WHERE btrim(Email) <> '' GROUP BY 1 HAVING count(*) > 1"
    )
    assert [count for _, count in shared] == [2, 2]


@pytest.mark.parametrize("table", EXPORTED)
def test_changes_lie_within_thirty_days_and_after_creation(replica: Replica, table: str) -> None:
    assert not replica.rows(f"SELECT 1 FROM {table} WHERE CreatedOn > ModifiedOn")
    ((first, last),) = replica.rows(f"SELECT min(ModifiedOn), max(ModifiedOn) FROM {table}")
    # Lines may be somewhat older than their orders.
    assert NOW - timedelta(days=30, hours=1) <= first <= last < NOW
    if replica.counts[table] > 1_000:
        per_day = replica.rows(f"SELECT count(*) FROM {table} GROUP BY date_trunc('day', ModifiedOn, 'UTC')")
        assert len(per_day) >= 30


def test_orders_were_placed_between_creation_and_last_change(replica: Replica) -> None:
    assert not replica.rows("SELECT 1 FROM CustomerOrder WHERE NOT OrderDate BETWEEN CreatedOn AND ModifiedOn")


def test_same_seed_same_rows(replica: Replica) -> None:
    first = replica.checksums("dbo")
    generate(replica.dsn, seed=7, now=NOW, schema="Again", **SIZES)
    assert replica.checksums('"Again"') == first
    assert replica.value("SELECT count(*) FROM CustomerOrder") == SIZES["orders"]


def test_another_seed_gives_other_rows(replica: Replica) -> None:
    generate(replica.dsn, seed=8, now=NOW, schema="other", customers=20, orders=20, products=20)
    assert not replica.rows("SELECT Id FROM dbo.Product INTERSECT SELECT Id FROM other.Product")


def test_ids_can_be_computed(replica: Replica) -> None:
    assert replica.value(f"SELECT OrderNumber FROM CustomerOrder WHERE Id = '{uid(7, 'CustomerOrder', 40)}'") == "W00000040"


def test_is_small_when_asked(replica: Replica) -> None:
    counts = generate(replica.dsn, customers=1, orders=1, products=1, schema="tiny", now=NOW)
    assert (counts["Customer"], counts["CustomerOrder"], counts["Product"]) == (1, 1, 1)


def test_command_line(replica: Replica, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dsn", replica.dsn, "--schema", "cli", "--customers", "20", "--orders", "30", "--products", "10"]
    main([*arguments, "--seed", "3", "--now", NOW.isoformat()])
    output = capsys.readouterr()
    assert re.search(r"^CustomerOrder +30$", output.out, re.M)
    assert "orders.sql: 30 of 30" in output.err
    main([*arguments, "--seed", "3", "--now", NOW.isoformat()])
    assert replica.value("SELECT count(*) FROM CustomerOrder", "cli") == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--orders", "0"], "at least one"), (["--now", "2025-06-30T12:00:00"], "no time zone")],
)
def test_command_line_refuses(replica: Replica, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit):
        main(["--dsn", replica.dsn, *arguments])
    assert message in capsys.readouterr().err


def test_primary_keys_and_indexes_exist(replica: Replica) -> None:
    keyed = replica.rows(
        "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'p' AND connamespace = 'dbo'::regnamespace"
    )
    assert {table for (table,) in keyed} == {table.lower() for table in replica.counts}
    indexed = {definition.split(" USING btree ")[1] + " " + table for table, definition in replica.rows(
        "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'dbo'"
    )}  # fmt: skip
    assert {f"(modifiedon, id) {table}" for table in ("product", "customerorder", "customer", "userprofile")} <= indexed
    assert {"(customerorderid) orderline", "(parenttable, parentid, name) customproperty"} <= indexed


def test_slugs_are_plain() -> None:
    lists = word_lists()
    slugs = [word for name in lists if name.endswith("_slugs") for word in lists[name]]
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", word) for word in slugs)
    assert len(lists["company_slugs"]) == len(set(lists["company_slugs"])) == len(lists["company_names"])
    assert slug("  Łódź & Søn ") == "lodz-son"
