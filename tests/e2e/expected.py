"""
What ODP should hold, worked out from the replica's rows in plain Python: none of the product's code, none of its SQL.

Times of a run are judged against ``as_of``; fields without a value are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

Row = dict[str, Any]
PURCHASE = {"submitted", "punchout", "readyforpickup", "complete", "processing"}
CANCEL = {"cancellationrequested", "cancelled"}
"""What the generated replica's OrderStatusMapping makes of its statuses, with Commerce's defaults."""


def text(value: str | None) -> str | None:
    """Return text as ODP takes it: trimmed, nothing for blank, at most 1,024 characters."""
    return ((value or "").strip()[:1024].strip()) or None


def number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def seconds(value: datetime | None) -> int | None:
    return None if value is None else math.floor(value.timestamp())


def key(value: Any) -> str | None:
    return None if value is None else str(value)


def given(record: Row) -> Row:
    """Leave out what has no value."""
    return {name: value for name, value in record.items() if value is not None}


class Source:
    """
    The replica's rows, by table and Id.

    :param connection: a connection to the replica that gives rows as dictionaries.
    """

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def rows(self, table: str) -> list[Row]:
        """Return a table whole, oldest change first."""
        return sorted(
            self._connection.execute(f"SELECT * FROM {table}").fetchall(), key=lambda row: (row["modifiedon"], row["id"])
        )

    def by_id(self, table: str) -> dict[Any, Row]:
        """Return a table by Id."""
        return {row["id"]: row for row in self.rows(table)}

    def warehouses(self, as_of: datetime) -> dict[str, Row]:
        """Return the warehouses by key."""
        countries = self.by_id("Country")
        found = {}
        for row in self.rows("Warehouse"):
            somewhere = bool(row["latitude"] or row["longitude"])
            found[str(row["id"])] = given(
                {
                    "name": text(row["name"]),
                    "description": text(row["description"]),
                    "city": text(row["city"]),
                    "country": countries[row["countryid"]]["isocode2"] if row["countryid"] else None,
                    "hours": text(row["hours"]),
                    "latitude": number(row["latitude"]) if somewhere else None,
                    "longitude": number(row["longitude"]) if somewhere else None,
                    "is_default": row["isdefault"],
                    "is_active": row["deactivateon"] is None or row["deactivateon"] > as_of,
                }
            )
        return found

    def products(self, as_of: datetime) -> dict[str, Row]:
        """Return the products by key."""
        brands, categories = self.by_id("Brand"), self.by_id("Category")
        site = self._site()
        links: dict[Any, list[Row]] = {}
        for link in self.rows("CategoryProduct"):
            if link["categoryid"] in categories:
                links.setdefault(link["productid"], []).append(link)
        found = {}
        for row in self.rows("Product"):
            own = sorted(
                links.get(row["id"], []),
                key=lambda link: (
                    not link["isprimarycategory"],
                    _last(categories[link["categoryid"]]["sortorder"]),
                    link["id"],
                ),
            )
            segment = text(row["urlsegment"])
            found[str(row["id"])] = given(
                {
                    "product_number": text(row["erpnumber"]),
                    "name": text(row["shortdescription"]) or text(row["name"]),
                    "brand": text(brands[row["brandid"]]["name"]) if row["brandid"] in brands else None,
                    "sku": text(row["sku"]) or text(row["erpnumber"]),
                    "category": _path(own[0]["categoryid"], categories) if own else None,
                    "price": number(row["basiclistprice"]),
                    "product_url": f"{site}/{segment.lstrip('/')}" if segment and "://" not in segment else segment,
                    "is_discontinued": row["isdiscontinued"],
                    "is_active": (row["activateon"] is None or row["activateon"] <= as_of)
                    and (row["deactivateon"] is None or row["deactivateon"] > as_of)
                    and not row["isdiscontinued"],
                }
            )
        return found

    def _site(self) -> str:
        first = min((site for site in self.rows("Website") if site["isactive"]), key=lambda site: (site["createdon"], site["id"]))
        return "https://" + first["domainname"].split(",")[0].strip().removeprefix("https://").rstrip("/")

    def businesses(self) -> dict[str, Row]:
        """Return the accounts by key, guests left out."""
        customers, countries, states = self.by_id("Customer"), self.by_id("Country"), self.by_id("State")
        found = {}
        for row in customers.values():
            if row["isguest"]:
                continue
            parent = None if row["parentid"] == row["id"] else row["parentid"]
            above = customers.get(parent, {}).get("parentid")
            level = "parent" if parent is None else "child" if above in (None, parent, row["id"]) else "grandchild"
            person = " ".join(filter(None, (text(row["firstname"]), text(row["lastname"]))))
            found[str(row["id"])] = given(
                {
                    "parent_business_id": key(parent),
                    "business_level": level,
                    "name": text(row["companyname"]) or text(person) or text(row["customernumber"]),
                    "customer_number": text(row["customernumber"]),
                    "email": text(row["email"]),
                    "city": text(row["city"]),
                    "state": text(states[row["stateid"]]["abbreviation"]) if row["stateid"] in states else None,
                    "country": text(countries[row["countryid"]]["isocode2"]) if row["countryid"] in countries else None,
                    "is_bill_to": row["isbillto"],
                    "is_guest": False,
                    "created_at": seconds(row["createdon"]),
                }
            )
        return found

    def profiles(self) -> dict[str, Row]:
        """Return the people by e-mail address, guests left out; of people who share one, the one changed last."""
        currencies = self.by_id("Currency")
        return {
            email: given(
                {
                    "business_user_id": key(row["id"]),
                    "first_name": text(row["firstname"]),
                    "last_name": text(row["lastname"]),
                    "user_name": text(row["username"]),
                    "is_active": None if row["isdeactivated"] is None else not row["isdeactivated"],
                    "default_business_id": key(row["defaultcustomerid"]),
                    "currency": currencies[row["currencyid"]]["currencycode"] if row["currencyid"] in currencies else None,
                    "last_login_at": seconds(row["lastloginon"]),
                }
            )
            for row in self.rows("UserProfile")
            if not row["isguest"] and (email := (text(row["email"]) or "").lower())
        }

    def business_users(self) -> dict[tuple[str, str], Row]:
        """Return the links by key, those without two ends or with a guest at one end left out."""
        customers, people = self.by_id("Customer"), self.by_id("UserProfile")
        found = {}
        for row in self.rows("CustomerUserProfile"):
            customer, person = customers.get(row["customerid"]), people.get(row["userprofileid"])
            if customer and person and not customer["isguest"] and not person["isguest"]:
                found[str(customer["id"]), str(person["id"])] = given(
                    {
                        "business_user_id": str(person["id"]),
                        "business_user_link_id": str(row["id"]),
                        "email": (text(person["email"]) or "").lower() or None,
                        "is_default": row["isdefault"],
                    }
                )
        return found

    def orders_modified(self, start: datetime, end: datetime) -> list[Row]:
        """Return the orders that were modified in a window, or of which a line, a promotion or a custom property was."""
        touched = {order["id"] for order in self.rows("CustomerOrder") if start <= order["modifiedon"] < end}
        for table, parent in (("OrderLine", "customerorderid"), ("CustomerOrderPromotion", "customerorderid")):
            touched |= {row[parent] for row in self.rows(table) if start <= row["modifiedon"] < end}
        touched |= {
            row["parentid"]
            for row in self.rows("CustomProperty")
            if row["parenttable"] == "CustomerOrder" and start <= row["modifiedon"] < end
        }
        return [order for order in self.rows("CustomerOrder") if order["id"] in touched]

    def order_events(self) -> dict[tuple[str, str], Row]:
        """Return what the order events carry, by order number and action."""
        people = {row["id"]: row for row in self.rows("UserProfile") if not row["isguest"]}
        currencies = self.by_id("Currency")
        lines: dict[Any, list[Row]] = {}
        for line in sorted(self.rows("OrderLine"), key=lambda line: (line["line"], line["release"], line["id"])):
            if line["qtyordered"]:
                lines.setdefault(line["customerorderid"], []).append(line)
        found = {}
        for row in self.rows("CustomerOrder"):
            status = (row["status"] or "").strip().lower()
            person = people.get(row["placedbyuserprofileid"]) or people.get(row["initiatedbyuserprofileid"])
            email = (text(person["email"]) if person else text(row["btemail"]) or text(row["stemail"])) or ""
            if status not in PURCHASE | CANCEL or not (person or email):
                continue
            identifiers = given({"email": email.lower() or None, "business_user_id": key(person["id"]) if person else None})
            common = {
                "identifiers": identifiers,
                "commerce_status": text(row["status"]),
                "currency": currencies[row["currencyid"]]["currencycode"] if row["currencyid"] in currencies else None,
                "business_id": key(row["customerid"]),
            }
            items = [(str(line["productid"]), float(line["qtyordered"]), _subtotal(line)) for line in lines.get(row["id"], [])]
            total = number(row["ordertotal"])
            found[row["ordernumber"], "purchase"] = given(
                {**common, "ts": seconds(row["orderdate"]), "total": total, "items": _rounded(items)}
            )
            if status in CANCEL:
                found[row["ordernumber"], "cancel"] = given(
                    {
                        **common,
                        "ts": seconds(row["modifiedon"]),
                        "total": None if total is None else 0.0 - total,
                        "items": _rounded((product, quantity, 0.0 - subtotal) for product, quantity, subtotal in items),
                    }
                )
        return found


def held_order_events(events: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """Bring order events, as ODP received them, into the form of :meth:`Source.order_events`."""
    found = {}
    for event in events:
        order = event["data"]["order"]
        items = [(item["product_id"], item["quantity"], item.get("subtotal", 0.0)) for item in order.get("items", [])]
        fields = {name: order.get(name) for name in ("total", "commerce_status", "currency", "business_id")}
        own = (order["order_id"], event["action"])
        assert own not in found, f"{own} was sent twice"
        found[own] = given({**fields, "identifiers": event["identifiers"], "ts": event["data"]["ts"], "items": _rounded(items)})
    return found


def _subtotal(line: Row) -> float:
    return float(line["totalnetprice"] or line["qtyordered"] * (line["unitnetprice"] or 0))


def _rounded(items: Iterable[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    return [(product, quantity, round(subtotal, 4) + 0.0) for product, quantity, subtotal in items]


def _path(category: Any, categories: dict[Any, Row]) -> str:
    names: list[str] = []
    seen: set[Any] = set()
    while category in categories and category not in seen and len(seen) < 10:
        seen.add(category)
        if name := text(categories[category]["name"]):
            names.insert(0, name)
        category = categories[category]["parentid"]
    return " > ".join(names)


def _last(order: int | None) -> float:
    return math.inf if order is None else order
