"""Events whose answer was lost: looked for in ODP, never sent blindly, never forgotten."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest

from odp.core.bodies import ItemState, read_bodies
from odp.core.event_claims import EventClaims
from odp.core.exports import ORDERS
from odp.core.settings import Settings
from odp.core.window import Window
from sandbox.world import PROJECT
from tests.reliability.harness import Pipeline, Run, events_in, fates, orders_in, uploads_to
from tests.reliability.shop import START, Shop

PURCHASE, CANCEL = "purchase", "cancel"
PATIENT = Settings(visibility_delay_minutes=15)
LATER = Window(START.replace(year=START.year + 1), None)
"""A window that no order of the shop was modified in."""

LOST_ANSWERS = {
    "connection dropped": {"mode": "drop"},
    "connection dropped after it was stored": {"mode": "store_then_drop"},
    "504": {"mode": "fail", "status": 504},
    "504 after it was stored": {"mode": "store_then_fail", "status": 504},
}


@pytest.fixture(params=LOST_ANSWERS.values(), ids=list(LOST_ANSWERS))
def lost_answer(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A fault that loses the answer to an upload of events."""
    return {"path": "/v3/events", **request.param}


def is_stored(fault: dict[str, Any]) -> bool:
    return fault["mode"].startswith("store")


@pytest.fixture
def two_orders(shop: Shop) -> Shop:
    """A shop with a purchase, and with a cancel whose purchase was never sent."""
    shop.place("1001", total=30)
    shop.place("1002", total=40, status="CancellationRequested")
    return shop


THEIR_EVENTS = [("1001", PURCHASE), ("1002", PURCHASE), ("1002", CANCEL)]


def is_right(odp: Any) -> None:
    """Check that ODP holds each event of the two orders once, a cancel after its purchase."""
    assert sorted(events_in(odp)) == sorted(THEIR_EVENTS)
    assert events_in(odp).index(("1002", PURCHASE)) < events_in(odp).index(("1002", CANCEL))
    assert {number: (order["status"], order["total"]) for number, order in orders_in(odp).items()} == {
        "1001": (PURCHASE, 30),
        "1002": (CANCEL, 0),
    }


@pytest.mark.usefixtures("two_orders")
def test_where_odp_shows_events_at_once_they_are_resolved_at_once(
    orders: Pipeline, odp: Any, lost_answer: dict[str, Any]
) -> None:
    odp.faults(**lost_answer)

    run = orders.run(ORDERS)

    assert fates(run) == {"extracted": 2, "delivered": 2}
    assert len(odp.requests(path="/v3/events")) == (1 if is_stored(lost_answer) else 2)
    is_right(odp)
    assert orders.claims() == {(PURCHASE, "delivered"): 2, (CANCEL, "delivered"): 1}
    assert fates(orders.run(ORDERS)) == {"extracted": 2, "unchanged": 2}


