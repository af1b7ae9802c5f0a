"""Customers: which one a profile means, and what happens when it ties two of them together."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from sandbox.odp.store import without_nulls


def identity(name: str, value: object) -> tuple[str, str]:
    """
    Return an identifier the way it is matched: e-mail addresses regardless of case, everything else exactly.

    :param name: name of the identifier.
    :param value: its value.
    """
    text = str(value)
    return (name, text.strip().lower()) if name == "email" else (name, text)


class Profiles:
    """
    The customers in the store.

    :param db: connection inside a transaction of the store.
    :param identifiers: identifier name -> merge confidence.
    """

    def __init__(self, db: sqlite3.Connection, identifiers: dict[str, str]) -> None:
        self._db = db
        self._confidence = identifiers

    def find(self, name: str, value: object) -> dict[str, Any] | None:
        """
        Return a customer's attributes, None when there is no such customer.

        :param name: name of the identifier.
        :param value: its value.
        """
        profile = self._holder(identity(name, value))
        return None if profile is None else self._doc(profile)

    def identities(self, name: str, value: object) -> list[tuple[str, str]]:
        """
        Return every identifier of the customer who has this one.

        :param name: name of the identifier.
        :param value: its value.
        """
        profile = self._holder(identity(name, value))
        if profile is None:
            return []
        return self._db.execute("SELECT name, value FROM identifier WHERE profile = ?", (profile,)).fetchall()

    def given(self, attributes: dict[str, Any]) -> list[tuple[str, str]]:
        """
        Return the identifiers among the attributes of one profile.

        :param attributes: checked attributes.
        """
        return [identity(name, value) for name in self._confidence if (value := attributes.get(name))]

    def upsert(self, attributes: dict[str, Any]) -> None:
        """
        Create or update the customer these attributes belong to.

        :param attributes: checked attributes with at least one identifier; None clears a field.
        """
        given = self.given(attributes)
        holders = {entry: holder for entry in given if (holder := self._holder(entry)) is not None}
        profile = self._target(given, holders)
        patch = orjson.dumps(attributes).decode()
        if profile is None:
            whole = orjson.dumps(without_nulls(attributes)).decode() if None in attributes.values() else patch
            inserted = self._db.execute("INSERT INTO profile (doc) VALUES (?)", (whole,))
            profile = int(inserted.lastrowid or 0)
        else:
            self._clear_identifiers(profile, attributes)
            self._db.execute("UPDATE profile SET doc = json_patch(doc, ?) WHERE id = ?", (patch, profile))
        for entry in given:
            holder = holders.get(entry)
            if holder is None or holder != profile:
                self._move(entry, profile)

    def _holder(self, entry: tuple[str, str]) -> int | None:
        found = self._db.execute("SELECT profile FROM identifier WHERE name = ? AND value = ?", entry).fetchone()
        return None if found is None else found[0]

    def _doc(self, profile: int) -> dict[str, Any]:
        return orjson.loads(self._db.execute("SELECT doc FROM profile WHERE id = ?", (profile,)).fetchone()[0])

    def _target(self, given: list[tuple[str, str]], holders: dict[tuple[str, str], int]) -> int | None:
        """Return the customer to update; several known by high-confidence identifiers become one."""
        high = sorted({holder for (name, _), holder in holders.items() if self._confidence[name] == "high"})
        if high:
            survivor, *others = high
            for other in others:
                self._merge(survivor, other)
                holders.update({entry: survivor for entry, holder in holders.items() if holder == other})
            return survivor
        # Only low-confidence identifiers are known. A device whose customer has another e-mail address says nothing
        # about the new address: that one becomes a customer of its own, and the device moves over.
        new_high = [name for name, _ in given if self._confidence[name] == "high"]
        for holder in holders.values():
            stored = self._doc(holder)
            if not any(name in stored for name in new_high):
                return holder
        return None

    def _merge(self, survivor: int, other: int) -> None:
        """Join two customers: all identifiers go to the older one, attributes it lacks are taken over."""
        merged = {**self._doc(other), **self._doc(survivor)}
        self._db.execute("UPDATE profile SET doc = ? WHERE id = ?", (orjson.dumps(merged).decode(), survivor))
        self._db.execute("UPDATE identifier SET profile = ? WHERE profile = ?", (survivor, other))
        self._db.execute("DELETE FROM profile WHERE id = ?", (other,))

    def _move(self, entry: tuple[str, str], profile: int) -> None:
        """Give an identifier to a customer; the one who had it (only of low confidence) loses it."""
        name, value = entry
        before = self._holder(entry)
        if before is not None and before != profile:
            stored = self._doc(before)
            if name in stored and identity(name, stored[name]) == entry:
                self._db.execute("UPDATE profile SET doc = json_remove(doc, ?) WHERE id = ?", (f"$.{name}", before))
        self._db.execute("INSERT OR REPLACE INTO identifier VALUES (?, ?, ?)", (name, value, profile))

    def _clear_identifiers(self, profile: int, attributes: dict[str, Any]) -> None:
        cleared = [name for name in self._confidence if name in attributes and attributes[name] is None]
        if not cleared:
            return
        stored = self._doc(profile)
        for name in cleared:
            if name in stored:
                self._db.execute("DELETE FROM identifier WHERE name = ? AND value = ?", identity(name, stored[name]))
