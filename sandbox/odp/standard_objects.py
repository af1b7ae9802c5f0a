"""The objects an account has from the start, with the fields their public reference pages list."""

from __future__ import annotations

from typing import Any

#: Identifiers every account has. `phone` is documented as one too, but the pages disagree on whether it merges
#: customers, and business customers share switchboard numbers: here it is a plain attribute, so it never joins people.
STANDARD_IDENTIFIERS = {"email": "high", "vuid": "low"}

# Not orders.email: an order's e-mail address is text about the order.
_IDENTIFIER_FIELDS = {("customers", name) for name in STANDARD_IDENTIFIERS} | {
    ("events", f"event_{name}") for name in STANDARD_IDENTIFIERS
}
_NUMBERS = {"price", "total", "subtotal", "discount", "tax", "shipping", "quantity"}
_BOOLEANS = {"active_event"}
_TIMESTAMPS = {"ts"}


def _field(owner: str, name: str, *, primary: bool = False) -> dict[str, Any]:
    kind = "string"
    if name in _NUMBERS:
        kind = "number"
    elif name in _BOOLEANS:
        kind = "boolean"
    elif name in _TIMESTAMPS:
        kind = "timestamp"
    elif (owner, name) in _IDENTIFIER_FIELDS:
        kind = "identifier"
    words = [word.upper() if word in {"id", "url", "sku", "upc", "vuid"} else word.title() for word in name.split("_")]
    field: dict[str, Any] = {"name": name, "display_name": " ".join(words), "type": kind, "public_read": False}
    if primary:
        field["primary"] = True
    return field


def _object(name: str, alias: str, fields: str, primary: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "display_name": name.title(),
        "alias": alias,
        "public_read": False,
        "fields": [_field(name, field, primary=field == primary) for field in fields.split()],
        "relations": [],
    }


def standard_objects() -> dict[str, dict[str, Any]]:
    """Return fresh definitions of customers, products, orders and events by name."""
    customers = _object(
        "customers",
        "customer",
        "email vuid first_name last_name name gender timezone image_url phone street1 street2 city state zip country",
    )
    products = _object(
        "products",
        "product",
        "product_id parent_product_id name brand sku upc image_url price category",
        primary="product_id",
    )
    orders = _object(
        "orders",
        "order",
        "order_id status total subtotal discount tax shipping coupon_code bill_address ship_address "
        "phone email first_name last_name name",
        primary="order_id",
    )
    events = _object(
        "events",
        "event",
        "event_type action ts event_email event_vuid page product_id search_term order_id price quantity discount "
        "subtotal sku active_event idempotence_id data_source_type data_source data_source_details data_source_version",
    )
    events["relations"] = [
        _relation("product", "Product", "products", "product_id"),
        _relation("order", "Order", "orders", "order_id"),
    ]
    products["relations"] = [
        {
            "name": "parent_product",
            "display_name": "Parent Product",
            "child_object": "products",
            "join_fields": [{"parent": "parent_product_id", "child": "product_id"}],
        }
    ]
    return {definition["name"]: definition for definition in (customers, products, orders, events)}


def _relation(name: str, display_name: str, child_object: str, field: str) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": display_name,
        "child_object": child_object,
        "join_fields": [{"parent": field, "child": field}],
    }