@pytest.mark.usefixtures("two_orders")
def test_what_odp_does_not_show_yet_is_kept_as_uncertain_and_settled_later(
    orders: Pipeline, odp: Any, lost_answer: dict[str, Any]
) -> None:
    pipeline = replace(orders, settings=PATIENT)
    odp.settings(visibility_delay=3600)
    odp.faults(**lost_answer)

    first = pipeline.run(ORDERS)

    assert fates(first) == {"extracted": 2, "uncertain": 2}
    assert sorted(line.partition(":")[0] for line in first.summary["uncertain_examples"]) == ["1001", "1002"]
    assert pipeline.claims() == {(PURCHASE, "uncertain"): 2, (CANCEL, "uncertain"): 1}
    assert len(odp.requests(path="/v3/events")) == 1

    too_early = pipeline.run(ORDERS, window=LATER)
    assert fates(too_early) == {"extracted": 2, "uncertain": 2}
    assert len(odp.requests(path="/v3/events")) == 1

    odp.settings(visibility_delay=0)
    pipeline.age_claims()
    settled = pipeline.run(ORDERS, window=LATER)
    fate = "unchanged" if is_stored(lost_answer) else "delivered"
    assert fates(settled) == {"extracted": 2, fate: 2}
    assert len(uploads_to(odp)) == (1 if is_stored(lost_answer) else 2)
    is_right(odp)
    assert pipeline.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]

    assert fates(pipeline.run(ORDERS)) == {"extracted": 2, "unchanged": 2}
    assert fates(pipeline.run(ORDERS, window=LATER)) == {}
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_what_odp_shows_within_the_delay_is_confirmed(orders: Pipeline, odp: Any) -> None:
    odp.faults(path="/v3/events", mode="store_then_drop")

    run = replace(orders, settings=PATIENT).run(ORDERS)

    assert fates(run) == {"extracted": 2, "delivered": 2}
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_an_answer_that_comes_too_late_is_a_lost_one(orders: Pipeline, odp: Any) -> None:
    pipeline = replace(orders, settings=PATIENT, timeout=0.3)
    odp.faults(path="/v3/events", delay=0.8, mode="delay")

    run = pipeline.run(ORDERS)

    assert fates(run) == {"extracted": 2, "uncertain": 2}
    pipeline.age_claims()
    assert pipeline.run(ORDERS, window=LATER).summary["extracted"] == 2
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_where_odp_may_not_be_asked_the_event_stays_uncertain(orders: Pipeline, odp: Any, lost_answer: dict[str, Any]) -> None:
    """A public key may upload, but not read."""
    public = replace(orders, key=odp.public_key, settings=Settings(create_schema=False, visibility_delay_minutes=0))
    odp.faults(**lost_answer)

    assert fates(public.run(ORDERS)) == {"extracted": 2, "uncertain": 2}
    public.age_claims()
    assert fates(public.run(ORDERS)) == {"extracted": 4, "uncertain": 2, "skipped": 2}
    assert len(odp.requests(path="/v3/events")) == 1

    # With the private key, which belongs to the same account, the next run settles it.
    private = replace(orders, settings=Settings(create_schema=False, visibility_delay_minutes=0))
    assert private.account == public.account
    private.run(ORDERS, window=LATER)
    is_right(odp)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": {"data": {"o0": None, "o1": None}, "errors": [{"message": "timed out"}]}},
        {"status": 200, "body": {"data": None}},
        {"status": 200, "body": "<html>busy</html>"},
        {"status": 200, "body": ["?"]},
        {"status": 400, "body": {"errors": [{"message": "bad query"}]}},
        {"status": 403},
    ],
    ids=["errors", "no data", "no JSON", "no object", "400", "403"],
)
@pytest.mark.usefixtures("two_orders")
def test_an_answer_that_does_not_tell_leaves_the_event_uncertain(orders: Pipeline, odp: Any, answer: dict[str, Any]) -> None:
    odp.faults(path="/v3/events", mode="store_then_drop")
    odp.faults(path="/v3/graphql", count=2, **answer)

    assert fates(orders.run(ORDERS)) == {"extracted": 2, "uncertain": 2}
    orders.age_claims()
    assert fates(orders.run(ORDERS, window=LATER)) == {"extracted": 2, "uncertain": 2}
    assert fates(orders.run(ORDERS, window=LATER)) == {"extracted": 2, "unchanged": 2}

    assert len(odp.requests(path="/v3/events")) == 1
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_an_odp_that_cannot_be_asked_at_all_leaves_the_event_uncertain(orders: Pipeline, odp: Any) -> None:
    pipeline = replace(orders, retry_budget=0.5)
    odp.faults(path="/v3/events", mode="drop")
    odp.faults(path="/v3/graphql", status=503, count=1000)

    assert fates(pipeline.run(ORDERS)) == {"extracted": 2, "uncertain": 2}
    assert len(odp.requests(path="/v3/events")) == 1


@pytest.mark.usefixtures("two_orders")
def test_claims_of_a_run_that_never_came_back_are_settled_by_the_next_one(orders: Pipeline, odp: Any) -> None:
    """Its worker died, and nobody repeated it: its rejects were never kept either."""
    pipeline = replace(orders, settings=PATIENT)
    dead = pipeline.start(ORDERS)
    dead.extract()
    dead.transform()
    claim_all(dead)

    assert fates(pipeline.run(ORDERS, window=LATER)) == {}
    pipeline.age_claims()
    assert fates(pipeline.run(ORDERS, window=LATER)) == {"extracted": 2, "delivered": 2}
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_claims_of_such_a_run_are_not_forgotten_by_a_run_that_sends_other_orders(shop: Shop, orders: Pipeline, odp: Any) -> None:
    dead = orders.start(ORDERS)
    dead.extract()
    dead.transform()
    claim_all(dead)
    orders.age_claims()
    shop.place("1003")

    assert fates(orders.run(ORDERS, ids=["1003"])) == {"extracted": 1, "delivered": 1}

    assert fates(orders.run(ORDERS, window=LATER)) == {"extracted": 2, "delivered": 2}
    assert sorted(events_in(odp)) == sorted([*THEIR_EVENTS, ("1003", PURCHASE)])
    assert orders.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


