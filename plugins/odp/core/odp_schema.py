"""
The schema of an ODP account: what an export needs of it, what is missing, and creating that.

ODP keeps only what its schema knows when the data arrives, so this runs before load. Nothing is ever changed or removed:
objects and fields of ODP cannot be renamed or deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import urllib3

from odp.core.client import OdpClient
from odp.core.contract import odp_types
from odp.core.exceptions import OdpApiError, OdpForbiddenError, OdpUnavailableError
from odp.core.records import Order, Profile, Record
from odp.core.relations import Relation, relations_of
from odp.core.user_events import UserEvent

log = logging.getLogger(__name__)

PERSON_IDENTIFIER = "business_user_id"
"""Identifier that carries Commerce's UserProfile.Id, on profiles and on order events."""


@dataclass(frozen=True)
class OdpObject:
    """
    An object as ODP has it.

    :param fields: type of each field.
    :param key: fields of its primary key; empty where ODP does not say.
    :param relations: the foreign keys, each with the object it leads to.
    """

    fields: Mapping[str, str]
    key: tuple[str, ...]
    relations: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class SchemaGap:
    """
    What ODP lacks of a contract.

    :param missing_object: whether the object itself is missing.
    :param missing_identifier: whether the identifier of people is missing.
    :param missing_fields: type of each field that is missing.
    :param missing_relations: relations that are missing.
    :param other_types: ODP's type of each field that has another one there.
    :param other_key: the primary key that the object has in ODP, if another.
    """

    missing_object: bool
    missing_identifier: bool
    missing_fields: Mapping[str, str]
    missing_relations: tuple[Relation, ...]
    other_types: Mapping[str, str]
    other_key: tuple[str, ...]


def read_schema(client: OdpClient) -> dict[str, OdpObject]:
    """
    Read the objects of an account.

    :param client: client with the private key.
    :raises OdpApiError: if ODP does not tell.
    """
    answer = client.request("GET", "/schema/objects")
    if answer.status >= 300:
        raise OdpApiError(f"ODP answered {answer.status} when asked for its schema.")
    return {
        entry["name"]: OdpObject(
            fields={field["name"]: field.get("type", "") for field in entry.get("fields", [])},
            key=tuple(field["name"] for field in entry.get("fields", []) if field.get("primary")),
            relations=frozenset(
                (join["parent"], relation["child_object"])
                for relation in entry.get("relations") or []
                for join in relation.get("join_fields", [])
            ),
        )
        for entry in orjson.loads(answer.data)
    }


def find_gap(schema: Mapping[str, OdpObject], contract: type[Record]) -> SchemaGap:
    """
    Compare what an export needs with what an account has.

    :param schema: the account's objects.
    :param contract: contract of the run, with the columns added in SQL.
    """
    found = schema.get(contract.object_name, OdpObject({}, (), frozenset()))
    needed = _needed_types(contract)
    people = schema.get(Profile.object_name, OdpObject({}, (), frozenset())).fields
    return SchemaGap(
        missing_object=contract.object_name not in schema,
        missing_identifier=issubclass(contract, (Profile, Order, UserEvent)) and PERSON_IDENTIFIER not in people,
        missing_fields={name: type_ for name, type_ in needed.items() if name not in found.fields},
        missing_relations=tuple(
            relation for relation in relations_of(contract) if (relation.field, relation.child.object_name) not in found.relations
        ),
        other_types={
            name: found.fields[name]
            for name, type_ in needed.items()
            if found.fields.get(name, type_) not in (type_, "identifier")
        },
        other_key=found.key if found.key and not issubclass(contract, Profile) and set(found.key) != set(contract.key) else (),
    )


