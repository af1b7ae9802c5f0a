"""The small tables, which are the same size in every replica: places, brands, categories, warehouses, mappings, jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sandbox.commerce.vocabulary import PLACES, slug

Row = dict[str, Any]

COUNTRIES = {
    "US": "United States", "CA": "Canada", "DE": "Deutschland", "PL": "Polska", "DK": "Danmark", "FR": "France",
    "ES": "España", "GB": "United Kingdom", "JP": "日本", "AT": "Österreich", "XK": "Kosovo",
}  # fmt: skip
CURRENCIES = {"USD": "$", "CAD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
LANGUAGES = {"en-us": "English", "de-de": "Deutsch", "fr-ca": "Français (Canada)"}
WEBSITES = {"Main": "shop.example.com", "Pro Søk": "https://pro.example.com"}
BRANDS = ("Hexora", "Brückner", "O'Malley & Co", "TOOLS+", "Ünal", "  Padded Brand ", "Kyōto 京都", "Rivet \"R\"")  # fmt: skip
VENDORS = ("Global Fasteners Ltd.", "Łódź Metal", "Delta\\West", "Vendor, with comma", "Æbelø Trading")
PRODUCT_LINES = ("Pro", "Home & Garden", "Édition limitée", "Value", "X-Treme™", "")

# Each entry is one level below the nearest shorter indentation above it.
CATEGORIES = """
Fasteners
  Bolts
    Hex Bolts
    Carriage Bolts
    "Special" Bolts
  Nuts & Washers
    Schließmuttern
  Screws
Plumbing
  Pipe > Fittings
    Elbows
    Tees
  Valves
Electrical
  Lighting
    LED 💡
    Leuchtstoffröhren
  Cable
Tools
  Hand Tools
    Hammers
    Sägen
  Power Tools
    Drills
    Drill Bits, HSS
Safety
  Gloves
  Protección ocular
