"""products.sql: one row per product."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import NOW, Replica

DAY = timedelta(days=1)


def add_categories(replica: Replica, *names: str) -> list[UUID]:
    """Add a chain of categories, root first."""
    ids: list[UUID] = []
    for name in names:
        ids.append(replica.add("Category", Name=name, ParentId=ids[-1] if ids else None))
    return ids


def test_every_field(replica: Replica) -> None:
    parent = replica.add("Product", ErpNumber="BB-100", Name="Battery box family", ModifiedOn=NOW - 2 * DAY)
    category = add_categories(replica, "Electrical", " Power ", "Batteries")[-1]
    product = replica.add(
        "Product",
        ErpNumber="BB-100-R",
        Name="BBX100R",
        ShortDescription=" Battery box, red ",
        Sku="SKU-1",
        UpcCode="012345678905",
        UrlSegment="battery-box-red",
        StyleParentId=parent,
        BrandId=replica.add("Brand", Name="Volt"),
        ProductLineId=replica.add("ProductLine", Name="Boxes"),
        VendorId=replica.add("Vendor", Name="Acme Supply"),
        ManufacturerItem="VB100",
        ModelNumber="M-1",
        Unspsc="26111700",
        ProductCode="PC",
        PriceCode="A",
        UnitOfMeasure="EA",
        BasicListPrice=Decimal("19.95"),
        BasicSalePrice=Decimal("14.95"),
        BasicSaleStartDate=NOW - DAY,
        BasicSaleEndDate=NOW + DAY,
        ActivateOn=NOW - DAY,
        IsDiscontinued=False,
        TrackInventory=True,
        IsStocked=True,
        ModifiedOn=NOW - DAY,
    )
    replica.add("CategoryProduct", ProductId=product, CategoryId=category, IsPrimaryCategory=True)
    replica.add("ProductImage", ProductId=product, SortOrder=2, MediumImagePath="/second.png")
    replica.add("ProductImage", ProductId=product, SortOrder=1, MediumImagePath="/first.png")

    first, second = replica.rows("products.sql")

    assert first["product_id"] == parent
    assert second == {
        "product_id": product,
        "parent_product_id": parent,
        "product_number": "BB-100-R",
        "name": "Battery box, red",
        "brand": "Volt",
        "sku": "SKU-1",
        "upc": "012345678905",
        "category": "Electrical > Power > Batteries",
        "price": Decimal("19.95"),
        "sale_price": Decimal("14.95"),
        "image_url": "https://shop.example.com/first.png",
        "product_url": "https://shop.example.com/battery-box-red",
        "manufacturer_item": "VB100",
        "model_number": "M-1",
        "unspsc": "26111700",
        "product_code": "PC",
        "price_code": "A",
        "unit_of_measure": "EA",
        "product_line": "Boxes",
        "vendor": "Acme Supply",
        "is_discontinued": False,
        "track_inventory": True,
        "is_stocked": True,
        "is_active": True,
    }


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_name_and_sku_fall_back(replica: Replica, blank: str | None) -> None:
    replica.add("Product", ErpNumber="100", Name="Box", ShortDescription=blank, Sku=blank, UrlSegment=blank)

    row = replica.row("products.sql")

    assert (row["name"], row["sku"], row["product_url"]) == ("Box", "100", None)


def test_a_bare_product_has_a_row(replica: Replica) -> None:
    product = replica.add("Product")

    row = replica.row("products.sql")

    assert {name for name, value in row.items() if value is not None} == {"product_id", "is_active"}
    assert (row["product_id"], row["is_active"]) == (product, True)


@pytest.mark.parametrize(
    ("price", "start", "end", "on_sale"),
    [
        ("5", -DAY, DAY, True),
        ("5", None, None, True),
        ("5", 0 * DAY, None, True),
        ("5", None, 0 * DAY, False),
        ("5", DAY, None, False),
        ("5", None, -DAY, False),
        ("0", -DAY, DAY, False),
        (None, -DAY, DAY, False),
    ],
)
def test_sale_price_only_during_the_sale(
    replica: Replica, price: str | None, start: timedelta | None, end: timedelta | None, on_sale: bool
) -> None:
    replica.add(
        "Product",
        BasicSalePrice=price and Decimal(price),
        BasicSaleStartDate=start if start is None else NOW + start,
        BasicSaleEndDate=end if end is None else NOW + end,
    )

    assert replica.row("products.sql")["sale_price"] == (Decimal("5") if on_sale else None)


@pytest.mark.parametrize(
    ("columns", "active"),
    [
        ({"ActivateOn": NOW}, True),
        ({"ActivateOn": NOW + DAY}, False),
        ({"ActivateOn": NOW - DAY, "DeactivateOn": NOW + DAY}, True),
        ({"ActivateOn": NOW - DAY, "DeactivateOn": NOW}, False),
        ({"ActivateOn": NOW - DAY, "IsDiscontinued": True}, False),
        ({"ActivateOn": NOW - DAY, "IsDiscontinued": None}, True),
    ],
)
def test_is_active(replica: Replica, columns: dict[str, Any], active: bool) -> None:
    replica.add("Product", **columns)

    assert replica.row("products.sql")["is_active"] is active


class TestCategory:
    """The path of the category a product is filed under."""

    def path(self, replica: Replica, *categories: UUID | None, primary: UUID | None = None) -> str | None:
        product = replica.add("Product")
        for category in categories:
            replica.add("CategoryProduct", ProductId=product, CategoryId=category, IsPrimaryCategory=category == primary or None)
        return replica.row("products.sql")["category"]

    def test_the_primary_one_wins(self, replica: Replica) -> None:
        first = replica.add("Category", Name="First", SortOrder=1)
        second = replica.add("Category", Name="Second", SortOrder=2)
        assert self.path(replica, first, second, primary=second) == "Second"

    def test_else_the_lowest_sort_order(self, replica: Replica) -> None:
        unsorted = replica.add("Category", Name="Unsorted")
        second = replica.add("Category", Name="Second", SortOrder=2)
        first = replica.add("Category", Name="First", SortOrder=1)
        assert self.path(replica, unsorted, second, first) == "First"

    def test_a_category_that_is_gone_does_not_count(self, replica: Replica) -> None:
        gone = UUID(int=1)
        there = replica.add("Category", Name="There", SortOrder=9)
        assert self.path(replica, gone, there, None, primary=gone) == "There"

    def test_a_parent_that_is_gone_ends_the_path(self, replica: Replica) -> None:
        assert self.path(replica, replica.add("Category", Name="Orphan", ParentId=UUID(int=1))) == "Orphan"

    def test_a_circle_ends(self, replica: Replica) -> None:
        upper, lower = UUID(int=1), UUID(int=2)
        replica.add("Category", Id=upper, Name="Upper", ParentId=lower)
        replica.add("Category", Id=lower, Name="Lower", ParentId=upper)
        assert self.path(replica, lower) == "Upper > Lower"

    def test_a_category_that_is_its_own_parent(self, replica: Replica) -> None:
        own = UUID(int=1)
        replica.add("Category", Id=own, Name="Own", ParentId=own)
        assert self.path(replica, own) == "Own"

    def test_ten_levels_at_most(self, replica: Replica) -> None:
        names = [f"C{level}" for level in range(12)]
        assert self.path(replica, add_categories(replica, *names)[-1]) == " > ".join(names[2:])

    def test_nameless_levels_are_left_out(self, replica: Replica) -> None:
        assert self.path(replica, add_categories(replica, "Root", " ", "Leaf")[-1]) == "Root > Leaf"

    def test_only_nameless_levels(self, replica: Replica) -> None:
        assert not self.path(replica, add_categories(replica, "", "")[-1])


class TestImage:
    """The address of the first image."""

    @pytest.mark.parametrize(
        ("path", "url"),
        [
            ("/images/a.png", "https://shop.example.com/images/a.png"),
            ("images/a.png", "https://shop.example.com/images/a.png"),
            ("~/images/a.png", "https://shop.example.com/images/a.png"),
            (" http://cdn.example.com/a.png ", "http://cdn.example.com/a.png"),
            ("HTTPS://cdn.example.com/a.png", "HTTPS://cdn.example.com/a.png"),
            ("//cdn.example.com/a.png", "https://cdn.example.com/a.png"),
        ],
    )
    def test_addresses(self, replica: Replica, path: str, url: str) -> None:
        replica.add("ProductImage", ProductId=replica.add("Product"), MediumImagePath=path)
        assert replica.row("products.sql")["image_url"] == url

    @pytest.mark.parametrize(
        ("medium", "large", "small", "chosen"),
        [
            ("m", "l", "s", "m"),
            ("", "l", "s", "l"),
            (None, " ", "s", "s"),
            ("", None, " ", None),
        ],
    )
    def test_sizes(self, replica: Replica, medium: str, large: str, small: str, chosen: str | None) -> None:
        replica.add(
            "ProductImage",
            ProductId=replica.add("Product"),
            MediumImagePath=medium,
            LargeImagePath=large,
            SmallImagePath=small,
        )
        url = replica.row("products.sql")["image_url"]
        assert url == (chosen and f"https://shop.example.com/{chosen}")

    def test_an_image_without_path_gives_way_to_the_next(self, replica: Replica) -> None:
        product = replica.add("Product")
        replica.add("ProductImage", ProductId=product, SortOrder=1, MediumImagePath="")
        replica.add("ProductImage", ProductId=product, SortOrder=3, SmallImagePath="third")
        replica.add("ProductImage", ProductId=product, SortOrder=2, SmallImagePath="second")
        assert replica.row("products.sql")["image_url"] == "https://shop.example.com/second"

    def test_equal_sort_orders_are_told_apart_by_id(self, replica: Replica) -> None:
        product = replica.add("Product")
        for number in (3, 1, 2):
            replica.add("ProductImage", Id=UUID(int=number), ProductId=product, SortOrder=0, SmallImagePath=f"{number}")
        assert replica.row("products.sql")["image_url"] == "https://shop.example.com/1"


class TestSiteAddress:
    """What relative addresses are completed with."""

    def url(self, replica: Replica, site_url: str = "") -> str | None:
        replica.add("Product", UrlSegment="/box")
        return replica.row("products.sql", site_url=site_url)["product_url"]

    @pytest.mark.parametrize(
        ("site_url", "url"),
        [
            ("https://shop.example.com/", "https://shop.example.com/box"),
            ("http://localhost:8080", "http://localhost:8080/box"),
            (" shop.example.com ", "https://shop.example.com/box"),
        ],
    )
    def test_the_setting(self, replica: Replica, site_url: str, url: str) -> None:
        replica.add("Website", DomainName="other.example.com", IsActive=True)
        assert self.url(replica, site_url) == url

    @pytest.mark.parametrize(
        "domains",
        ["a.example.com,b.example.com", " ,a.example.com", "http://a.example.com/", "HTTPS://a.example.com", "//a.example.com"],
    )
    def test_else_the_first_domain(self, replica: Replica, domains: str) -> None:
        replica.add("Website", DomainName=domains, IsActive=True)
        assert self.url(replica) == "https://a.example.com/box"

    def test_of_the_oldest_active_website_that_has_one(self, replica: Replica) -> None:
        for age, domain, active in ((4, "closed.example.com", False), (3, "", True), (1, "new.example.com", True)):
            replica.add("Website", DomainName=domain, IsActive=active, CreatedOn=NOW - age * DAY)
        replica.add("Website", DomainName="old.example.com", IsActive=True, CreatedOn=NOW - 2 * DAY)
        assert self.url(replica) == "https://old.example.com/box"

    def test_else_relative_addresses_are_left_out(self, replica: Replica) -> None:
        replica.add("ProductImage", ProductId=replica.add("Product"), MediumImagePath="/a.png")
        row = replica.row("products.sql", site_url="")
        assert (row["image_url"], row["product_url"]) == (None, None)

    def test_absolute_addresses_need_none(self, replica: Replica) -> None:
        product = replica.add("Product", UrlSegment="https://other.example.com/box")
        replica.add("ProductImage", ProductId=product, MediumImagePath="//cdn.example.com/a.png")
        row = replica.row("products.sql", site_url="")
        assert (row["image_url"], row["product_url"]) == ("https://cdn.example.com/a.png", "https://other.example.com/box")
