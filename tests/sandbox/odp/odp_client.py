"""A thin client, and what the published API documents say about answers, restated as data."""

from __future__ import annotations

import re
from typing import Any

import httpx
import jsonschema

UPDATE = {
    "type": "object",
    "required": ["title", "status", "timestamp"],
    "properties": {
        "title": {"const": "Accepted"},
        "status": {"const": 202},
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    },
    "additionalProperties": False,
}


def error(status: int, detail: dict[str, Any], title: str = "Bad Request") -> dict[str, Any]:
    """Return the schema of an error body."""
    return {
        "type": "object",
        "required": ["title", "status", "timestamp", "detail"],
        "properties": {
            "title": {"const": title},
            "status": {"const": status},
            "timestamp": UPDATE["properties"]["timestamp"],
            "detail": detail,
        },
        "additionalProperties": False,
    }


def invalids(**properties: Any) -> dict[str, Any]:
    """Return the schema of a detail that lists problems."""
    entry = {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}
    return {
        "type": "object",
        "required": ["invalids"],
        "properties": {"invalids": {"type": "array", "minItems": 1, "items": entry}},
        "additionalProperties": False,
    }


MESSAGE = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
BAD_ITEMS = error(400, invalids(event={"type": "integer", "minimum": 0}, message={"type": "string"}))
BAD_FIELDS = error(400, invalids(field={"type": "string"}, reason={"type": "string"}))
BAD_REQUEST = error(400, MESSAGE)
NOT_FOUND = error(404, MESSAGE)
NO_SCHEMA_PART = error(404, MESSAGE, title="Not Found")

FIELD = {
    "type": "object",
    "required": ["name", "display_name", "type"],
    "properties": {
        "name": {"type": "string"},
        "display_name": {"type": "string"},
        "type": {"enum": ["number", "timestamp", "string", "boolean", "identifier"]},
        "primary": {"type": "boolean"},
        "public_read": {"type": "boolean"},
    },
}
RELATION = {
    "type": "object",
    "required": ["name", "display_name", "child_object", "join_fields"],
    "properties": {"join_fields": {"type": "array", "items": {"required": ["parent", "child"]}}},
}
OBJECT = {
    "type": "object",
    "required": ["name", "display_name", "public_read", "alias", "fields"],
    "properties": {
        "public_read": {"type": "boolean"},
        "fields": {"type": "array", "items": FIELD},
        "relations": {"type": "array", "items": RELATION},
    },
}

FORBIDDEN = {"message": "Forbidden"}

WAREHOUSES = {
    "name": "warehouses",
    "display_name": "Warehouses",
    "alias": "warehouse",
    "public_read": False,
    "fields": [
        {"name": "warehouse_id", "display_name": "Warehouse ID", "type": "string", "primary": True},
        {"name": "name", "display_name": "Name", "type": "string"},
        {"name": "is_default", "display_name": "Is Default", "type": "boolean"},
        {"name": "capacity", "display_name": "Capacity", "type": "number"},
        {"name": "opened_on", "display_name": "Opened On", "type": "timestamp"},
    ],
    "relations": [],
}
BUSINESS_USERS = {
    "name": "business_users",
    "display_name": "Business Users",
    "alias": "business_user",
    "public_read": False,
    "fields": [
        {"name": "business_id", "display_name": "Business ID", "type": "string", "primary": True},
        {"name": "user_id", "display_name": "User ID", "type": "string", "primary": True},
        {"name": "role", "display_name": "Role", "type": "string"},
    ],
}


class Client(httpx.Client):
    """Sends requests to the API with a key."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(base_url=f"{url}/v3", headers={"x-api-key": key}, timeout=10, trust_env=False)

    def send_items(self, path: str, items: Any, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"x-api-key": key}
        return self.post(path, json=items, headers=headers)

    def accept(self, path: str, items: Any) -> None:
        """Upload items that must be accepted."""
        answer = self.send_items(path, items)
        assert answer.status_code == 202, answer.text
        jsonschema.validate(answer.json(), UPDATE)

    def refuse(self, path: str, items: Any) -> list[tuple[int, str]]:
        """Upload items that must be refused, and return what is said about them."""
        answer = self.send_items(path, items)
        assert answer.status_code == 400, answer.text
        jsonschema.validate(answer.json(), BAD_ITEMS)
        return [(entry["event"], entry["message"]) for entry in answer.json()["detail"]["invalids"]]

    def create(self, path: str, definition: dict[str, Any], status: int = 200) -> Any:
        """Create a part of the schema."""
        answer = self.post(f"/schema/{path}", json=definition)
        assert answer.status_code == status, answer.text
        return answer.json()

    def problems(self, path: str, definition: dict[str, Any]) -> dict[str, str]:
        """Try to create a part of the schema that is wrong, and return the reason by field."""
        answer = self.post(f"/schema/{path}", json=definition)
        assert answer.status_code == 400, answer.text
        jsonschema.validate(answer.json(), BAD_FIELDS)
        return {entry["field"]: entry["reason"] for entry in answer.json()["detail"]["invalids"]}

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run a GraphQL query."""
        answer = self.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        assert re.match("application/json", answer.headers["content-type"])
        return answer.json()
