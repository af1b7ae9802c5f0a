"""The setting websites: which rows the mapping files read for some of the websites."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.sql.replica import NOW, Replica

MAIN, OUTLET, THIRD = UUID(int=1001), UUID(int=1002), UUID(int=1003)
DAY = {"everything": False, "window_start": NOW - timedelta(days=1), "window_end": NOW}
LONG_AGO, TODAY = NOW - timedelta(days=9), NOW - timedelta(hours=1)


def found(replica: Replica, file: str, *websites: UUID, **parameters: Any) -> set[int]:
    """Return the ids of the rows that a file reads for some websites; for all, if none is named."""
    column = {"orders.sql": "business_id", "products.sql": "product_id", "user_profiles.sql": "business_user_id"}[file]
    rows = replica.rows(file, all_websites=not websites, website_ids=list(websites), **parameters)
    return {row[column].int for row in rows}


def test_orders_belong_to_their_own_website(replica: Replica) -> None:
    for number, site in enumerate([MAIN, OUTLET, None], start=1):
        replica.add("CustomerOrder", Id=UUID(int=number), CustomerId=UUID(int=number), WebsiteId=site, ModifiedOn=LONG_AGO)
        replica.add("OrderLine", CustomerOrderId=UUID(int=number), QtyOrdered=1, ModifiedOn=TODAY)

    assert found(replica, "orders.sql") == {1, 2, 3}
    assert found(replica, "orders.sql", MAIN) == {1}
    assert found(replica, "orders.sql", MAIN, OUTLET) == {1, 2}
    assert found(replica, "orders.sql", MAIN, **DAY) == {1}
    assert found(replica, "orders.sql", MAIN, all_ids=False, ids=[UUID(int=2)]) == set()


def test_products_belong_to_the_websites_of_their_categories(replica: Replica) -> None:
    for name, site in (("A", MAIN), ("B", OUTLET), ("C", None)):
        replica.add("Category", Id=UUID(bytes=name.encode() * 16), Name=name, WebsiteId=site)
    for number, categories in enumerate(["A", "B", "BA", "C", ""], start=1):
        replica.add("Product", Id=UUID(int=number), UrlSegment="p")
        for place, name in enumerate(categories):
            category = UUID(bytes=name.encode() * 16)
            replica.add("CategoryProduct", ProductId=UUID(int=number), CategoryId=category, IsPrimaryCategory=place == 0)

    assert found(replica, "products.sql") == {1, 2, 3, 4, 5}
    assert found(replica, "products.sql", MAIN) == {1, 3}
    assert found(replica, "products.sql", MAIN, OUTLET) == {1, 2, 3}
    assert found(replica, "products.sql", MAIN, all_ids=False, ids=[UUID(int=2), UUID(int=3)]) == {3}


def test_a_product_of_two_websites_has_the_category_and_the_address_of_the_one_that_is_sent(replica: Replica) -> None:
    for site, domain, age in ((MAIN, "main.example.com", 2), (OUTLET, "outlet.example.com", 1)):
        replica.add("Website", Id=site, Name=domain, DomainName=domain, IsActive=True, CreatedOn=NOW - timedelta(days=age))
    product = replica.add("Product", UrlSegment="p")
    for site, name in ((MAIN, "Tools"), (OUTLET, "Sale")):
        category = replica.add("Category", Name=name, WebsiteId=site)
        replica.add("CategoryProduct", ProductId=product, CategoryId=category, IsPrimaryCategory=site == MAIN)

    def seen(**parameters: Any) -> tuple[str, str]:
        row = replica.row("products.sql", site_url="", **parameters)
        return row["category"], row["product_url"]

    assert seen() == seen(all_websites=False, website_ids=[MAIN]) == ("Tools", "https://main.example.com/p")
    assert seen(all_websites=False, website_ids=[OUTLET]) == ("Sale", "https://outlet.example.com/p")


def test_people_belong_to_the_websites_they_are_assigned_to_or_else_to_all(replica: Replica) -> None:
    for number, sites in enumerate([[MAIN], [OUTLET], [OUTLET, MAIN], [], [THIRD, OUTLET]], start=1):
        replica.add("UserProfile", Id=UUID(int=number), ModifiedOn=LONG_AGO)
        for site in sites:
            replica.add("UserProfileWebsite", UserProfileId=UUID(int=number), WebsiteId=site, ModifiedOn=TODAY)

    assert found(replica, "user_profiles.sql") == {1, 2, 3, 4, 5}
    assert found(replica, "user_profiles.sql", MAIN) == {1, 3, 4}
    assert found(replica, "user_profiles.sql", OUTLET, THIRD) == {2, 3, 4, 5}
    assert found(replica, "user_profiles.sql", MAIN, all_ids=False, ids=[UUID(int=2), UUID(int=3)]) == {3}


def test_to_be_assigned_to_a_website_counts_as_a_change_where_websites_matter(replica: Replica) -> None:
    for number, moment in ((1, TODAY), (2, LONG_AGO)):
        replica.add("UserProfile", Id=UUID(int=number), ModifiedOn=LONG_AGO)
        replica.add("UserProfileWebsite", UserProfileId=UUID(int=number), WebsiteId=MAIN, ModifiedOn=moment)

    assert found(replica, "user_profiles.sql", MAIN, **DAY) == {1}
    assert found(replica, "user_profiles.sql", **DAY) == set()


def test_user_events_belong_to_their_own_website_or_else_to_those_of_their_person(replica: Replica) -> None:
    people = {name: replica.add("UserProfile", UserName=name, CreatedOn=TODAY) for name in ("main", "outlet", "free")}
    for name, site in (("main", MAIN), ("outlet", OUTLET)):
        replica.add("UserProfileWebsite", UserProfileId=people[name], WebsiteId=site)
    for page, site, person in (("of outlet", OUTLET, "main"), ("nowhere", None, "main"), ("nobody", None, None)):
        replica.add("StorefrontEvent", Type="pageview", Page=page, WebsiteId=site, UserProfileId=people.get(person or ""))

    def happened(*websites: UUID) -> set[str]:
        parameters = {"all_websites": not websites, "website_ids": list(websites), "user_events": ["register", "storefront"]}
        names = {user: name for name, user in people.items()}
        rows = replica.rows("user_events.sql", **parameters)
        return {row["page"] or names[row["event_id"]] for row in rows}

    assert happened() == {"main", "outlet", "free", "of outlet", "nowhere", "nobody"}
    assert happened(MAIN) == {"main", "free", "nowhere", "nobody"}
    assert happened(OUTLET) == {"outlet", "free", "of outlet", "nobody"}
