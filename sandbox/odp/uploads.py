"""The three uploads: profiles, events, rows of objects. Each checks every item, then stores the batch as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.odp import answers
from sandbox.odp.answers import Answer
from sandbox.odp.event_checks import CheckedEvent, EventChecker
from sandbox.odp.orders import OrderHeaders
from sandbox.odp.profiles import Profiles
from sandbox.odp.schema import ROWLESS_OBJECTS, Schema
from sandbox.odp.settings import Settings
from sandbox.odp.store import Store, row_key
from sandbox.odp.values import UNKNOWN_FIELD, Drop, ItemError
from sandbox.odp.visibility import Visibility

Checked = TypeVar("Checked")
Row = dict[str, Any]


class Uploads:
    """
    Checks and stores batches.

    :param store: where accepted items go.
    :param schema: what the account's objects look like.
    :param settings: the switches.
    :param visibility: keeps what readers still see while a change is young.
    """

    def __init__(self, store: Store, schema: Schema, settings: Settings, visibility: Visibility) -> None:
        self._store = store
        self._schema = schema
        self._settings = settings
        self._visibility = visibility
        self.dropped: Counter[Drop] = Counter()
        self._repeats: set[str] = set()

    def rows(self, name: str, items: list[Any]) -> Answer:
        """
        Upsert rows of an object.

        :param name: name of the object.
        :param items: the batch.
        """
        if name not in self._schema.objects:
            return answers.not_found(f"Object {name} does not exist")
        if name in ROWLESS_OBJECTS:
            home = "/v3/profiles" if name == "customers" else "/v3/events"
            return answers.not_found(f"Rows of {name} are not uploaded here, but through {home}")
        keys = self._schema.primary_keys(name)
        checker = self._schema.checker(name)
        truncate = self._settings.truncate_text

        def check(item: Row, drops: list[Drop]) -> tuple[str, Row]:
            row = checker.check(item, drops, truncate=truncate)
            key = row_key(row, keys)
            if key is None:
                missing = next(field for field in keys if row.get(field) is None or row[field] == "")
                raise ItemError(f"Missing required field `{missing}`")
            return key, row

        def save(rows: list[tuple[str, Row]]) -> None:
            for key, _ in rows if self._settings.visibility_delay else ():
                self._hide_row(name, key)
            with self._store.transaction():
                self._store.upsert_rows(name, rows)

        return self._take(items, check, save)

    def profiles(self, items: list[Any]) -> Answer:
        """
        Create or update customers.

        :param items: the batch.
        """
        checker = self._schema.checker("customers")
        truncate = self._settings.truncate_text

        def check(item: Row, drops: list[Drop]) -> Row:
            attributes = item.get("attributes")
            if not isinstance(attributes, dict):
                raise ItemError("Missing required field `attributes`")
            checked = checker.check(attributes, drops, truncate=truncate)
            if not any(checked.get(name) for name in self._schema.identifiers):
                raise ItemError(f"Missing required identifier, one of: {', '.join(self._schema.identifiers)}")
            return checked

        def save(batch: list[Row]) -> None:
            with self._store.transaction() as db:
                profiles = Profiles(db, self._schema.identifiers)
                for attributes in batch:
                    if self._settings.visibility_delay:
                        self._hide_profile(profiles, attributes)
                    profiles.upsert(attributes)
                self._store.note("profiles", batch)

        return self._take(items, check, save)

    def events(self, items: list[Any]) -> Answer:
        """
        Append events, and let order events change their orders.

        :param items: the batch.
        """
        checker = EventChecker(self._schema, truncate=self._settings.truncate_text)

        def save(batch: list[CheckedEvent]) -> None:
            if self._settings.drop_repeats:
                batch = [checked for checked in batch if self._is_first(checked.event)]
            with self._store.transaction() as db:
                self._store.add_events([checked.event for checked in batch])
                headers = OrderHeaders(self._store, db)
                for event, order_id, header in batch:
                    if order_id is not None:
                        if self._settings.visibility_delay:
                            self._hide_row("orders", order_id)
                        headers.apply(event["action"], order_id, header)
                headers.save()

        return self._take(items, checker.check, save)

    def _take(
        self, items: list[Any], check: Callable[[Row, list[Drop]], Checked], save: Callable[[list[Checked]], None]
    ) -> Answer:
        drops: list[Drop] = []
        good: list[Checked] = []
        invalids: list[tuple[int, str]] = []
        strict = self._settings.reject_wrong_types
        for position, item in enumerate(items):
            kept_drops = len(drops)
            try:
                if not isinstance(item, dict):
                    raise ItemError("item is not an object")  # noqa: TRY004, TRY301 - one way out for every bad item
                checked = check(item, drops)
                if strict:
                    _refuse_wrong_values(drops[kept_drops:])
            except ItemError as error:
                del drops[kept_drops:]
                invalids.append((position, str(error)))
            else:
                good.append(checked)
        if good and (not invalids or self._settings.keep_good_items):
            save(good)
            self.dropped.update(drops)
        return answers.bad_items(invalids) if invalids else answers.accepted()

    def _hide_row(self, name: str, key: str) -> None:
        self._visibility.hide((name, key), self._store.row(name, key), self._settings.visibility_delay)

    def _hide_profile(self, profiles: Profiles, attributes: Row) -> None:
        given = profiles.given(attributes)
        touched = dict.fromkeys([*given, *(entry for known in given for entry in profiles.identities(*known))])
        for entry in touched:
            before = profiles.find(*entry)
            self._visibility.hide(("profile", *entry), before, self._settings.visibility_delay)

    def _is_first(self, event: Row) -> bool:
        mark = (event.get("data") or {}).get("idempotence_id")
        if mark is None or mark in self._repeats:
            return mark is None
        self._repeats.add(mark)
        return True


def _refuse_wrong_values(drops: list[Drop]) -> None:
    for _, field, reason in drops:
        if reason != UNKNOWN_FIELD:
            raise ItemError(f"Invalid value for field `{field}`: {reason}")
