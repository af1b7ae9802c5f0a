"""
The schema of an ODP account: create the objects, fields and identifiers that an export needs and the account lacks.

ODP keeps only what its schema knows when the data arrives, so this runs before load. Nothing is ever changed or removed:
objects and fields of ODP cannot be renamed or deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
import urllib3

from odp.core.client import OdpClient
from odp.core.contract import odp_types
from odp.core.exceptions import OdpApiError, OdpForbiddenError
from odp.core.records import Order, Profile, Record

log = logging.getLogger(__name__)

PERSON_IDENTIFIER = "business_user_id"
"""Identifier that carries Commerce's UserProfile.Id, on profiles and on order events."""


def ensure_schema(client: OdpClient, contract: type[Record]) -> list[str]:
    """
    Create what ODP lacks of a contract's object, fields and identifiers.

    Safe to call from several tasks at once: what another has just created counts as present.

    :param client: client with the private key.
    :param contract: contract of the run, with the columns added in SQL.
    :return: what was created, in words.
    :raises OdpApiError: if ODP refuses a creation.
    """
    types = {name: type_ for name, type_ in odp_types(contract).items() if name not in contract.envelope}
    name = contract.object_name
    objects = _objects(client)
    if name not in objects:
        if _create_object(client, contract, types):
            return [f"object {name}"]
        objects = _objects(client)  # another task has just created it
    fields = objects.get(name, {})
    created_parts = []
    if issubclass(contract, (Profile, Order)):
        people = objects.get(Profile.object_name, {})
        if PERSON_IDENTIFIER not in people and _create(client, "/schema/identifiers", _identifier_definition()):
            created_parts.append(f"identifier {PERSON_IDENTIFIER}")
        people[PERSON_IDENTIFIER] = "identifier"
    for field, type_ in types.items():
        if field not in fields and _create(client, f"/schema/objects/{name}/fields", _field_definition(field, type_)):
            created_parts.append(f"field {name}.{field}")
        if fields.get(field, type_) not in (type_, "identifier"):
            log.warning(
                "ODP's field %s.%s is of type %s, but %s is sent: ODP may drop the values.", name, field, fields[field], type_
            )
    return created_parts


def _objects(client: OdpClient) -> dict[str, dict[str, str]]:
    """Return the objects of the account, each with the types of its fields."""
    answer = client.request("GET", "/schema/objects")
    if answer.status >= 300:
        raise OdpApiError(f"ODP answered {answer.status} when asked for its schema.")
    return {
        entry["name"]: {field["name"]: field.get("type", "") for field in entry.get("fields", [])}
        for entry in orjson.loads(answer.data)
    }


def _create_object(client: OdpClient, contract: type[Record], types: Mapping[str, str]) -> bool:
    return _create(
        client,
        "/schema/objects",
        {
            "name": contract.object_name,
            "display_name": contract.object_display_name,
            "alias": contract.object_alias,
            "public_read": False,
            "fields": [{**_field_definition(field, type_), "primary": field in contract.key} for field, type_ in types.items()],
            "relations": [],
        },
    )


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
            f"ODP refuses to create {definition['name']} with this API key. Create it by hand (POST {path}), use the private "
            f"key of an account that may change its schema, or set create_schema to false in odp_settings. {error}"
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
