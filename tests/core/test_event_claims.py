"""Claims on events: whoever writes one down first may send it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from odp.core.bodies import ItemState
from odp.core.event_claims import Claim, EventClaims
from odp.core.ledger import Ledger, hash_text
from odp.core.run_history import open_reject_ids

HASH = "0" * 31 + "1"
PURCHASE, CANCEL = ("1001", "purchase"), ("1001", "cancel")


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


@pytest.fixture
def claims(ledger: Ledger) -> EventClaims:
    """The claims of one export."""
    return EventClaims(ledger)


def claim(claims: EventClaims, *keys: tuple[str, str], run_id: str = "run", part: int = 0) -> set[tuple[str, str]]:
    return claims.claim([(*key, HASH) for key in keys], run_id, part)


def confirm(claims: EventClaims, *keys: tuple[str, str]) -> None:
    claims.confirm(ItemState.write(ItemState(key, hash_text(key), HASH, action, True, "") for key, action in keys), "run")


def states(claims: EventClaims, *orders: str) -> dict[tuple[str, str], str]:
    return {key: found.state for key, found in claims.find(orders or ("1001", "1002")).items()}


def age(ledger: Ledger, minutes: int = 60) -> None:
    ledger.connection.execute("UPDATE event_delivery SET claimed_at = claimed_at - make_interval(mins => %s)", (minutes,))


class TestClaim:
    def test_free_events_are_claimed(self, claims: EventClaims) -> None:
        assert claim(claims, PURCHASE, CANCEL) == {PURCHASE, CANCEL}
        found = claims.find(["1001"])[PURCHASE]
        assert (found.state, found.run_id, found.part, found.payload_hash) == ("claimed", "run", 0, HASH)
        assert found.key == PURCHASE

    def test_a_claimed_event_is_not_free_for_anybody(self, claims: EventClaims) -> None:
        claim(claims, PURCHASE)
        assert claim(claims, PURCHASE, CANCEL, run_id="other") == {CANCEL}
        assert claim(claims, PURCHASE, CANCEL) == set()
        assert claims.find(["1001"])[PURCHASE].run_id == "run"

    def test_a_body_is_claimed_whole_or_not_at_all(self, claims: EventClaims) -> None:
        body = ItemState.write(
            ItemState(key, hash_text(key), HASH, action, action == "cancel", "") for key, action in (PURCHASE, CANCEL)
        )
        assert claims.claim_all(body, 2, "run", 3)
        assert {(c.key, c.run_id, c.part) for c in claims.open_claims()} == {(PURCHASE, "run", 3), (CANCEL, "run", 3)}
        claims.release([PURCHASE])
        assert not claims.claim_all(body, 2, "other", 0)
        assert states(claims) == {CANCEL: "claimed"}

    def test_nothing_is_nothing(self, claims: EventClaims) -> None:
        assert claim(claims) == set()
        assert claims.find([]) == {}
        assert claims.open_claims() == []
        assert claims.open_keys() == []
        confirm(claims)
        claims.mark_uncertain([])
        claims.release([])
        assert claims.take_over([], "run", 0) == set()
        assert claims.release_abandoned([]) == []
        claims.settle([])

    def test_of_many_who_claim_at_the_same_time_one_gets_each(self, claims: EventClaims) -> None:
        events = [(str(number), "purchase") for number in range(400)]
        got: list[set[tuple[str, str]]] = []

        def work(turn: int) -> None:
            mine = set()
            for start in range(0, 400, 50):
                batch = events[start : start + 50]
                mine |= claim(claims, *(batch if turn % 2 else reversed(batch)), run_id=f"run-{turn}")
            got.append(mine)

        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 4
        assert sum(map(len, got)) == len(set().union(*got)) == 400

    def test_accounts_and_exports_are_apart(self, claims: EventClaims, ledger_database: str) -> None:
        claim(claims, PURCHASE)
        with Ledger(lambda: psycopg.connect(ledger_database), "other", "export") as other:
            assert claim(EventClaims(other), PURCHASE) == {PURCHASE}
            assert len(EventClaims(other).open_claims()) == 1


class TestFates:
    def test_confirmed(self, claims: EventClaims) -> None:
        claim(claims, PURCHASE, CANCEL)
        confirm(claims, PURCHASE)
        assert states(claims) == {PURCHASE: "delivered", CANCEL: "claimed"}
        assert [c.key for c in claims.open_claims()] == [CANCEL]
        assert claims.open_keys() == ["1001"]
        confirm(claims, CANCEL)
        assert claims.open_keys() == []

    def test_a_delivered_event_stays_delivered(self, claims: EventClaims) -> None:
        claim(claims, PURCHASE)
        confirm(claims, PURCHASE)
        delivered = claims.find(["1001"])[PURCHASE]
        claims.mark_uncertain([PURCHASE])
        claims.release([PURCHASE])
        claims.take_over([delivered], "other", 3)
        claims.release_abandoned([delivered])
        assert claims.find(["1001"])[PURCHASE] == delivered

    def test_released_ones_are_free_again(self, claims: EventClaims) -> None:
        claim(claims, PURCHASE, CANCEL)
        claims.release([PURCHASE])
        assert claim(claims, PURCHASE, run_id="other") == {PURCHASE}

    def test_uncertainty_counts_from_when_it_began(self, claims: EventClaims, ledger: Ledger) -> None:
        claim(claims, PURCHASE)
        age(ledger)
        claimed_at = claims.find(["1001"])[PURCHASE].claimed_at
        claims.mark_uncertain([PURCHASE])
        began = claims.find(["1001"])[PURCHASE].claimed_at
        assert began - claimed_at > timedelta(minutes=59)
        age(ledger, 5)
        claims.mark_uncertain([PURCHASE])
        assert claims.find(["1001"])[PURCHASE].claimed_at == began - timedelta(minutes=5)

    def test_open_claims_come_oldest_first_and_limited(self, claims: EventClaims, ledger: Ledger) -> None:
        claim(claims, ("2", "purchase"))
        age(ledger)
        claim(claims, ("1", "purchase"), ("3", "purchase"))
        assert [c.record_key for c in claims.open_claims()][0] == "2"
        assert len(claims.open_claims(limit=2)) == 2


class TestTakenOver:
    @pytest.fixture
    def left(self, claims: EventClaims, ledger: Ledger) -> Claim:
        """A claim that an earlier run left open."""
        claim(claims, PURCHASE, run_id="dead")
        age(ledger)
        return claims.find(["1001"])[PURCHASE]

    def test_by_the_run_that_sends_it_now(self, claims: EventClaims, left: Claim) -> None:
        assert claims.take_over([left], "run", 2) == {PURCHASE}
        now = claims.find(["1001"])[PURCHASE]
        assert (now.run_id, now.part, now.state) == ("run", 2, "claimed")
        assert now.claimed_at > left.claimed_at

    def test_by_one_only(self, claims: EventClaims, left: Claim) -> None:
        assert claims.take_over([left], "first", 0) == {PURCHASE}
        assert claims.take_over([left], "second", 0) == set()
        assert claims.release_abandoned([left]) == []
        assert claims.find(["1001"])[PURCHASE].run_id == "first"

    def test_released_by_one_only_and_kept_open(self, claims: EventClaims, left: Claim, ledger: Ledger) -> None:
        assert claims.release_abandoned([left]) == [left]
        assert claims.release_abandoned([left]) == []
        assert claims.take_over([left], "run", 0) == set()
        assert claims.find(["1001"]) == {}
        assert open_reject_ids(ledger) == ["1001"]
        assert open_reject_ids(ledger, ["1002"]) == []


class TestSettled:
    def test_the_order_is_known_by_its_last_event(self, claims: EventClaims, ledger: Ledger) -> None:
        claims.claim([(*PURCHASE, "a" * 32), (*CANCEL, "b" * 32)], "dead", 4)
        claims.mark_uncertain([PURCHASE, CANCEL])
        claims.settle(claims.open_claims())

        assert states(claims) == {PURCHASE: "delivered", CANCEL: "delivered"}
        [(key, content, run)] = ledger.acknowledged([hash_text("1001")]).iter_rows()
        assert (key, content, run) == (hash_text("1001"), "b" * 32, "dead")
        assert {c.part for c in claims.find(["1001"]).values()} == {-1}
        assert ledger.delivered_rows("dead") == 0

    def test_only_those_that_are_there(self, claims: EventClaims, ledger: Ledger) -> None:
        claims.claim([(*PURCHASE, "a" * 32), (*CANCEL, "b" * 32)], "dead", 0)
        claims.settle([claims.find(["1001"])[PURCHASE]])
        assert states(claims) == {PURCHASE: "delivered", CANCEL: "claimed"}
        [(_, content, _)] = ledger.acknowledged([hash_text("1001")]).iter_rows()
        assert content == "a" * 32

    def test_of_several_runs(self, claims: EventClaims, ledger: Ledger) -> None:
        claim(claims, ("1", "purchase"), run_id="one")
        claim(claims, ("2", "purchase"), run_id="two")
        claims.settle(claims.open_claims())
        known = ledger.acknowledged([hash_text("1"), hash_text("2")])
        assert sorted(known["acknowledged_by"]) == ["one", "two"]