@pytest.mark.usefixtures("two_orders")
def test_claims_of_such_a_run_are_not_forgotten_by_a_run_that_dies_in_turn(orders: Pipeline, odp: Any) -> None:
    dead = orders.start(ORDERS)
    dead.extract()
    dead.transform()
    claim_all(dead)
    orders.age_claims()
    orders.start(ORDERS, window=LATER).extract()

    assert fates(orders.run(ORDERS, window=LATER)) == {"extracted": 2, "delivered": 2}
    is_right(odp)


@pytest.mark.usefixtures("two_orders")
def test_a_load_repeated_after_another_run_settled_its_events_adds_up(orders: Pipeline, odp: Any) -> None:
    dead = orders.start(ORDERS)
    dead.extract()
    dead.transform()
    odp.faults(path="/v3/events", mode="store_then_drop")
    odp.faults(path="/v3/graphql", status=403)
    dead.load()
    orders.age_claims()
    orders.run(ORDERS, window=LATER)

    dead.load()
    dead.reconcile()

    assert fates(dead) == {"extracted": 2, "unchanged": 2}
    is_right(odp)


class TestReleasedByHand:
    """The statements that docs/reliability.md gives to those whose ODP cannot be asked."""

    @pytest.fixture
    def statements(self) -> dict[str, str]:
        blocks = re.findall(r"```sql\n(.*?)```", (PROJECT / "docs" / "reliability.md").read_text(), re.DOTALL)
        return {next(word for word in ("UPDATE", "DELETE", "SELECT") if word in block): block for block in blocks}

    @pytest.fixture
    def blind(self, shop: Shop, orders: Pipeline, odp: Any) -> Pipeline:
        """A pipeline whose key may not read."""
        shop.place("1001", "1002")
        orders.run(ORDERS, ids=["1002"])
        return replace(orders, key=odp.public_key, settings=Settings(create_schema=False))

    def test_an_event_that_is_there(self, blind: Pipeline, odp: Any, statements: dict[str, str]) -> None:
        odp.faults(path="/v3/events", mode="store_then_drop")
        assert blind.run(ORDERS).summary["uncertain"] == 1
        [(account, key, action, state, _, _)] = blind.query(statements["SELECT"])
        assert (account, key, action, state) == (blind.account, "1001", PURCHASE, "uncertain")

        blind.query(statements["UPDATE"])

        assert blind.query(statements["SELECT"]) == []
        assert blind.run(ORDERS, window=LATER).summary["uncertain"] == 0
        assert sorted(events_in(odp)) == [("1001", PURCHASE), ("1002", PURCHASE)]
        assert fates(blind.run(ORDERS)) == {"extracted": 2, "unchanged": 2}

    @pytest.mark.parametrize("ids", [None, ["1001"]])
    def test_an_event_that_is_not_there(
        self, blind: Pipeline, odp: Any, statements: dict[str, str], ids: list[str] | None
    ) -> None:
        odp.faults(path="/v3/events", mode="drop")
        assert blind.run(ORDERS).summary["uncertain"] == 1

        blind.query(statements["DELETE"])

        assert blind.query(statements["SELECT"]) == []
        run = blind.run(ORDERS, ids=ids) if ids else blind.run(ORDERS, window=LATER)
        assert run.summary["delivered"] == 1
        assert sorted(events_in(odp)) == [("1001", PURCHASE), ("1002", PURCHASE)]


def claim_all(run: Run) -> None:
    """Claim the events of a run, as its load does before it sends them."""
    for part in run.transformed:
        for upload in part["uploads"]:
            with (
                run.staging.read(upload["bodies"]) as bodies,
                run.staging.read(upload["states"]) as states,
                run.ledger() as ledger,
            ):
                for body in read_bodies(bodies, states):
                    events = [(s.record_key, s.action, s.payload_hash) for s in ItemState.read(body.states)]
                    EventClaims(ledger).claim(events, run.run_id, part["part"])