def ensure_schema(client: OdpClient, contract: type[Record]) -> list[str]:
    """
    Create what ODP lacks of a contract's object, fields, identifiers and relations.

    Safe to call from several tasks at once: what another has just created counts as present. A relation waits until the
    object it leads to exists, and one that ODP refuses is only logged: the data arrives without it.

    :param client: client with the private key.
    :param contract: contract of the run, with the columns added in SQL.
    :return: what was created, in words.
    :raises OdpApiError: if ODP refuses the creation of anything else.
    """
    name = contract.object_name
    schema = read_schema(client)
    created = []
    if name not in schema:
        if _create_object(client, contract):
            created.append(f"object {name}")
        schema = read_schema(client)
    gap = find_gap(schema, contract)
    if gap.missing_identifier and _create(client, "/schema/identifiers", _identifier_definition()):
        created.append(f"identifier {PERSON_IDENTIFIER}")
    for field, type_ in gap.missing_fields.items():
        if _create(client, f"/schema/objects/{name}/fields", _field_definition(field, type_)):
            created.append(f"field {name}.{field}")
    for relation in gap.missing_relations:
        if relation.child.object_name in schema and _create_relation(client, name, relation):
            created.append(f"relation {name}.{relation.name}")
    for field, type_ in gap.other_types.items():
        log.warning(
            "ODP's field %s.%s is of type %s, but %s is sent: ODP may drop the values.",
            *(name, field, type_, _needed_types(contract)[field]),
        )
    return created


def _needed_types(contract: type[Record]) -> dict[str, str]:
    """Return the fields of a contract's object; the identifier of people is created by a call of its own."""
    without = contract.envelope | ({PERSON_IDENTIFIER} if issubclass(contract, Profile) else frozenset())
    return {name: type_ for name, type_ in odp_types(contract).items() if name not in without}


def _create_object(client: OdpClient, contract: type[Record]) -> bool:
    return _create(
        client,
        "/schema/objects",
        {
            "name": contract.object_name,
            "display_name": contract.object_display_name,
            "alias": contract.object_alias,
            "public_read": False,
            "fields": [
                {**_field_definition(field, type_), "primary": field in contract.key}
                for field, type_ in _needed_types(contract).items()
            ],
            "relations": [],
        },
    )


def _create_relation(client: OdpClient, name: str, relation: Relation) -> bool:
    definition = {
        "name": relation.name,
        "display_name": display_name(relation.name),
        "child_object": relation.child.object_name,
        "join_fields": [{"parent": relation.field, "child": relation.child.key[0]}],
    }
    try:
        return _create(client, f"/schema/objects/{name}/relations", definition)
    except OdpUnavailableError:
        raise
    except OdpApiError as error:
        log.warning("The relation %s.%s is not created: %s", name, relation.name, error)
        return False


def display_name(name: str) -> str:
    """Return a field's name for people: ``is_default`` becomes ``Is Default``, ``warehouse_id`` becomes ``Warehouse ID``."""
    return " ".join("ID" if word == "id" else word.capitalize() for word in name.split("_"))


def _field_definition(name: str, type_: str) -> dict[str, Any]:
    return {"name": name, "display_name": display_name(name), "type": type_}


def _identifier_definition() -> dict[str, Any]:
    # High confidence: the id is Commerce's primary key of a person, so two profiles that share it are the same person.
    return {
        "name": PERSON_IDENTIFIER,
        "display_name": display_name(PERSON_IDENTIFIER),
        "merge_confidence": "high",
        "messaging": False,
    }


def _create(client: OdpClient, path: str, definition: Mapping[str, Any]) -> bool:
    """Create one thing; return False if it turns out to exist already."""
    try:
        answer = client.request("POST", path, orjson.dumps(definition))
    except OdpForbiddenError as error:
        raise OdpForbiddenError(
            f"ODP refuses to create {definition['name']} with this API key.",
            f"Create it by hand (POST {path}), use the private key of an account that may change its schema, or set "
            f"create_schema to false in odp_settings. {error}",
        ) from None
    if answer.status < 300:
        return True
    reasons = _reasons(answer)
    # Not display_name: where that alone is taken, a field of another name has it, and this one would never exist.
    if any(field in ("name", "customers.name") and reason.startswith("already") for field, reason in reasons):
        return False
    raise OdpApiError(
        f"ODP answered {answer.status} to POST {path} for {definition['name']}: "
        f"{'; '.join(f'{field} {reason}' for field, reason in reasons) or answer.data.decode(errors='replace')[:300]}."
    )


def _reasons(answer: urllib3.BaseHTTPResponse) -> list[tuple[str, str]]:
    try:
        invalids = orjson.loads(answer.data)["detail"]["invalids"]
        return [(entry["field"], reason) for entry in invalids for reason in _as_list(entry["reason"])]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []


def _as_list(reason: Any) -> list[str]:
    return [str(part) for part in reason] if isinstance(reason, list) else [str(reason)]
