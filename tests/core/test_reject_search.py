"""Finding rejects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from odp.core import reject_search
from odp.core.reject_search import ReasonGroup, find_rejects, open_rejects, read_reject, reason_groups
from tests.core.history import ACCOUNT, EXPORT, add_reject, day


@pytest.fixture
def connection(ledger_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty ledger."""
    with psycopg.connect(ledger_database, autocommit=True) as opened:
        yield opened


def found(connection: psycopg.Connection[Any], **search: Any) -> list[str]:
    return [reject.entity_id for reject in find_rejects(connection, ACCOUNT, EXPORT, **search)]


@pytest.mark.parametrize(
    ("reasons", "group"),
    [
        (["items.0.quantity must be a finite number", "items.12.quantity must be a finite number"],
         "items.N.quantity must be a finite number"),
        (["email must be an e-mail address such as ana@example.com"], "email must be an e-mail address such as ana@example.com"),
        (["ODP answered 400: phone 'abc' is bad", "ODP answered 400: phone 'x y' is bad"], "ODP answered 400: phone … is bad"),
        (['total "1,5" is no number', 'total "" is no number'], "total … is no number"),
        (["bob@shop.de is taken", "ana.b@x.org is taken"], "… is taken"),
        (["It's odd, isn't it"], "It's odd, isn't it"),
        (["order 00123456 is gone", "order 99999999 is gone"], "order … is gone"),
        (["x" * 400], "x" * 300),
    ],
)  # fmt: skip
def test_reasons_that_differ_in_the_record_alone_are_one(
    connection: psycopg.Connection[Any], reasons: list[str], group: str
) -> None:
    for number, reason in enumerate(reasons):
        add_reject(connection, f"e-{number}", reason=reason)
    assert reason_groups(connection, ACCOUNT, EXPORT) == [ReasonGroup(reason_group=group, rejects=len(reasons))]
    assert len(found(connection, reason_group=group)) == len(reasons)


def test_groups_count_the_open_ones_of_the_export_the_most_frequent_first(connection: psycopg.Connection[Any]) -> None:
    for number, reason in enumerate(("b", "a", "c", "c")):
        add_reject(connection, f"e-{number}", reason=reason)
    add_reject(connection, "closed", reason="d", closed_at=day(0))
    add_reject(connection, "e-0", export="product_odp_export", reason="e")
    add_reject(connection, "e-0", account="another", reason="f")
    groups = reason_groups(connection, ACCOUNT, EXPORT)
    assert [(group.reason_group, group.rejects) for group in groups] == [("c", 2), ("a", 1), ("b", 1)]
    exports = [EXPORT, "product_odp_export", "warehouse_odp_export"]
    assert open_rejects(connection, ACCOUNT, exports) == {EXPORT: 4, "product_odp_export": 1}


def test_a_great_number_is_not_counted_to_the_end(connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reject_search, "MOST_COUNTED", 3)
    for number in range(5):
        add_reject(connection, f"e-{number}")
    assert open_rejects(connection, ACCOUNT, [EXPORT]) == {EXPORT: 3}


def test_found_by_a_part_of_key_id_or_reason_in_any_case(connection: psycopg.Connection[Any]) -> None:
    add_reject(connection, "GUID-1", record_key="Ana@x.org", reason="email is odd")
    add_reject(connection, "GUID-2", record_key="bob@x.org", reason="phone is odd")
    assert found(connection, text="ana") == found(connection, text="guid-1") == found(connection, text="EMAIL") == ["GUID-1"]
    assert sorted(found(connection, text="odd")) == ["GUID-1", "GUID-2"]
    assert found(connection, text="ana", reason_group="phone is odd") == []


@pytest.mark.parametrize(("text", "hit"), [("100%", "e-1"), ("a_b", "e-2"), ("c\\d", "e-3")])
def test_signs_of_patterns_are_plain_signs(connection: psycopg.Connection[Any], text: str, hit: str) -> None:
    for number, key in enumerate(("100% sure", "a_b", "c\\d", "1000", "axb", "cd"), 1):
        add_reject(connection, f"e-{number}", record_key=key)
    assert found(connection, text=text) == [hit]


def test_one_who_may_not_see_keys_finds_them_as_a_whole_alone(connection: psycopg.Connection[Any]) -> None:
    add_reject(connection, "e-1", record_key="ana@x.org", reason="email 'ana@x.org' is odd")
    for part in ("ana", "x.org", "a", "e-", "ana@x.or"):
        assert found(connection, text=part, whole_key=True) == (["e-1"] if part == "a" else []), part
    assert found(connection, text="ANA@x.org", whole_key=True) == ["e-1"]
    assert found(connection, text="E-1", whole_key=True) == ["e-1"]
    assert found(connection, text="is odd", whole_key=True) == ["e-1"]


def test_pages_the_last_tried_first(connection: psycopg.Connection[Any]) -> None:
    for number in (1, 3, 2):
        add_reject(connection, f"e-{number}", last_at=day(number))
    assert found(connection, limit=2) == ["e-3", "e-2"]
    assert found(connection, limit=2, offset=2) == ["e-1"]


def test_open_and_closed_apart(connection: psycopg.Connection[Any]) -> None:
    add_reject(connection, "open")
    add_reject(connection, "closed", closed_at=day(0), closed_by="run")
    assert found(connection) == ["open"]
    assert found(connection, is_open=False) == ["closed"]


def test_one_reject_with_its_payload(connection: psycopg.Connection[Any]) -> None:
    payload = {"email": "ana", "items": [{"price": 1.5}], "none": None}
    number = add_reject(connection, "e-1", payload=payload, odp_answer="ODP answered 400: no", tries=3)
    reject = read_reject(connection, ACCOUNT, EXPORT, number)
    assert reject
    assert (reject.entity_id, reject.payload, reject.odp_answer, reject.tries) == ("e-1", payload, "ODP answered 400: no", 3)
    assert read_reject(connection, ACCOUNT, "product_odp_export", number) is None
    assert read_reject(connection, "another", EXPORT, number) is None
    assert read_reject(connection, ACCOUNT, EXPORT, number + 1) is None
