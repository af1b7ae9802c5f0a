"""The setting websites on a real replica: names are looked up, and what cannot be told apart is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from odp.core.exceptions import ReplicaError
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES, Export
from tests.core.extraction import SQL, Extraction, execute, insert, uid

MAIN = f"'{uid(1)}'"
BY_WEBSITE = [ORDERS, PRODUCTS, USER_PROFILES]


@pytest.fixture
def shop(empty_replica: str) -> str:
    """A replica with two websites and an order on each."""
    insert(empty_replica, "Website", 2, Name="CASE n WHEN 1 THEN 'Main' ELSE 'Outlet' END", Key="n")
    insert(
        empty_replica,
        "CustomerOrder",
        2,
        OrderNumber="'W' || n",
        Status="'Submitted'",
        OrderDate="now()",
        WebsiteId="lpad(to_hex(n), 32, '0')::uuid",
        BtEmail="'b@example.com'",
    )
    return empty_replica


def test_only_orders_of_the_websites_are_read(shop: str, tmp_path: Path) -> None:
    extraction = Extraction(shop, ORDERS, tmp_path, websites=[" main"])
    assert [item["data"]["order"]["website"] for item in extraction.items] == ["Main"]
    assert extraction.manifest["rows"] == 1


def test_orders_that_are_tried_again_are_of_the_websites_too(shop: str, tmp_path: Path) -> None:
    both = (str(uid(1)), str(uid(2)))
    assert Extraction(shop, ORDERS, tmp_path, websites=["Outlet"], ids=[], retried=both).manifest["rows"] == 1


def test_what_belongs_to_no_website_is_read_all_the_same(shop: str, tmp_path: Path) -> None:
    insert(shop, "Warehouse", 2, Name="'W' || n")
    assert Extraction(shop, WAREHOUSES, tmp_path, websites=["Main"]).manifest["rows"] == 2


@pytest.mark.parametrize("export", BY_WEBSITE)
def test_an_unknown_website_is_named_with_the_known_ones(shop: str, tmp_path: Path, export: Export) -> None:
    with pytest.raises(ReplicaError, match=r"no website Mian, .*main, outlet"):
        Extraction(shop, export, tmp_path, websites=["Main", "Mian"])


@pytest.mark.parametrize(
    ("export", "change", "named"),
    [
        (ORDERS, "ALTER TABLE CustomerOrder DROP COLUMN WebsiteId", "CustomerOrder.WebsiteId"),
        (PRODUCTS, "ALTER TABLE Category DROP COLUMN WebsiteId", "Category.WebsiteId"),
        (USER_PROFILES, "DROP TABLE UserProfileWebsite", "UserProfileWebsite"),
        (ORDERS, "DROP TABLE Website", "Website.Name"),
    ],
)
def test_nothing_is_sent_where_the_website_cannot_be_told(
    shop: str, tmp_path: Path, export: Export, change: str, named: str
) -> None:
    execute(shop, change)
    with pytest.raises(ReplicaError, match=f"lacks {named}"):
        Extraction(shop, export, tmp_path, websites=["Main"])
    Extraction(shop, export, tmp_path)


@pytest.mark.parametrize("export", EXPORTS)
def test_a_mapping_file_that_does_not_select_by_website_is_refused(shop: str, tmp_path: Path, export: Export) -> None:
    text = (SQL / export.sql).read_text()
    own = text.replace("%(website_ids)s", f"ARRAY[{MAIN}]")
    if export in BY_WEBSITE:
        with pytest.raises(ReplicaError, match="does not select by website"):
            Extraction(shop, export, tmp_path, mapping=own, websites=["Main"])
    else:
        assert own == text
