"""Asking ODP whether it has events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import psycopg
import pytest

from odp.core.client import ClientOptions, OdpClient
from odp.core.event_claims import Claim, EventClaims
from odp.core.ledger import Ledger
from odp.core.uncertain import Resolver, settle_open_claims
from sandbox.odp.server import SandboxOdp

OPTIONS = ClientOptions(retry_budget=0.2, timeout=2)
ODD_NUMBERS = ('a"b', "a\\b", "a\nb", "🙂", "{x}", "')", "ключ", "x" * 300)


def claim(order: str, action: str = "purchase", *, minutes_ago: float = 60, state: str = "uncertain") -> Claim:
    moment = datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)
    return Claim(order, action, state, "run", 0, moment, "0" * 32)


def send(odp: SandboxOdp, order: str, *actions: str) -> None:
    events = [
        {"type": "order", "action": action, "identifiers": {"email": "a@example.com"}, "data": {"order": {"order_id": order}}}
        for action in actions
    ]
    assert OdpClient(odp.url, odp.key).upload("/events", orjson.dumps(events)).status == 202


def resolver(odp: SandboxOdp, *, minutes: float = 15, key: str = "") -> Resolver:
    return Resolver(OdpClient(odp.url, key or odp.key, OPTIONS), timedelta(minutes=minutes))


class TestResolver:
    def test_what_odp_has_and_has_not(self, odp: SandboxOdp) -> None:
        send(odp, "1", "purchase")
        send(odp, "2", "purchase", "cancel")
        asked = [claim(order, action) for order in ("1", "2", "3") for action in ("purchase", "cancel")]
        assert resolver(odp).resolve(asked) == {
            ("1", "purchase"): True,
            ("1", "cancel"): False,
            ("2", "purchase"): True,
            ("2", "cancel"): True,
            ("3", "purchase"): False,
            ("3", "cancel"): False,
        }

    def test_not_there_counts_only_after_the_delay(self, odp: SandboxOdp) -> None:
        send(odp, "1", "purchase")
        asked = [claim("1", minutes_ago=1), claim("2", minutes_ago=14), claim("3", minutes_ago=16)]
        assert resolver(odp).resolve(asked) == {("1", "purchase"): True, ("2", "purchase"): None, ("3", "purchase"): False}
        assert resolver(odp).resolve(asked, at_once=True)["2", "purchase"] is False
        assert resolver(odp, minutes=0).resolve(asked)["2", "purchase"] is False

    def test_any_order_number_can_be_asked_for(self, odp: SandboxOdp) -> None:
        for number in ODD_NUMBERS:
            send(odp, number, "purchase")
        found = resolver(odp).resolve([claim(number) for number in (*ODD_NUMBERS, "other")])
        assert found == {**{(number, "purchase"): True for number in ODD_NUMBERS}, ("other", "purchase"): False}

    def test_many_are_asked_for_in_few_requests(self, odp: SandboxOdp) -> None:
        send(odp, "120", "purchase")
        found = resolver(odp).resolve([claim(str(number), action) for number in range(130) for action in ("purchase", "cancel")])
        assert len(odp.requests(path="/v3/graphql")) == 3
        assert [key for key, there in found.items() if there] == [("120", "purchase")]
        assert len(found) == 260

    def test_an_order_without_status_says_nothing_of_its_cancel(self, odp: SandboxOdp) -> None:
        OdpClient(odp.url, odp.key).upload("/objects/orders", orjson.dumps([{"order_id": "1"}]))
        found = resolver(odp).resolve([claim("1"), claim("1", "cancel")])
        assert found == {("1", "purchase"): True, ("1", "cancel"): None}

    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 200, "body": {"data": {"o0": None}, "errors": [{"message": "timed out"}]}},
            {"status": 200, "body": {"data": None}},
            {"status": 200, "body": "no JSON"},
            {"status": 200, "body": []},
            {"status": 401, "body": "who?"},
            {"status": 403},
            {"status": 503, "count": 50},
            {"mode": "drop", "count": 50},
        ],
    )
    def test_where_odp_cannot_say_nothing_is_known(self, odp: SandboxOdp, answer: dict[str, Any]) -> None:
        odp.faults(path="/v3/graphql", **answer)
        assert resolver(odp, minutes=0).resolve([claim("1")], at_once=True) == {("1", "purchase"): None}

    def test_a_public_key_may_not_ask(self, odp: SandboxOdp) -> None:
        assert resolver(odp, key=odp.public_key).resolve([claim("1")]) == {("1", "purchase"): None}


class TestSettling:
    @pytest.fixture
    def ledger(self, ledger_database: str) -> Iterator[Ledger]:
        with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
            yield opened

    @pytest.fixture
    def claims(self, ledger: Ledger) -> EventClaims:
        return EventClaims(ledger)

    def leave(self, ledger: Ledger, *orders: str, state: str = "claimed", minutes_ago: float = 60) -> None:
        claims = EventClaims(ledger)
        claims.claim([(order, "purchase", "0" * 32) for order in orders], "dead", 0)
        if state == "uncertain":
            claims.mark_uncertain([(order, "purchase") for order in orders])
        ledger.connection.execute(
            "UPDATE event_delivery SET claimed_at = now() - make_interval(secs => %s) WHERE record_key = ANY(%s)",
            (60 * minutes_ago, list(orders)),
        )

    def open_orders(self, claims: EventClaims) -> list[str]:
        return sorted(c.record_key for c in claims.open_claims())

    def test_without_open_claims_nobody_is_asked(self, claims: EventClaims, odp: SandboxOdp) -> None:
        assert settle_open_claims(claims, resolver(odp)) == []
        assert odp.requests() == []

    @pytest.mark.parametrize("state", ["claimed", "uncertain"])
    def test_each_gets_its_fate(self, ledger: Ledger, claims: EventClaims, odp: SandboxOdp, state: str) -> None:
        send(odp, "there", "purchase")
        self.leave(ledger, "there", "absent", state=state)
        self.leave(ledger, "young", state="uncertain", minutes_ago=5)
        assert [c.record_key for c in settle_open_claims(claims, resolver(odp))] == ["absent"]
        assert self.open_orders(claims) == ["young"]
        assert {key[0]: c.state for key, c in claims.find(["there", "absent", "young"]).items()} == {
            "there": "delivered",
            "young": "uncertain",
        }

    def test_what_is_being_sent_right_now_is_left_alone(self, ledger: Ledger, claims: EventClaims, odp: SandboxOdp) -> None:
        self.leave(ledger, "sending", minutes_ago=0.01)
        self.leave(ledger, "lost", state="uncertain", minutes_ago=0.01)
        released = settle_open_claims(claims, resolver(odp, minutes=0))
        assert [c.record_key for c in released] == ["lost"]
        assert self.open_orders(claims) == ["sending"]

    def test_where_odp_cannot_say_all_stay(self, ledger: Ledger, claims: EventClaims, odp: SandboxOdp) -> None:
        self.leave(ledger, "1", "2")
        assert settle_open_claims(claims, resolver(odp, key=odp.public_key)) == []
        assert self.open_orders(claims) == ["1", "2"]
