"""The account's schema: its objects with fields and relations, and its identifiers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sandbox.odp.standard_objects import STANDARD_IDENTIFIERS, standard_objects
from sandbox.odp.values import RowChecker

#: Objects whose rows do not arrive through `/v3/objects/{name}`: people come as profiles, events as events.
ROWLESS_OBJECTS = frozenset({"customers", "events"})


class Schema:
    """
    Objects by name and identifiers by field name, standard ones included.

    :param document: a schema saved by `document()`; None starts with the standard objects.
    """

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.objects: dict[str, dict[str, Any]] = document["objects"] if document else standard_objects()
        #: field name -> merge confidence, `high` or `low`
        self.identifiers: dict[str, str] = document["identifiers"] if document else dict(STANDARD_IDENTIFIERS)
        #: grows with every change, so that whoever derives something from the schema sees when to derive it anew
        self.version = 0
        self._checker = lru_cache(maxsize=None)(self._new_checker)

    def document(self) -> dict[str, Any]:
        """Return the whole schema for saving."""
        return {"objects": self.objects, "identifiers": self.identifiers}

    def row_objects(self) -> list[str]:
        """Return the names of the objects that rows can be sent to."""
        return [name for name in self.objects if name not in ROWLESS_OBJECTS]

    def primary_keys(self, name: str) -> list[str]:
        """
        Return the names of an object's key fields.

        :param name: name of the object.
        """
        return [field["name"] for field in self.objects[name]["fields"] if field.get("primary")]

    def field(self, name: str, field: str) -> dict[str, Any] | None:
        """
        Return one field of an object, None when it has no such field.

        :param name: name of the object.
        :param field: name of the field.
        """
        return next((entry for entry in self.objects[name]["fields"] if entry["name"] == field), None)

    def checker(self, name: str) -> RowChecker:
        """
        Return the checker of an object's rows.

        :param name: name of the object.
        """
        return self._checker(name)

    def _new_checker(self, name: str) -> RowChecker:
        return RowChecker(name, self.objects[name]["fields"])

    def add_object(self, definition: dict[str, Any]) -> None:
        """
        Add an object.

        :param definition: a complete, checked definition.
        """
        self.objects[definition["name"]] = definition
        self._changed()

    def add_field(self, name: str, field: dict[str, Any]) -> None:
        """
        Add a field to an object.

        :param name: name of the object.
        :param field: a complete, checked definition.
        """
        self.objects[name]["fields"].append(field)
        self._changed()

    def add_relation(self, name: str, relation: dict[str, Any]) -> None:
        """
        Add a relation to an object.

        :param name: name of the object that holds the foreign key.
        :param relation: a complete, checked definition.
        """
        self.objects[name]["relations"].append(relation)
        self._changed()

    def add_identifier(self, name: str, confidence: str) -> None:
        """
        Make a field of customers an identifier.

        :param name: name of the field.
        :param confidence: `high` or `low`.
        """
        self.identifiers[name] = confidence
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._checker.cache_clear()
