"""Delivery of bodies: what is sent, what is written down, and what is left to later runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest

from odp.core.bodies import Body, ItemState
from odp.core.client import ClientOptions, OdpClient
from odp.core.deliver import Fates, RecordLoader
from odp.core.deliver_events import EventLoader
from odp.core.event_claims import EventClaims
from odp.core.exceptions import OdpForbiddenError, OdpUnavailableError
from odp.core.ledger import Ledger, hash_text
from odp.core.uncertain import Resolver
from sandbox.odp.server import SandboxOdp

OPTIONS = ClientOptions(concurrency=2, retry_budget=2, timeout=2)
Event = tuple[str, str]


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


def body(items: Sequence[Any], states: Sequence[ItemState]) -> Body:
    return Body(len(items), orjson.dumps(items), ItemState.write(states), sum(state.closes for state in states))


class TestRecords:
    def products(self, *keys: str, name: str = "Lamp") -> Body:
        states = [ItemState(key, hash_text(key), hash_text(name), "", True, f"e-{key}") for key in keys]
        return body([{"product_id": key, "name": name} for key in keys], states)

    def load(self, odp: SandboxOdp, ledger: Ledger, *bodies: Body, run_id: str = "run", repeated: bool = False) -> Fates:
        loader = RecordLoader(OdpClient(odp.url, odp.key, OPTIONS), ledger, run_id, 0, repeated=repeated)
        return loader.load("/objects/products", bodies)

    def stored(self, odp: SandboxOdp) -> set[str]:
        return {row["product_id"] for row in odp.dump("objects/products")}

    def confirmed(self, ledger: Ledger) -> set[str]:
        return {row[0] for row in ledger.connection.execute("SELECT record_key FROM record_state")}

    def test_all_are_sent_and_confirmed(self, odp: SandboxOdp, ledger: Ledger) -> None:
        assert self.load(odp, ledger, self.products("1", "2"), self.products("3")) == Fates()
        assert self.stored(odp) == self.confirmed(ledger) == {"1", "2", "3"}
        assert ledger.delivered_rows("run", 0) == 3

    def test_none(self, odp: SandboxOdp, ledger: Ledger) -> None:
        assert self.load(odp, ledger) == Fates()
        assert ledger.delivered_rows("run") == 0

    def test_a_refused_one_is_rejected_and_not_confirmed(self, odp: SandboxOdp, ledger: Ledger) -> None:
        odp.faults(path="/v3/objects", status=400, body={"detail": {"invalids": [{"event": 1, "message": "odd"}]}})
        fates = self.load(odp, ledger, self.products("1", "2", "3"))
        [reject] = fates.rejects
        assert (reject.entity_id, reject.record_key, reject.payload) == ("e-2", "2", {"product_id": "2", "name": "Lamp"})
        assert "odd" in reject.reason
        assert reject.odp_answer == reject.reason
        assert fates.rejected == 1
        assert self.stored(odp) == self.confirmed(ledger) == {"1", "3"}
        assert ledger.delivered_rows("run") == 2

    def test_what_was_acknowledged_before_an_error_is_confirmed(self, odp: SandboxOdp, ledger: Ledger) -> None:
        odp.faults(path="/v3/objects", status=403, after=3, count=99)
        bodies = [self.products(str(number)) for number in range(20)]
        with pytest.raises(OdpForbiddenError):
            self.load(odp, ledger, *bodies)
        assert self.stored(odp) == self.confirmed(ledger)
        assert len(self.stored(odp)) == ledger.delivered_rows("run") == 3

    def test_repeated_it_sends_the_rest(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.products("1", "2"))
        bodies = [self.products("1", "2"), self.products("2", "3"), self.products("4")]
        assert self.load(odp, ledger, *bodies, repeated=True) == Fates()
        assert [request["items"] for request in odp.requests(path="/v3/objects")][0] == 2
        assert sorted(request["items"] for request in odp.requests(path="/v3/objects")[1:]) == [1, 1]
        assert ledger.delivered_rows("run") == 4

    def test_repeated_it_sends_what_has_another_content_or_comes_from_another_run(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.products("1", name="old"))
        self.load(odp, ledger, self.products("2"), run_id="other")
        self.load(odp, ledger, self.products("1", "2"), repeated=True)
        assert [request["items"] for request in odp.requests(path="/v3/objects")] == [1, 1, 2]

    def test_not_repeated_it_does_not_look(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.products("1"))
        self.load(odp, ledger, self.products("1"))
        assert len(odp.requests(path="/v3/objects")) == 2


class TestEvents:
    def orders(self, *events: Event, content: str = "content", open_purchases: bool = False) -> Body:
        """Return a body; with ``open_purchases``, each purchase leaves its row to the cancel that follows."""
        states = [
            ItemState(key, hash_text(key), hash_text(content), action, not (open_purchases and action == "purchase"), f"e-{key}")
            for key, action in events
        ]
        items = [
            {
                "type": "order",
                "action": action,
                "identifiers": {"email": "a@example.com"},
                "data": {"order": {"order_id": key, "total": 5}},
            }
            for key, action in events
        ]
        return body(items, states)

    def load(
        self,
        odp: SandboxOdp,
        ledger: Ledger,
        *bodies: Body,
        run_id: str = "run",
        minutes: float = 0,
        key: str = "",
        part: int = 0,
    ) -> Fates:
        client = OdpClient(odp.url, key or odp.key, OPTIONS)
        loader = EventLoader(client, ledger, Resolver(client, timedelta(minutes=minutes)), run_id, part)
        return loader.load("/events", bodies)

    def stored(self, odp: SandboxOdp) -> list[Event]:
        return [(event["data"]["order"]["order_id"], event["action"]) for event in odp.dump("events")]

    def claims(self, ledger: Ledger) -> dict[Event, str]:
        rows = ledger.connection.execute("SELECT record_key, action, state FROM event_delivery")
        return {(row[0], row[1]): row[2] for row in rows}

    def test_claimed_sent_and_confirmed(self, odp: SandboxOdp, ledger: Ledger) -> None:
        assert self.load(odp, ledger, self.orders(("1", "purchase"), ("2", "purchase"))) == Fates()
        assert self.stored(odp) == [("1", "purchase"), ("2", "purchase")]
        assert set(self.claims(ledger).values()) == {"delivered"}
        assert ledger.delivered_rows("run", 0) == 2
        assert ledger.acknowledged([hash_text("1")])["acknowledged_hash"].to_list() == [hash_text("content")]

    def test_a_pair_counts_as_one_row(self, odp: SandboxOdp, ledger: Ledger) -> None:
        pair = self.orders(("1", "purchase"), ("1", "cancel"), open_purchases=True)
        assert self.load(odp, ledger, pair) == Fates()
        assert self.stored(odp) == [("1", "purchase"), ("1", "cancel")]
        assert ledger.delivered_rows("run") == 1

    def test_the_same_part_again_sends_nothing(self, odp: SandboxOdp, ledger: Ledger) -> None:
        for _ in range(2):
            assert self.load(odp, ledger, self.orders(("1", "purchase"))) == Fates()
        assert self.stored(odp) == [("1", "purchase")]
        assert ledger.delivered_rows("run") == 1

    def test_what_another_run_has_sent_is_unchanged(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.orders(("1", "purchase")), run_id="other")
        fates = self.load(odp, ledger, self.orders(("1", "purchase"), ("2", "purchase")))
        assert fates == Fates(unchanged=1)
        assert self.stored(odp) == [("1", "purchase"), ("2", "purchase")]

    def test_what_another_part_has_sent_is_unchanged(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.orders(("1", "purchase")), part=1)
        assert self.load(odp, ledger, self.orders(("1", "purchase"))) == Fates(unchanged=1)

    def test_what_another_run_has_sent_in_another_form_is_left_to_a_later_run(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.orders(("1", "purchase"), content="older"), run_id="other")
        fates = self.load(odp, ledger, self.orders(("1", "purchase")))
        assert [state.record_key for state in fates.uncertain] == ["1"]
        assert len(self.stored(odp)) == 1

    def test_what_another_run_is_sending_is_left_to_a_later_run(self, odp: SandboxOdp, ledger: Ledger) -> None:
        EventClaims(ledger).claim([("1", "purchase", hash_text("content"))], "other", 0)
        fates = self.load(odp, ledger, self.orders(("1", "purchase"), ("2", "purchase")))
        assert [state.entity_id for state in fates.uncertain] == ["e-1"]
        assert self.stored(odp) == [("2", "purchase")]
        assert self.claims(ledger) == {("1", "purchase"): "claimed", ("2", "purchase"): "delivered"}

    def test_a_cancel_waits_while_another_run_sends_its_purchase(self, odp: SandboxOdp, ledger: Ledger) -> None:
        EventClaims(ledger).claim([("1", "purchase", hash_text("content"))], "other", 0)
        fates = self.load(odp, ledger, self.orders(("1", "purchase"), ("1", "cancel"), open_purchases=True))
        assert [state.action for state in fates.uncertain] == ["cancel"]
        assert self.stored(odp) == []
        assert self.claims(ledger) == {("1", "purchase"): "claimed"}

    def test_a_cancel_goes_on_where_another_run_has_sent_its_purchase(self, odp: SandboxOdp, ledger: Ledger) -> None:
        self.load(odp, ledger, self.orders(("1", "purchase")), run_id="other")
        assert self.load(odp, ledger, self.orders(("1", "purchase"), ("1", "cancel"), open_purchases=True)) == Fates()
        assert self.stored(odp) == [("1", "purchase"), ("1", "cancel")]
        assert ledger.delivered_rows("run") == 1

    @pytest.mark.parametrize("stored", [True, False])
    def test_claims_of_an_earlier_try_are_resolved(self, odp: SandboxOdp, ledger: Ledger, stored: bool) -> None:
        events = self.orders(("1", "purchase"), ("2", "purchase"))
        if stored:
            OdpClient(odp.url, odp.key).upload("/events", events.content)
        EventClaims(ledger).claim([("1", "purchase", hash_text("content")), ("2", "purchase", hash_text("content"))], "run", 0)
        assert self.load(odp, ledger, events) == Fates()
        assert sorted(self.stored(odp)) == [("1", "purchase"), ("2", "purchase")]
        assert ledger.delivered_rows("run") == 2

    def test_young_claims_of_an_earlier_try_are_kept(self, odp: SandboxOdp, ledger: Ledger) -> None:
        EventClaims(ledger).claim([("1", "purchase", hash_text("content"))], "run", 0)
        fates = self.load(odp, ledger, self.orders(("1", "purchase"), ("2", "purchase")), minutes=15)
        assert [state.record_key for state in fates.uncertain] == ["1"]
        assert self.claims(ledger) == {("1", "purchase"): "uncertain", ("2", "purchase"): "delivered"}

    @pytest.mark.parametrize(
        "fault", [{"status": 403}, {"status": 401}, {"status": 503, "count": 99}, {"status": 429, "count": 99}]
    )
    def test_refused_requests_leave_no_claim(self, odp: SandboxOdp, ledger: Ledger, fault: dict[str, Any]) -> None:
        odp.faults(path="/v3/events", **fault)
        with pytest.raises(Exception, match="ODP|down"):
            self.load(odp, ledger, self.orders(("1", "purchase")))
        assert self.claims(ledger) == {}
        assert self.stored(odp) == []

    @pytest.mark.parametrize("status", [500, 502])
    def test_an_error_that_does_not_pass_fails_the_task_and_leaves_no_claim(
        self, odp: SandboxOdp, ledger: Ledger, status: int
    ) -> None:
        odp.faults(path="/v3/events", status=status, count=99)
        with pytest.raises(OdpUnavailableError, match="within the retry budget"):
            self.load(odp, ledger, self.orders(("1", "purchase")))
        assert self.claims(ledger) == {}

    @pytest.mark.parametrize("status", [500, 502])
    def test_an_error_after_events_were_stored_doubles_none(self, odp: SandboxOdp, ledger: Ledger, status: int) -> None:
        odp.faults(path="/v3/events", status=status, mode="store_then_fail")
        assert self.load(odp, ledger, self.orders(("1", "purchase")), minutes=15) == Fates()
        assert self.stored(odp) == [("1", "purchase")]

    def test_an_error_where_odp_cannot_be_asked_leaves_the_event_uncertain(self, odp: SandboxOdp, ledger: Ledger) -> None:
        odp.faults(path="/v3/events", status=500)
        fates = self.load(odp, ledger, self.orders(("1", "purchase")), key=odp.public_key)
        assert [state.record_key for state in fates.uncertain] == ["1"]
        assert self.claims(ledger) == {("1", "purchase"): "uncertain"}

    def test_a_named_one_is_rejected_and_its_claim_given_up(self, odp: SandboxOdp, ledger: Ledger) -> None:
        odp.faults(path="/v3/events", status=400, body={"detail": {"invalids": [{"event": 0, "message": "odd"}]}})
        fates = self.load(odp, ledger, self.orders(("1", "purchase"), ("2", "purchase")))
        assert [(reject.entity_id, reject.record_key) for reject in fates.rejects] == [("e-1", "1")]
        assert fates.rejected == 1
        assert self.claims(ledger) == {("2", "purchase"): "delivered"}
        assert self.stored(odp) == [("2", "purchase")]

    def test_without_names_the_body_is_halved(self, odp: SandboxOdp, ledger: Ledger) -> None:
        odp.faults(path="/v3/events", status=400, count=3, body={"detail": {"invalids": []}})
        fates = self.load(odp, ledger, self.orders(*((str(number), "purchase") for number in range(4))))
        assert [reject.record_key for reject in fates.rejects] == ["0"]
        assert self.stored(odp) == [(str(number), "purchase") for number in (1, 2, 3)]
        assert ledger.delivered_rows("run") == 3
