"""A load that was killed: repeated, it sends the rest only, and the counts are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from odp.core.exports import ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.settings import Settings
from tests.reliability.harness import Pipeline, Run, events_in, fates, sent_keys, stored_keys, uploads_to
from tests.reliability.killing import LoadProcess, kill_while_it_waits_for, wait_until

RECORDS = [PRODUCTS, USER_PROFILES]
MANY = {"objects": 5000.0, "profiles": 5000.0, "events": 5000.0}
"""Limits that only make each request wait for the ledger's row of its family."""


@pytest.fixture
def small_bodies(pipeline: Pipeline) -> Pipeline:
    return replace(pipeline, batch_size=10, concurrency=2, limits=MANY)


@pytest.fixture
def killed(small_bodies: Pipeline, odp: Any) -> Iterator[Run]:
    """A run of orders whose load a test kills; in the end it has delivered everything, exactly once."""
    run = transformed(small_bodies, ORDERS)
    expected = Counter((item["data"]["order"]["order_id"], item["action"]) for item in run.items())
    yield run
    assert Counter(events_in(odp)) == expected
    assert fates(run) == fates_of_all(run)
    assert small_bodies.claims() == Counter((action, "delivered") for _, action in expected)
    again = small_bodies.run(ORDERS)
    assert (again.summary["delivered"], again.summary["uncertain"]) == (0, 0)
    assert Counter(events_in(odp)) == expected


def transformed(pipeline: Pipeline, export: Export) -> Run:
    run = pipeline.start(export)
    run.extract()
    run.transform()
    return run


def fates_of_all(run: Run) -> dict[str, int]:
    """The counts of a run that delivered all of its records."""
    [part] = run.transformed
    counts = {
        "extracted": part["extracted"],
        "delivered": part["records"],
        "skipped": sum(part["skipped"].values()),
        "rejected": part["rejected"],
    }
    return {name: count for name, count in counts.items() if count}


def repeat(run: Run) -> None:
    """Load again as Airflow's next try does, and finish."""
    run.load()
    run.reconcile()


class TestEvents:
    def test_killed_before_it_claims(self, killed: Run, odp: Any) -> None:
        kill_while_it_waits_for(killed, "event_delivery")
        assert events_in(odp) == []
        assert killed.pipeline.claims() == {}
        repeat(killed)

    def test_killed_between_claim_and_request(self, killed: Run, odp: Any) -> None:
        kill_while_it_waits_for(killed, "pacing")
        assert events_in(odp) == []
        assert killed.pipeline.query("SELECT DISTINCT state FROM event_delivery") == [("claimed",)]
        repeat(killed)

    def test_killed_while_it_waits_for_the_answer(self, killed: Run, odp: Any) -> None:
        odp.faults(path="/v3/events", delay=1, mode="drop", count=2)
        with LoadProcess(killed) as process:
            wait_until(lambda: len(uploads_to(odp)) == 2)
            process.kill()
        wait_until(lambda: not odp.faults() and all(request["seconds"] for request in uploads_to(odp)))
        assert events_in(odp) == []
        repeat(killed)

    def test_killed_between_answer_and_confirmation(self, killed: Run, odp: Any) -> None:
        kill_while_it_waits_for(killed, "run_part")
        stored = events_in(odp)
        assert len(stored) >= 10
        assert killed.pipeline.query("SELECT DISTINCT state FROM event_delivery") == [("claimed",)]
        sent = len(uploads_to(odp))
        repeat(killed)
        again = sum(request["items"] for request in uploads_to(odp, since=sent))
        assert again == len(killed.items()) - len(stored)

    @pytest.mark.parametrize("confirmed_bodies", [1, 4])
    def test_killed_midway(self, killed: Run, odp: Any, confirmed_bodies: int) -> None:
        odp.faults(path="/v3/events", after=confirmed_bodies, delay=1, mode="store_then_drop", count=2)
        with LoadProcess(killed) as process:
            wait_until(lambda: len(uploads_to(odp)) == confirmed_bodies + 2)
            process.kill()
        wait_until(lambda: not odp.faults() and all(request["seconds"] for request in uploads_to(odp)))
        sent, stored = len(uploads_to(odp)), len(events_in(odp))
        repeat(killed)
        assert sum(request["items"] for request in uploads_to(odp, since=sent)) == len(killed.items()) - stored

    def test_killed_again_and_again(self, killed: Run, odp: Any) -> None:
        for table in ("pacing", "run_part", "pacing", "run_part"):
            kill_while_it_waits_for(killed, table)
        repeat(killed)

    def test_repeated_by_a_process_that_is_killed_while_it_looks_events_up(self, killed: Run, odp: Any) -> None:
        kill_while_it_waits_for(killed, "run_part")
        odp.faults(path="/v3/graphql", delay=1, mode="drop", count=2)
        with LoadProcess(killed) as process:
            wait_until(lambda: odp.requests(path="/v3/graphql"))
            process.kill()
        repeat(killed)


