"""The calls below `/v3/schema`: read and extend the account's schema."""

from __future__ import annotations

from typing import Any

from sandbox.odp import answers
from sandbox.odp.answers import Answer
from sandbox.odp.schema import Schema
from sandbox.odp.schema_rules import (
    derived_alias,
    field_problems,
    identifier_problems,
    object_problems,
    relation_problems,
)

_KEPT_OF_FIELD = ("description", "access_policies")


def list_objects(schema: Schema) -> Answer:
    """
    Answer with every object.

    :param schema: the account's schema.
    """
    return Answer(200, list(schema.objects.values()))


def read_object(schema: Schema, name: str) -> Answer:
    """
    Answer with one object.

    :param schema: the account's schema.
    :param name: name of the object.
    """
    return Answer(200, schema.objects[name]) if name in schema.objects else _no_object(name)


def list_parts(schema: Schema, name: str, part: str) -> Answer:
    """
    Answer with the fields or relations of an object.

    :param schema: the account's schema.
    :param name: name of the object.
    :param part: `fields` or `relations`.
    """
    return Answer(200, schema.objects[name][part]) if name in schema.objects else _no_object(name)


def read_part(schema: Schema, name: str, part: str, wanted: str) -> Answer:
    """
    Answer with one field or relation of an object.

    :param schema: the account's schema.
    :param name: name of the object.
    :param part: `fields` or `relations`.
    :param wanted: name of the field or relation.
    """
    if name not in schema.objects:
        return _no_object(name)
    for entry in schema.objects[name][part]:
        if entry["name"] == wanted:
            return Answer(200, entry)
    return answers.not_found(f"{part[:-1].title()} {wanted} does not exist on {name}", title="Not Found")


def create_object(schema: Schema, body: dict[str, Any]) -> Answer:
    """
    Create an object with its fields and relations.

    :param schema: the account's schema.
    :param body: the definition sent.
    """
    name = body.get("name")
    body = {**body, "alias": body.get("alias") or (derived_alias(name) if isinstance(name, str) else "")}
    problems = object_problems(schema, body)
    if problems:
        return answers.bad_fields(problems)
    definition = {
        "name": body["name"],
        "display_name": body["display_name"],
        "alias": body["alias"],
        "public_read": bool(body.get("public_read", False)),
        "fields": [_field(field) for field in body["fields"]],
        "relations": [_relation(relation) for relation in body.get("relations") or []],
    }
    schema.add_object(definition)
    return Answer(200, definition)


def create_field(schema: Schema, name: str, body: dict[str, Any]) -> Answer:
    """
    Add a field to an object.

    :param schema: the account's schema.
    :param name: name of the object.
    :param body: the definition sent.
    """
    if name not in schema.objects:
        return _no_object(name)
    problems = field_problems(body, *_taken_names(schema, name), later=True)
    if problems:
        return answers.bad_fields(problems)
    field = _field(body)
    schema.add_field(name, field)
    return Answer(200, field)


def create_relation(schema: Schema, name: str, body: dict[str, Any]) -> Answer:
    """
    Add a relation to an object.

    :param schema: the account's schema.
    :param name: name of the object that holds the foreign key.
    :param body: the definition sent.
    """
    if name not in schema.objects:
        return _no_object(name)
    own = {field["name"]: field["type"] for field in schema.objects[name]["fields"]}
    problems = relation_problems(schema, own, body, *_taken_names(schema, name))
    if problems:
        return answers.bad_fields(problems)
    relation = _relation(body)
    schema.add_relation(name, relation)
    return Answer(200, relation)


def create_identifier(schema: Schema, body: dict[str, Any]) -> Answer:
    """
    Create an identifier: one field on customers, one on events.

    :param schema: the account's schema.
    :param body: the definition sent.
    """
    problems = identifier_problems(schema, body)
    if problems:
        return answers.bad_fields(problems)
    name, display_name = body["name"], body["display_name"]
    public_read = bool(body.get("public_read", False))
    seen = {"name": name, "display_name": f"Last Seen {display_name}", "type": "identifier"}
    event = {"name": f"event_{name}", "display_name": f"Event {display_name}", "type": "identifier"}
    schema.add_field("customers", {**seen, "public_read": public_read})
    schema.add_field("events", {**event, "public_read": public_read})
    schema.add_identifier(name, body["merge_confidence"])
    return Answer(201, {"events": [event], "customers": [seen]})


def _no_object(name: str) -> Answer:
    return answers.not_found(f"Object {name} does not exist", title="Not Found")


def _taken_names(schema: Schema, name: str) -> tuple[set[str], set[str]]:
    parts = [*schema.objects[name]["fields"], *schema.objects[name]["relations"]]
    return {part["name"] for part in parts}, {part["display_name"] for part in parts}


def _field(body: dict[str, Any]) -> dict[str, Any]:
    field = {
        "name": body["name"],
        "display_name": body["display_name"],
        "type": body["type"],
        "public_read": bool(body.get("public_read", False)),
    }
    if body.get("primary"):
        field["primary"] = True
    field.update({key: body[key] for key in _KEPT_OF_FIELD if key in body})
    return field


def _relation(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": body["name"],
        "display_name": body["display_name"],
        "child_object": body["child_object"],
        "join_fields": [{"parent": join["parent"], "child": join["child"]} for join in body["join_fields"]],
    }
