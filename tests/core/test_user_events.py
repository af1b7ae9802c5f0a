"""Commerce's table of user events, and the two readers of it: pydantic for a sentence, polars for whole columns."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from odp.core.contract import Column, extended_contract
from odp.core.exceptions import ReplicaError, SettingsError
from odp.core.user_events import EVENT_KINDS, NEEDED_FIELDS, UserEvent, check_sources, nearest, objection
from tests.core.staged import Row, columns_of, items_of, transform

PERSON = "0d9f5ad2-9d0f-4f9e-8f62-0a9b4d3f3e11"


def event(type_: str, action: str | None, **values: str | None) -> Row:
    return {
        "event_source": "storefront",
        "event_id": "e-1",
        "ts": "1700000000",
        "type": type_,
        "action": action,
        "identifier_email": "ana@example.com",
    } | values


def test_the_table_has_the_19_rows_that_commerce_documents() -> None:
    assert len({(kind.type, kind.action) for kind in EVENT_KINDS}) == len(EVENT_KINDS) == 19
    assert [str(kind) for kind in EVENT_KINDS if kind.sender == "backend"] == [
        "order / purchase",
        "account / register",
        "account / login",
    ]
    assert Counter(kind.type for kind in EVENT_KINDS) == {
        "product": 5, "page_view": 3, "navigation": 4, "account": 4, "order": 1, "pageview": 1, "business": 1,
    }  # fmt: skip
    assert [str(kind) for kind in EVENT_KINDS if not kind.action] == ["pageview"]
    assert set(NEEDED_FIELDS) <= UserEvent.model_fields.keys() - UserEvent.envelope


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=str)
def test_each_row_is_accepted_with_what_it_needs_and_refused_without(kind: Any) -> None:
    needs = dict.fromkeys(kind.needs, "x")
    assert len(transform(UserEvent, [event(kind.type, kind.action, **needs)]).items) == 1
    for field in kind.needs:
        (reject,) = transform(UserEvent, [event(kind.type, kind.action, **needs | {field: None})]).rejects
        assert reject.reason == f"{kind} needs {field}"


@pytest.mark.parametrize(
    ("type_", "action", "expected"),
    [
        ("product", "add_to_basket", "product / add_to_cart"),
        ("Product", "AddToCart", "product / add_to_cart"),
        ("product", "addtowishlist", "product / add_to_wishlist"),
        ("account", "signin", "account / login"),
        ("page_view", None, "page_view / cart"),
        ("pageview", "home", "pageview"),
        ("pageviews", None, "pageview"),
        ("business", "changed", "business / change_business"),
        ("order", "cancel", "order / purchase"),
        ("x", "y", None),
        ("🙂", None, None),
    ],
)
def test_an_unknown_event_is_rejected_with_the_nearest_one_named(type_: str, action: str | None, expected: str | None) -> None:
    (reject,) = transform(UserEvent, [event(type_, action)]).rejects
    named = re.fullmatch(r"(.+) is no user event of Commerce; the nearest is (.+)", reject.reason)
    assert named
    assert named[1] == (f"{type_} / {action}" if action else type_)
    assert named[2] in map(str, EVENT_KINDS)
    assert named[2] == (expected or str(nearest(type_, action)))


def test_the_item_is_what_odp_takes() -> None:
    columns = [*columns_of(UserEvent, "entity_id"), Column("store", "text"), Column("score", "number")]
    rows = [
        event("product", "detail", product_id="p-1", identifier_business_user_id=PERSON, store="north", score="2.5"),
        event("pageview", None, event_id="e-2", page='/a"b', identifier_email=None, identifier_vuid="abc"),
    ]
    first, second = items_of(outcome := transform(UserEvent, rows, columns))
    idempotence_id = first["data"].pop("idempotence_id")
    assert first == {
        "type": "product",
        "action": "detail",
        "identifiers": {"email": "ana@example.com", "business_user_id": PERSON},
        "data": {"ts": 1_700_000_000, "active_event": False, "product_id": "p-1", "store": "north", "score": 2.5},
    }
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", idempotence_id)
    assert idempotence_id == items_of(transform(UserEvent, rows[:1], columns))[0]["data"]["idempotence_id"]
    assert second["data"].pop("idempotence_id") != idempotence_id
    assert second == {
        "type": "pageview",
        "identifiers": {"vuid": "abc"},
        "data": {"ts": 1_700_000_000, "active_event": False, "page": '/a"b'},
    }
    assert outcome.records["record_key"].to_list() == ["storefront e-1 1700000000", "storefront e-2 1700000000"]
    assert outcome.actions is not None
    assert outcome.actions.to_list() == ["detail", ""]


@pytest.mark.parametrize("name", ["identifiers", "idempotence_id", "active_event"])
def test_a_column_cannot_have_the_name_of_a_part_of_the_event(name: str) -> None:
    with pytest.raises(ReplicaError, match=f"selects {name}, which no field can be called"):
        extended_contract(UserEvent, [*columns_of(UserEvent), Column(name, "text")])


words = st.sampled_from([*{kind.type for kind in EVENT_KINDS}, *{kind.action for kind in EVENT_KINDS}, "Product", "x", "🙂"])
# Python counts the separators 1C to 1F as white space, Unicode and polars do not.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\x1c\x1d\x1e\x1f")
texts = st.one_of(st.none(), words, st.text(characters, max_size=4))
events = st.one_of(st.sampled_from([(kind.type, kind.action or None) for kind in EVENT_KINDS]), st.tuples(texts, texts)).flatmap(
    lambda pair: st.fixed_dictionaries(
        {
            "type": st.just(pair[0]),
            "action": st.just(pair[1]),
            "ts": st.sampled_from(["1700000000", "1700000000", "1700000000000", "", None]),
            "identifier_email": st.sampled_from(["ana@example.com", "ana@example.com", "nobody", None]),
            "product_id": st.one_of(st.just("p-1"), texts, st.just("x" * 1025)),
            "search_term": texts,
            "page": texts,
            "business_id": texts,
        }
    )
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(events, min_size=1, max_size=8))
def test_polars_and_pydantic_accept_the_same_events_with_the_same_values(given_rows: list[dict[str, Any]]) -> None:
    rows = [row | {"event_source": "storefront", "event_id": f"e-{at}"} for at, row in enumerate(given_rows)]
    outcome = transform(UserEvent, rows)
    expected = []
    for row in rows:
        stripped = {name: value.strip() if value else None for name, value in row.items()}
        values = {name: value or None for name, value in stripped.items()}
        try:
            expected.append(UserEvent.model_validate(values).model_dump(exclude_none=True))
        except ValidationError:
            continue
    items = [orjson.loads(item) for item in outcome.items]
    assert len(items) + len(outcome.rejects) == len(rows)
    assert len(items) == len(expected)
    for item, values in zip(items, expected, strict=True):
        assert (item["type"], item.get("action")) == (values["type"], values.get("action"))
        data = {name: value for name, value in item["data"].items() if name not in ("active_event", "idempotence_id")}
        assert data == {name: value for name, value in values.items() if name not in UserEvent.envelope or name == "ts"}


def test_a_good_event_meets_no_objection() -> None:
    assert objection("product", "detail", ["product_id"]) is None
    assert objection("pageview", "", ["page"]) is None


def test_a_source_must_be_switched_on_and_there() -> None:
    with pytest.raises(SettingsError, match="user_events names no source"):
        check_sources([], [])
    with pytest.raises(ReplicaError, match=r"lacks UserProfile\.LastLoginOn \(for login\), StorefrontEvent \(for storefront\)"):
        check_sources(["login", "storefront"], ["StorefrontEvent", "UserProfile.LastLoginOn", "UserProfile.CreatedOn"])
    check_sources(["register"], ["StorefrontEvent", "UserProfile.LastLoginOn"])