class TestRecords:
    @pytest.fixture(params=RECORDS, ids=lambda export: export.family)
    def run(self, small_bodies: Pipeline, request: pytest.FixtureRequest) -> Run:
        return transformed(small_bodies, request.param)

    def has_all(self, run: Run, odp: Any) -> None:
        assert stored_keys(odp, run.export) == sent_keys(run)
        assert fates(run) == fates_of_all(run)
        assert run.pipeline.run(run.export).summary["unchanged"] == len(run.items())

    def test_killed_before_its_first_request(self, run: Run, odp: Any) -> None:
        kill_while_it_waits_for(run, "pacing")
        assert uploads_to(odp) == []
        repeat(run)
        self.has_all(run, odp)

    def test_killed_before_the_first_confirmation(self, run: Run, odp: Any) -> None:
        kill_while_it_waits_for(run, "record_state")
        assert len(uploads_to(odp)) > 0
        repeat(run)
        self.has_all(run, odp)

    def test_killed_midway_sends_only_what_was_not_confirmed(self, run: Run, odp: Any) -> None:
        def confirmed_rows() -> int:
            [(number,)] = run.pipeline.query("SELECT count(*) FROM record_state")
            return int(number)

        odp.faults(path=f"/v3{run.export.path}", after=4, delay=2, mode="drop", count=2)
        with LoadProcess(run, confirm_rows=10) as process:
            wait_until(lambda: len(uploads_to(odp)) == 6 and confirmed_rows() >= 10)
            process.kill()
        wait_until(lambda: not odp.faults() and all(request["seconds"] for request in uploads_to(odp)))
        confirmed = confirmed_rows()
        assert confirmed <= 40
        sent = len(uploads_to(odp))
        repeat(run)
        assert sum(request["items"] for request in uploads_to(odp, since=sent)) == len(run.items()) - confirmed
        self.has_all(run, odp)

    def test_a_key_that_two_parts_hold_counts_for_each_part_once(self, small_bodies: Pipeline, odp: Any) -> None:
        # The second part overwrites in the ledger what tells that the first has been delivered.
        with psycopg.connect(small_bodies.replica) as connection:
            shared = connection.execute(
                "SELECT array_agg(Id::text) FROM UserProfile WHERE NOT IsGuest AND btrim(Email) <> ''"
                " GROUP BY lower(btrim(Email)) HAVING count(*) > 1"
            ).fetchall()
        people = [person for (ids,) in shared for person in ids]
        assert people
        one_a_part = Settings(visibility_delay_minutes=0, part_rows=1)
        run = replace(small_bodies, settings=one_a_part).start(USER_PROFILES, ids=people)
        run.extract()
        run.transform()
        run.load()
        repeat(run)
        assert fates(run) == {"extracted": len(people), "delivered": len(people)}
        assert set(stored_keys(odp, USER_PROFILES)) == set(sent_keys(run))

    def test_loaded_twice_sends_nothing_the_second_time(self, run: Run, odp: Any) -> None:
        run.load()
        sent = len(uploads_to(odp))
        repeat(run)
        assert uploads_to(odp, since=sent) == []
        self.has_all(run, odp)


class TestClearedRuns:
    """A whole run that is cleared and starts anew under its old id."""

    @pytest.mark.parametrize("export", [*RECORDS, ORDERS], ids=lambda export: export.family)
    def test_a_finished_run(self, small_bodies: Pipeline, odp: Any, export: Export) -> None:
        run = small_bodies.run(export)
        delivered, sent, events = run.summary["delivered"], len(uploads_to(odp)), events_in(odp)

        run.all()

        assert uploads_to(odp, since=sent) == []
        assert run.summary["unchanged"] == delivered
        assert run.summary["delivered"] == 0
        assert events_in(odp) == events

    @pytest.mark.parametrize("table", ["pacing", "run_part"])
    def test_a_killed_run_of_events(self, small_bodies: Pipeline, odp: Any, table: str) -> None:
        pipeline = replace(small_bodies, settings=Settings(visibility_delay_minutes=15))
        run = transformed(pipeline, ORDERS)
        expected = Counter((item["data"]["order"]["order_id"], item["action"]) for item in run.items())
        kill_while_it_waits_for(run, table)

        run.all()  # at once: the claims are too young to tell

        claimed = run.summary["uncertain"]
        assert claimed >= 5
        assert run.summary["delivered"] + claimed == len({order for order, _ in expected})
        pipeline.age_claims()
        after = pipeline.run(ORDERS)
        assert after.summary["uncertain"] == 0
        assert Counter(events_in(odp)) == expected

    def test_a_killed_run_of_records(self, small_bodies: Pipeline, odp: Any) -> None:
        run = transformed(small_bodies, PRODUCTS)
        kill_while_it_waits_for(run, "record_state")

        run.all()

        assert fates(run) == fates_of_all(run)
        assert len(odp.dump("objects/products")) == run.summary["delivered"]
