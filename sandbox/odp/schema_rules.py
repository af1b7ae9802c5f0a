"""What a new object, field, relation or identifier must fulfil; each rule names the field and the reason."""

from __future__ import annotations

import re
from typing import Any

from sandbox.odp.schema import Schema

#: (field, reason) of one broken rule
Invalid = tuple[str, str]

FIELD_TYPES = ("number", "timestamp", "string", "boolean")
IDENTIFIER_SUFFIXES = ("id", "hash", "number", "token", "alias", "address", "key")

USED_BY_OBJECT = "already used by another object"
USED_BY_FIELD = "already used by another field"
MISSING = "does not exist"
REQUIRED = "is required"
_NAMING = "must be lower snake case and start with a letter"
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def derived_alias(name: str) -> str:
    """
    Return a singular for an object that came without alias.

    :param name: plural name of the object.
    """
    if name.endswith("ies"):
        return name[:-3] + "y"
    if name.endswith(("sses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _name_problems(body: dict[str, Any], prefix: str = "") -> list[Invalid]:
    problems = []
    name = body.get("name")
    if not isinstance(name, str) or not name:
        problems.append((f"{prefix}name", REQUIRED))
    elif _NAME.fullmatch(name) is None:
        problems.append((f"{prefix}name", _NAMING))
    display_name = body.get("display_name")
    if not isinstance(display_name, str) or not display_name:
        problems.append((f"{prefix}display_name", REQUIRED))
    return problems


def _text(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) else None


def object_problems(schema: Schema, body: dict[str, Any]) -> list[Invalid]:
    """
    Return what keeps an object from being created.

    :param schema: the schema it would join.
    :param body: the definition sent, with its alias filled in.
    """
    problems = _name_problems(body)
    taken = set(schema.objects) | {entry["alias"] for entry in schema.objects.values()}
    shown = {entry["display_name"] for entry in schema.objects.values()}
    if _text(body, "name") in taken:
        problems.append(("name", USED_BY_OBJECT))
    alias = _text(body, "alias")
    if alias is None or _NAME.fullmatch(alias) is None:
        problems.append(("alias", _NAMING))
    elif alias in taken:
        problems.append(("alias", USED_BY_OBJECT))
    if _text(body, "display_name") in shown:
        problems.append(("display_name", USED_BY_OBJECT))
    fields = body.get("fields")
    fields = [field for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    names: set[str] = set()
    displays: set[str] = set()
    for position, field in enumerate(fields):
        problems += field_problems(field, names, displays, prefix=f"fields[{position}].")
    if not any(field.get("primary") is True for field in fields):
        problems.append(("fields", "at least one primary key field required"))
    relations = body.get("relations")
    for position, relation in enumerate(relations if isinstance(relations, list) else []):
        own = {_text(field, "name"): field.get("type") for field in fields}
        problems += relation_problems(schema, own, relation, names, displays, prefix=f"relations[{position}].")
    return problems


def field_problems(
    body: dict[str, Any], names: set[str], displays: set[str], *, prefix: str = "", later: bool = False
) -> list[Invalid]:
    """
    Return what keeps a field from being created.

    :param body: the definition sent.
    :param names: names of fields and relations the object has; a good name is added to it.
    :param displays: display names likewise.
    :param prefix: path of the field inside the request.
    :param later: the object exists already, so that the field cannot become part of its key.
    """
    problems = _name_problems(body, prefix)
    problems += _taken(body, names, displays, prefix)
    if body.get("type") not in FIELD_TYPES:
        problems.append((f"{prefix}type", f"must be one of {', '.join(FIELD_TYPES)}"))
    if later and body.get("primary"):
        problems.append((f"{prefix}primary", "a primary key field must be created with its object"))
    return problems


def _taken(body: dict[str, Any], names: set[str], displays: set[str], prefix: str) -> list[Invalid]:
    problems = []
    for key, taken in (("name", names), ("display_name", displays)):
        value = body.get(key)
        if isinstance(value, str):
            if value in taken:
                problems.append((f"{prefix}{key}", USED_BY_FIELD))
            taken.add(value)
    return problems


def relation_problems(
    schema: Schema,
    own_fields: dict[Any, Any],
    body: Any,
    names: set[str],
    displays: set[str],
    *,
    prefix: str = "",
) -> list[Invalid]:
    """
    Return what keeps a relation from being created.

    :param schema: where the child object must exist.
    :param own_fields: field name -> type of the object that holds the foreign key.
    :param body: the definition sent.
    :param names: names of fields and relations the object has.
    :param displays: display names likewise.
    :param prefix: path of the relation inside the request.
    """
    if not isinstance(body, dict):
        return [(prefix.rstrip("."), "must be an object")]
    problems = _name_problems(body, prefix) + _taken(body, names, displays, prefix)
    child = body.get("child_object")
    if not isinstance(child, str) or child not in schema.objects:
        return [*problems, (f"{prefix}child_object", MISSING)]
    joins = body.get("join_fields")
    if not isinstance(joins, list) or not joins:
        return [*problems, (f"{prefix}join_fields", REQUIRED)]
    for position, join in enumerate(joins):
        where = f"{prefix}join_fields[{position}]"
        pair = join if isinstance(join, dict) else {}
        parent_type = own_fields.get(_text(pair, "parent"))
        target = schema.field(child, _text(pair, "child") or "")
        if parent_type is None:
            problems.append((f"{where}.parent", MISSING))
        elif target is None:
            problems.append((f"{where}.child", MISSING))
        elif not target.get("primary"):
            problems.append((f"{where}.child", "must be a primary key field"))
        elif target["type"] != parent_type:
            problems.append((f"{where}.parent", "does not match child data type"))
    return problems


def identifier_problems(schema: Schema, body: dict[str, Any]) -> list[Invalid]:
    """
    Return what keeps an identifier from being created.

    :param schema: the schema it would join.
    :param body: the definition sent.
    """
    problems = _name_problems(body)
    name, display_name = _text(body, "name"), _text(body, "display_name")
    suffix = name.rpartition("_")[2] if name and "_" in name else None
    if name and suffix not in IDENTIFIER_SUFFIXES:
        problems.append(("name", f"must end with one of {', '.join('_' + end for end in IDENTIFIER_SUFFIXES)}"))
    elif display_name and suffix:
        twin = "ID" if suffix == "id" else suffix.title()
        if not display_name.endswith(twin):
            problems.append(("display_name", f"must end with {twin}"))
    if body.get("merge_confidence") not in ("high", "low"):
        problems.append(("merge_confidence", "must be high or low"))
    customers = schema.objects["customers"]["fields"]
    if name in {field["name"] for field in customers}:
        problems.append(("customers.name", USED_BY_OBJECT))
    if f"Last Seen {display_name}" in {field["display_name"] for field in customers}:
        problems.append(("customers.display_name", USED_BY_OBJECT))
    return problems