class TestRefusedEvents:
    """A 400 names the bad events; whether ODP keeps the others of the request is not documented."""

    GOOD = tuple(str(number) for number in range(1001, 1011))

    @pytest.fixture(autouse=True)
    def strict_field(self, odp: Any, orders: Pipeline) -> None:
        """Let ODP refuse an order whose purchase order number is not a number."""
        field = {"name": "customer_po", "display_name": "Customer PO", "type": "number"}
        orders.client().request("POST", "/schema/objects/orders/fields", orjson.dumps(field))
        odp.settings(reject_wrong_types=True)

    @pytest.fixture(params=[False, True], ids=["keeps none", "keeps the good ones"])
    def keeps(self, odp: Any, request: pytest.FixtureRequest) -> bool:
        odp.settings(keep_good_items=request.param)
        return bool(request.param)

    def place(self, shop: Shop, orders: Pipeline) -> None:
        """Place orders of all kinds, one of which ODP refuses."""
        shop.place(*self.GOOD)
        orders.run(ORDERS, ids=self.GOOD[:3])
        shop.change(self.GOOD[0], Status="CancellationRequested")
        shop.change(self.GOOD[9], Status="CancellationRequested")
        shop.place("666", CustomerPO="not a number")

    def expected(self) -> Counter[tuple[str, str]]:
        return Counter([(number, PURCHASE) for number in self.GOOD] + [(self.GOOD[0], CANCEL), (self.GOOD[9], CANCEL)])

    @pytest.mark.usefixtures("keeps")
    def test_the_bad_one_is_rejected_and_the_good_ones_are_sent_once(self, shop: Shop, orders: Pipeline, odp: Any) -> None:
        pipeline = replace(orders, settings=Settings(max_reject_ratio=1, visibility_delay_minutes=0))
        self.place(shop, pipeline)

        run = pipeline.run(ORDERS)

        assert fates(run) == {"extracted": 11, "delivered": 8, "unchanged": 2, "rejected": 1}
        assert Counter(events_in(odp)) == self.expected()
        assert orders_in(odp)[self.GOOD[0]]["total"] == orders_in(odp)[self.GOOD[9]]["total"] == 0
        assert run.rejects[0].startswith("666: Invalid value for field `customer_po`")
        assert ("666",) not in pipeline.query("SELECT record_key FROM event_delivery")

        again = pipeline.run(ORDERS)
        assert again.summary["rejected"] == 1
        assert Counter(events_in(odp)) == self.expected()

        shop.change("666", CustomerPO="")
        assert pipeline.run(ORDERS, window=LATER).summary["delivered"] == 1
        assert Counter(events_in(odp)) == self.expected() + Counter([("666", PURCHASE)])

    def test_with_a_visibility_delay_the_good_ones_wait_for_the_next_run(
        self, shop: Shop, orders: Pipeline, odp: Any, keeps: bool
    ) -> None:
        pipeline = replace(orders, settings=Settings(max_reject_ratio=1, visibility_delay_minutes=15))
        self.place(shop, pipeline)
        odp.settings(visibility_delay=3600)

        run = pipeline.run(ORDERS)

        assert fates(run) == {"extracted": 11, "unchanged": 2, "rejected": 1, "uncertain": 8}
        odp.settings(visibility_delay=0)
        pipeline.age_claims()
        # The bad one is tried again, in a request of its own: it cannot hold the others up another time.
        settled = pipeline.run(ORDERS, window=LATER)
        assert fates(settled) == {"extracted": 9, "rejected": 1, ("unchanged" if keeps else "delivered"): 8}
        assert Counter(events_in(odp)) == self.expected()
        assert pipeline.query("SELECT record_key FROM reject WHERE closed_at IS NULL") == [("666",)]

    def test_one_event_alone_is_rejected(self, shop: Shop, orders: Pipeline, odp: Any) -> None:
        pipeline = replace(orders, settings=Settings(max_reject_ratio=1))
        shop.place("666", CustomerPO="not a number", status="CancellationRequested")

        run = pipeline.run(ORDERS)

        assert fates(run) == {"extracted": 1, "rejected": 1}
        assert events_in(odp) == []
        assert pipeline.claims() == {}