Seasonal
"""

# Name, city as in PLACES, latitude, longitude, further columns. Both coordinates 0 mean that none were entered.
WAREHOUSES: tuple[tuple[str, str, float | None, float | None, Row], ...] = (
    ("Minneapolis Main", "Minneapolis", 44.977753, -93.265011, {"IsDefault": True, "AllowPickup": True}),
    ("Boston", "Boston", 42.360082, -71.05888, {"AllowPickup": True, "Hours": "Mon–Fri 8–17\nSat 9–12"}),
    ("Texas \"DC\"", "Austin", 0, 0, {"Phone": ""}),
    ("Toronto", "Toronto", 43.653226, -79.383184, {"ShipSite": "TOR-1"}),
    ("Köln Süd", "Köln", 50.937531, 6.960279, {"AllowPickup": True, "Description": "Lager für Öle & Fette " * 60}),
    ("  Dresden ", "Dresden", 51.050409, 13.737262, {"ContactName": "Jürgen O'Neil"}),
    ("Null Island", "London", 0, 0, {"AllowPickup": True}),
    ("Greenwich", "London", 51.477928, 0, {}),
    ("Closed Depot", "New York", 40.712776, -74.005974, {"closed": -90}),
    ("Closing Depot", "Seattle", 47.606209, -122.332069, {"closed": 60}),
    ("東京倉庫", "東京", 35.676422, 139.650027, {}),
    ("Unplaced", "", None, None, {"IsDefault": None}),
)  # fmt: skip

# What Commerce does with an ERP status in ODP: an empty action leaves the built-in default, if there is one.
STATUS_ACTIONS: Mapping[str, str | None] = {
    "Processing": "Purchase",
    "Complete": "Purchase",
    "Cancelled": "Cancel",
    "Submitted": "",
    "Shipped": None,
    "ReadyForPickup": None,
    "Invoiced": "",
    "QuoteProposed": None,
}

# Post processor, name, recurrence (type, interval and hour; a cron expression; none), LookBackDays, when to notify whom.
JOBS: tuple[tuple[str, str, tuple[str, int, int] | str | None, str, str, str], ...] = (
    ("ProductOdpExport", "ODP Product Export", ("Days", 1, 2), "1", "Failure", "catalog@example.com"),
    ("WarehouseOdpExport", "ODP Warehouse Export", ("Weeks", 1, 3), "7", "Failure", ""),
    ("OrderOdpExport", "ODP Order Export", ("Hours", 4, 1), "1", "Completion", "orders@example.com; it@example.com"),
    ("CustomerOdpExport", "ODP Customer Export", "30 2 * * 1-5", "3", "Failure", "crm@example.com"),
    ("UserProfileOdpExport", "ODP User Profile Export", ("Days", 2, 4), "", "SuccessOnly", "crm@example.com"),
    ("CustomerToUserMappingOdpExport", "ODP Customer To User Mapping Export", None, "", "Failure", ""),
)  # fmt: skip
POST_PROCESSORS = {processor: name for processor, name, *_ in JOBS}


def uid(seed: int, entity: str, key: object) -> UUID:
    """
    Return the Id of an entity, as the SQL function of this name does.

    :param seed: the replica's seed
    :param entity: name of the table
    :param key: what tells the rows of the table apart
    """
    return UUID(hashlib.md5(f"{seed}/{entity}/{key}".encode(), usedforsecurity=False).hexdigest())


def reference_rows(seed: int, now: datetime) -> Iterator[tuple[str, list[Row]]]:
    """
    Yield every small table with its rows, which hold only the columns that are given.

    :param seed: the replica's seed
    :param now: the moment after which nothing has happened
    """
    for table, rows in _tables(seed, now):
        for number, row in enumerate(rows, start=1):
            row["Id"] = uid(seed, table, row.pop("key", number))
            # Two hours apart, so that a day's window holds some of every table and not all of it.
            row["ModifiedOn"] = now - timedelta(hours=2 * number)
            row["CreatedOn"] = now - timedelta(days=700, hours=number)
            row["ModifiedBy"] = "admin"
        yield table, rows


def _tables(seed: int, now: datetime) -> Iterator[tuple[str, list[Row]]]:
    yield (
        "Website",
        [{"Name": name, "Key": slug(name), "DomainName": domain, "IsActive": True} for name, domain in WEBSITES.items()],
    )
    yield (
        "Language",
        [
            {"key": code, "LanguageCode": code, "CultureCode": code, "Description": name, "IsDefault": code == "en-us"}
            for code, name in LANGUAGES.items()
        ],
    )
    yield (
        "Currency",
        [
            {"key": code, "CurrencyCode": code, "CurrencySymbol": symbol, "IsDefault": code == "USD"}
            for code, symbol in CURRENCIES.items()
        ],
    )
    yield (
        "Country",
        [
            {"key": code, "Name": name, "Abbreviation": code, "IsoCode2": code, "IsActive": True}
            for code, name in COUNTRIES.items()
        ],
    )
    yield (
        "State",
        [
            {"key": f"{country}-{state}", "CountryId": uid(seed, "Country", country), "Abbreviation": state, "Name": state}
            for country, state in sorted({(country, state) for _, state, _, country, _ in PLACES if state})
        ],
    )
    yield "Brand", [{"Name": name, "UrlSegment": slug(name), "SortOrder": len(name)} for name in BRANDS]
    yield "ProductLine", [{"Name": name, "BrandId": uid(seed, "Brand", 1)} for name in PRODUCT_LINES]
    yield "Vendor", [{"Name": name, "VendorNumber": f"{n:04}"} for n, name in enumerate(VENDORS, start=1)]
    yield "Category", _categories(seed, now)
    yield "Warehouse", [_warehouse(seed, now, *warehouse) for warehouse in WAREHOUSES]
    yield (
        "OrderStatusMapping",
        [
            {"ErpOrderStatus": status, "DisplayName": f"{status} order", "OdpActionType": action, "AllowCancellation": True}
            for status, action in STATUS_ACTIONS.items()
        ],
    )
    yield "JobDefinition", [_job(now, *job) for job in JOBS]
    yield (
        "JobDefinitionParameter",
        [
            {
                "JobDefinitionId": uid(seed, "JobDefinition", processor), "Sequence": n, "Name": name, "ValueType": kind,
                "DefaultValue": days if name == "LookBackDays" else "",
            }
            for processor, _, _, days, _, _ in JOBS
            for n, (name, kind) in enumerate(
                [("LookBackDays", "Number"), ("StartDate", "SpecificDateTime"), ("EndDate", "SpecificDateTime")], start=1
            )
        ],
    )  # fmt: skip


def _job(
    now: datetime, processor: str, name: str, recurrence: tuple[str, int, int] | str | None, _: str, condition: str, email: str
) -> Row:
    kind, interval, hour = recurrence if isinstance(recurrence, tuple) else ("Days", 1, 0)
    return {
        "key": processor, "Name": name, "PostProcessor": processor, "JobType": "Refresh",
        "NotifyCondition": condition, "NotifyEmail": email, "LinkedJobCondition": "SuccessOnly",
        "RecurringJob": recurrence is not None, "RecurringType": kind, "RecurringInterval": interval,
        "RecurringStartDateTime": (now - timedelta(days=60)).replace(hour=hour) if recurrence else None,
        "RecurringAdvancedMode": isinstance(recurrence, str),
        "RecurringCronExpression": recurrence if isinstance(recurrence, str) else None,
    }  # fmt: skip


def _categories(seed: int, now: datetime) -> list[Row]:
    rows: list[Row] = []
    above: list[int] = []
    for number, line in enumerate(CATEGORIES.strip("\n").splitlines(), start=1):
        level = (len(line) - len(line.lstrip())) // 2
        parent = uid(seed, "Category", above[level - 1]) if level else None
        above[level:] = [number]
        rows.append({"Name": line.strip(), "ParentId": parent, "SortOrder": number % 7, "UrlSegment": slug(line)})
    # Two categories that are each other's parent, and one that is its own.
    count = len(rows)
    for name, parent_number in (("Loop A", count + 2), ("Loop B", count + 1), ("Self", count + 3)):
        rows.append({"Name": name, "ParentId": uid(seed, "Category", parent_number), "SortOrder": 0, "UrlSegment": ""})
    rows.append({"Name": "Retired", "ParentId": None, "SortOrder": -1, "UrlSegment": ""})
    for row in rows:
        row["WebsiteId"] = uid(seed, "Website", 1)
        row["DeactivateOn"] = now - timedelta(days=50) if row["Name"] == "Retired" else None
    return rows


def _warehouse(seed: int, now: datetime, name: str, city: str, latitude: float | None, longitude: float | None, more: Row) -> Row:
    place = next((place for place in PLACES if place[0] == city), ("", "", "", "", ""))
    row: Row = {
        "Name": name, "Description": name.upper(), "Address1": "1 Depot Road" if city else "", "City": city,
        "State": place[1], "PostalCode": place[2], "CountryId": uid(seed, "Country", place[3]) if city else None,
        "Phone": "+1 612 555 0100", "Latitude": latitude, "Longitude": longitude, "IsDefault": False,
        "AllowPickup": False, "Hours": "", "ShipSite": "", "ContactName": "", "DeactivateOn": None, **more,
    }  # fmt: skip
    if "closed" in more:
        row["DeactivateOn"] = now + timedelta(days=row.pop("closed"))
    return row
