"""
Commerce's user events, as data: which ones there are, who sends them, and what each of them needs.

The table is the one Commerce documents. A storefront's browser sends most of them in real time; the export of user events sends
what the database holds of the past.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from odp.core.exceptions import ReplicaError, SettingsError
from odp.core.fields import Email, Identifier, Text, Timestamp, read_from, required_from
from odp.core.records import Record

Sender = Literal["JavaScript tag", "backend"]


@dataclass(frozen=True)
class EventKind:
    """
    One row of Commerce's table of user events.

    :param type: ODP's type of the event.
    :param action: its action; empty for the one event that has none.
    :param sender: who sends it in a Commerce that is connected to ODP.
    :param needs: fields without which the event says nothing.
    """

    type: str
    action: str
    sender: Sender
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return name_of(self.type, self.action)


def name_of(type_: str, action: str | None) -> str:
    """
    Name an event for people.

    :param type_: its type.
    :param action: its action, if it has one.
    """
    return f"{type_} / {action}" if action else type_


EVENT_KINDS: tuple[EventKind, ...] = (
    EventKind("product", "add_to_cart", "JavaScript tag", ("product_id",)),
    EventKind("product", "remove_from_cart", "JavaScript tag", ("product_id",)),
    EventKind("product", "detail", "JavaScript tag", ("product_id",)),
    EventKind("page_view", "category", "JavaScript tag"),
    EventKind("page_view", "cart", "JavaScript tag"),
    EventKind("page_view", "website", "JavaScript tag"),
    EventKind("navigation", "search", "JavaScript tag", ("search_term",)),
    EventKind("navigation", "sort", "JavaScript tag"),
    EventKind("navigation", "filter", "JavaScript tag"),
    EventKind("navigation", "autocomplete", "JavaScript tag", ("search_term",)),
    EventKind("account", "update", "JavaScript tag"),
    EventKind("order", "purchase", "backend"),
    EventKind("account", "register", "backend"),
    EventKind("account", "login", "backend"),
    EventKind("account", "logout", "JavaScript tag"),
    EventKind("product", "add_to_wishlist", "JavaScript tag", ("product_id",)),
    EventKind("product", "remove_from_wishlist", "JavaScript tag", ("product_id",)),
    EventKind("pageview", "", "JavaScript tag", ("page",)),
    EventKind("business", "change_business", "JavaScript tag", ("business_id",)),
)
"""The 19 rows, in Commerce's order. Needs are those that ODP's own pages name; of events they do not name, the obvious ones."""

_BY_NAME = {(kind.type, kind.action): kind for kind in EVENT_KINDS}

NEEDED_FIELDS = tuple(dict.fromkeys(field for kind in EVENT_KINDS for field in kind.needs))
"""All fields that some event needs."""


def objection(type_: str, action: str | None, given: Collection[str]) -> str | None:
    """
    Say what is wrong with an event, or nothing.

    :param type_: its type.
    :param action: its action, if it has one.
    :param given: names of the fields it has.
    :return: a sentence that names the nearest event of the table, or the fields that are missing; ``None`` for a good event.
    """
    kind = _BY_NAME.get((type_, action or ""))
    if kind is None:
        return f"{name_of(type_, action)} is no user event of Commerce; the nearest is {nearest(type_, action)}"
    if missing := [field for field in kind.needs if field not in given]:
        return f"{kind} needs {' and '.join(missing)}"
    return None


def nearest(type_: str, action: str | None) -> EventKind:
    """
    Return the event of the table that is spelled most alike.

    :param type_: a type that the table may lack.
    :param action: an action that it may lack, if there is one.
    """
    # An action that the given type does have, before one of another type that happens to be spelled alike.
    of_type = [kind for kind in EVENT_KINDS if kind.type == type_] or EVENT_KINDS
    by_spelling = {_spelling(kind.type, kind.action): kind for kind in of_type}
    alike = difflib.get_close_matches(_spelling(type_, action), by_spelling, n=1, cutoff=0.0)
    return by_spelling[alike[0]]


def _spelling(type_: str, action: str | None) -> str:
    return "".join(mark for mark in f"{type_}{action or ''}".lower() if mark.isalnum())


class UserEvent(Record):
    """
    What a person did: one of the events of Commerce's table (``odp.core.user_events``).

    Fields that are not named here, such as a tenant's own columns, become fields of the event.
    """

    key: ClassVar[tuple[str, ...]] = ("event_source", "event_id", "ts")
    object_name: ClassVar[str] = "events"
    object_alias: ClassVar[str] = "event"
    object_display_name: ClassVar[str] = "Events"
    standard_fields: ClassVar[frozenset[str]] = frozenset({"product_id", "search_term", "page"})
    envelope: ClassVar[frozenset[str]] = frozenset(
        {"event_source", "event_id", "ts", "type", "action"}
        | {"identifier_email", "identifier_business_user_id", "identifier_vuid"}
    )
    reserved: ClassVar[frozenset[str]] = frozenset({"active_event", "identifiers", "idempotence_id"})

    event_source: Identifier = required_from(
        "register (UserProfile.CreatedOn), login (UserProfile.LastLoginOn) or storefront (StorefrontEvent.Id)"
    )
    event_id: Identifier = required_from("UserProfile.Id, which is the person; for storefront events StorefrontEvent.Id")
    ts: Timestamp = required_from("UserProfile.CreatedOn, UserProfile.LastLoginOn or StorefrontEvent.OccurredOn")
    type: Text = required_from("StorefrontEvent.Type; account for UserProfile.CreatedOn and UserProfile.LastLoginOn")
    action: Text | None = read_from(
        "StorefrontEvent.Action; register for UserProfile.CreatedOn, login for UserProfile.LastLoginOn"
    )
    identifier_email: Email | None = read_from(
        "UserProfile.Email of the person, where e-mail addresses are unique; of guests StorefrontEvent.Email"
    )
    identifier_business_user_id: Identifier | None = read_from(
        "UserProfile.Id, which StorefrontEvent.UserProfileId names; never a guest's"
    )
    identifier_vuid: Identifier | None = read_from("StorefrontEvent.Vuid")
    product_id: Identifier | None = read_from("StorefrontEvent.ProductId")
    search_term: Text | None = read_from("StorefrontEvent.SearchTerm")
    page: Text | None = read_from("StorefrontEvent.Page")
    category: Text | None = read_from("StorefrontEvent.Category")
    business_id: Identifier | None = read_from("StorefrontEvent.CustomerId")

    @model_validator(mode="after")
    def _is_in_the_table(self) -> UserEvent:
        given = [field for field in NEEDED_FIELDS if getattr(self, field) is not None]
        if sentence := objection(self.type, self.action, given):
            raise PydanticCustomError("odp_user_event", "{sentence}", {"sentence": sentence})
        return self


def check_sources(sources: Collection[str], absent: Collection[str]) -> None:
    """
    Check that the sources of user events which the settings switch on are there.

    :param sources: the setting ``user_events``.
    :param absent: tables and columns that the replica lacks, as ``Table`` and ``Table.Column``.
    :raises SettingsError: if none is switched on.
    :raises ReplicaError: if the replica lacks one that is.
    """
    if not sources:
        raise SettingsError(
            "The export of user events is switched off: the setting user_events names no source.",
            "Put register, login or storefront into its list in odp_settings; docs/user-events.md says what each sends.",
        )
    needed = {"register": "UserProfile.CreatedOn", "login": "UserProfile.LastLoginOn", "storefront": "StorefrontEvent"}
    if missing := [f"{needed[source]} (for {source})" for source in sources if needed[source] in absent]:
        raise ReplicaError(
            f"The replica lacks {', '.join(missing)} or required columns of it, which the setting user_events asks for.",
            "Take the source out of user_events in odp_settings, or add it (include/sql/storefront_event.sql).",
        )
