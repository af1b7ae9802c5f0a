"""
Facts of ODP's published OpenAPI documents (Events, Orders, Objects, Products, Customers, Advanced; all "v3"), restated as
small JSON schemas: for each operation its method, its path, the required keys and the types of its body.

The documents type free attributes as strings, while their own examples hold numbers and booleans: any scalar is taken there,
null and nested values are not. At most 500 items a request is ODP's documentation ("Batch requests").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

SCALAR: Schema = {"type": ["string", "number", "boolean"]}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}


def _object(required: tuple[str, ...], properties: dict[str, Schema], additional: Schema | bool) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": additional}


def _batch(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": 500}


LINE_ITEM = _object(
    ("product_id",),
    {"product_id": TEXT, **dict.fromkeys(("price", "quantity", "discount", "subtotal"), NUMBER)},
    additional=False,
)
ORDER = _object(
    ("order_id",),
    {
        "order_id": TEXT,
        **dict.fromkeys(("total", "subtotal", "tax", "shipping"), NUMBER),
        "items": {"type": "array", "items": LINE_ITEM},
    },
    # The document lists no other field; its own example has discount and coupon_code.
    additional=SCALAR,
)
IDENTIFIERS: Schema = {"type": "object", "minProperties": 1, "additionalProperties": TEXT}
EVENT: Schema = {
    **_object(
        ("action", "identifiers", "type"),
        {"type": TEXT, "action": TEXT, "identifiers": IDENTIFIERS, "data": {"type": "object"}},
        additional=False,
    ),
    "if": {"properties": {"type": {"const": "order"}}},
    "then": {
        "properties": {
            "action": {"enum": ["purchase", "return", "refund", "cancel"]},
            "data": _object(("order",), {"ts": NUMBER, "order": ORDER}, additional=SCALAR),
        },
    },
    "else": {"properties": {"data": {"additionalProperties": SCALAR}}},
}

PROFILE = _object(
    ("attributes",), {"attributes": {"type": "object", "minProperties": 1, "additionalProperties": SCALAR}}, additional=False
)
OBJECT_ROW: Schema = {"type": "object", "minProperties": 1, "additionalProperties": SCALAR}
PRODUCT = _object(("product_id",), {"product_id": TEXT}, additional=SCALAR)

FIELD = _object(
    ("name", "display_name", "type"),
    {
        "name": TEXT,
        "display_name": TEXT,
        "type": {"enum": ["number", "timestamp", "string", "boolean"]},
        "public_read": BOOLEAN,
        "description": {"type": ["string", "array"]},
        "access_policies": {"type": "object"},
    },
    additional=False,
)
OBJECT = _object(
    ("name", "display_name", "public_read", "alias", "fields"),
    {
        **dict.fromkeys(("name", "display_name", "alias"), TEXT),
        "public_read": BOOLEAN,
        "fields": {
            "type": "array",
            "items": {**FIELD, "properties": {**FIELD["properties"], "primary": BOOLEAN}},
            "contains": {"properties": {"primary": {"const": True}}, "required": ["primary"]},
        },
        "relations": {"type": "array", "items": {"type": "object"}},
    },
    additional=False,
)
IDENTIFIER = _object(
    ("name", "display_name", "merge_confidence"),
    {
        "name": {"type": "string", "pattern": "(id|hash|number|token|alias|address|key)$"},
        "display_name": {"type": "string", "pattern": "(ID|Hash|Number|Token|Alias|Address|Key)$"},
        "public_read": BOOLEAN,
        "merge_confidence": {"enum": ["high", "low"]},
        "messaging": BOOLEAN,
    },
    additional=False,
)
RELATION = _object(
    ("name", "display_name", "child_object", "join_fields"),
    {
        **dict.fromkeys(("name", "display_name", "child_object"), TEXT),
        "public_read": BOOLEAN,
        "join_fields": {
            "type": "array",
            "minItems": 1,
            "items": _object(("parent", "child"), {"parent": TEXT, "child": TEXT}, additional=False),
        },
    },
    additional=False,
)
GRAPHQL = _object(("query",), {"query": TEXT, "variables": {"type": ["object", "null"]}, "operationName": TEXT}, additional=False)


@dataclass(frozen=True, eq=False)
class Operation:
    """
    An operation of the API.

    :param method: HTTP method.
    :param path: path under ``/v3``; a name in braces stands for one segment.
    :param body: schema of the body; ``None`` for an operation without one.
    :param query: number of query parameters it takes.
    """

    method: str
    path: str
    body: Schema | None = None
    query: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is of this operation."""
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", self.path)
        return method == self.method and re.fullmatch(pattern, path) is not None


OPERATIONS = (
    # Products come before objects, whose path takes any name.
    Operation("POST", "/objects/products", _batch(PRODUCT)),
    Operation("POST", "/objects/{object_name}", _batch(OBJECT_ROW)),
    Operation("POST", "/events", _batch(EVENT)),
    Operation("POST", "/profiles", _batch(PROFILE)),
    Operation("GET", "/profiles", query=1),
    Operation("GET", "/schema/objects"),
    Operation("POST", "/schema/objects", OBJECT),
    Operation("GET", "/schema/objects/{object_name}"),
    Operation("GET", "/schema/objects/{object_name}/fields"),
    Operation("POST", "/schema/objects/{object_name}/fields", FIELD),
    Operation("POST", "/schema/objects/{object_name}/relations", RELATION),
    Operation("POST", "/schema/identifiers", IDENTIFIER),
    # In no OpenAPI document: ODP's documentation of GraphQL names path and body.
    Operation("POST", "/graphql", GRAPHQL),
)
