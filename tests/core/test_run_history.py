"""The history of runs and the rejects that later runs try again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest

from odp.core.ledger import Ledger
from odp.core.run_history import (
    COUNTS,
    KeptReject,
    close_rejects,
    fail_run,
    finish_run,
    keep_abandoned,
    keep_rejects,
    open_reject_ids,
    refused_ids,
    resume_run,
    start_run,
)
from odp.core.window import Window

DAY = Window(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc))
SUMMARY = {name: number for number, name in enumerate(COUNTS, 1)} | {"export": "x", "skipped_by_reason": {"guest": 4}}


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


def run_of(ledger: Ledger, *columns: str) -> Any:
    rows = ledger.connection.execute(f"SELECT {', '.join(columns)} FROM export_run").fetchall()
    assert len(rows) == 1
    return rows[0]


def reject(entity: str = "e-1", key: str = "1001", reason: str = "bad", answer: str | None = None) -> KeptReject:
    return KeptReject(entity, key, reason, {"order_id": key}, answer)


def rows_of(ledger: Ledger, *columns: str) -> list[tuple[Any, ...]]:
    return ledger.connection.execute(f"SELECT {', '.join(columns)} FROM reject ORDER BY id").fetchall()


class TestRuns:
    def test_a_run_from_start_to_end(self, ledger: Ledger) -> None:
        start_run(ledger, "run", DAY, ["1001", "1002"])
        assert run_of(ledger, "state", "ids", "finished_at", "window_start", "window_end") == (
            "running",
            2,
            None,
            DAY.start,
            DAY.end,
        )
        finish_run(ledger, "run", SUMMARY, None)
        assert run_of(ledger, "state", "error", "finished_at IS NOT NULL") == ("success", None, True)
        assert run_of(ledger, *COUNTS) == tuple(SUMMARY[name] for name in COUNTS)
        assert run_of(ledger, "summary") == (SUMMARY,)

    def test_a_window_without_ends(self, ledger: Ledger) -> None:
        start_run(ledger, "run", Window(), None)
        assert run_of(ledger, "window_start::text", "window_end::text", "ids") == ("-infinity", "infinity", None)

    def test_a_failed_stage_and_its_repetition(self, ledger: Ledger) -> None:
        start_run(ledger, "run", DAY, None)
        fail_run(ledger, "run", "load: " + "x" * 5_000)
        state, error = run_of(ledger, "state", "error")
        assert state == "failed"
        assert error.startswith("load: xxx")
        assert len(error) == 2_000
        resume_run(ledger, "run")
        assert run_of(ledger, "state", "error", "finished_at") == ("running", None, None)

    def test_a_run_that_succeeded_is_not_taken_back(self, ledger: Ledger) -> None:
        start_run(ledger, "run", DAY, None)
        finish_run(ledger, "run", SUMMARY, None)
        resume_run(ledger, "run")
        assert run_of(ledger, "state") == ("success",)

    def test_a_run_that_is_judged_bad(self, ledger: Ledger) -> None:
        start_run(ledger, "run", DAY, None)
        finish_run(ledger, "run", SUMMARY, "3 of 9 rows were rejected")
        assert run_of(ledger, "state", "error") == ("failed", "3 of 9 rows were rejected")

    def test_one_started_anew_forgets_its_counts_and_no_other_run_s(self, ledger: Ledger) -> None:
        start_run(ledger, "run", DAY, None)
        ledger.count_delivered("run", 0, 7)
        ledger.count_delivered("other", 0, 8)
        finish_run(ledger, "run", SUMMARY, "bad")
        start_run(ledger, "run", Window(), ["1"])
        assert run_of(ledger, "state", "error", "ids", "window_start::text") == ("running", None, 1, "-infinity")
        assert (ledger.delivered_rows("run"), ledger.delivered_rows("other")) == (0, 8)


class TestRejects:
    def test_kept_with_everything(self, ledger: Ledger) -> None:
        keep_rejects(ledger, "run", [reject(answer="ODP answered 400: odd")])
        assert rows_of(ledger, "entity_id", "record_key", "reason", "payload", "odp_answer", "run_id", "tries") == [
            ("e-1", "1001", "bad", {"order_id": "1001"}, "ODP answered 400: odd", "run", 1)
        ]
        assert open_reject_ids(ledger) == ["e-1"]

    def test_each_entity_is_open_once_and_says_the_latest(self, ledger: Ledger) -> None:
        keep_rejects(ledger, "run", [reject(), reject(reason="worse")])
        assert rows_of(ledger, "reason", "tries") == [("worse", 1)]
        keep_rejects(ledger, "next", [reject(reason="still bad")])
        assert rows_of(ledger, "reason", "tries", "run_id", "last_at > first_at") == [("still bad", 2, "next", True)]

    def test_closed_when_tried_and_not_rejected_again(self, ledger: Ledger) -> None:
        keep_rejects(ledger, "run", [reject("e-1"), reject("e-2"), reject("e-3")])
        assert close_rejects(ledger, "next", ["e-1", "e-2"], ["e-2"]) == 1
        assert sorted(open_reject_ids(ledger)) == ["e-2", "e-3"]
        assert rows_of(ledger, "closed_by") == [("next",), (None,), (None,)]
        assert close_rejects(ledger, "next", ["e-1", "e-2"], ["e-2"]) == 0

    def test_longest_untried_first(self, ledger: Ledger) -> None:
        for entity in ("e-2", "e-1", "e-3"):
            keep_rejects(ledger, "run", [reject(entity)])
        keep_rejects(ledger, "next", [reject("e-2")])
        assert open_reject_ids(ledger) == ["e-1", "e-3", "e-2"]

    @pytest.mark.parametrize(
        ("ids", "found"), [(["E-1"], ["e-1"]), (["1002"], ["e-2"]), ([], []), (["1001", "e-2"], ["e-1", "e-2"]), (["e"], [])]
    )
    def test_found_by_id_or_key_in_any_case(self, ledger: Ledger, ids: list[str], found: list[str]) -> None:
        keep_rejects(ledger, "run", [reject("e-1", "1001"), reject("e-2", "1002")])
        assert sorted(open_reject_ids(ledger, ids)) == found

    def test_those_that_odp_refused(self, ledger: Ledger) -> None:
        keep_rejects(ledger, "run", [reject("e-1"), reject("e-2", answer="odd"), reject("e-3", answer="odd")])
        assert refused_ids(ledger) == {"e-2", "e-3"}
        close_rejects(ledger, "next", ["e-3"], [])
        keep_rejects(ledger, "next", [reject("e-2")])
        assert refused_ids(ledger) == frozenset()

    def test_odd_payloads(self, ledger: Ledger) -> None:
        payloads = [None, "text", {"text": "🙂 \x01 \\ \" '", "list": [1, None, 2.5]}, {"long": "x" * 100_000}]
        keep_rejects(ledger, "run", [KeptReject(f"e-{n}", "k", "r", payload) for n, payload in enumerate(payloads)])
        assert [row[0] for row in rows_of(ledger, "payload")] == payloads

    def test_all_or_nothing(self, ledger: Ledger) -> None:
        with pytest.raises(psycopg.Error):
            keep_rejects(ledger, "run", [reject("e-1"), KeptReject("e-2", "k", None, {})])  # type: ignore[arg-type]
        assert rows_of(ledger, "id") == []


class TestAbandoned:
    def test_kept_open_under_their_key(self, ledger: Ledger) -> None:
        keep_abandoned(ledger, {"1001": "dead", "1002": "dead too"})
        assert rows_of(ledger, "entity_id", "record_key", "run_id") == [
            ("1001", "1001", "dead"),
            ("1002", "1002", "dead too"),
        ]
        assert refused_ids(ledger) == frozenset()
        keep_abandoned(ledger, {"1001": "dead"})
        keep_abandoned(ledger, {})
        assert len(rows_of(ledger, "id")) == 2

    def test_not_a_second_time_where_the_record_is_open_anyway(self, ledger: Ledger) -> None:
        keep_rejects(ledger, "run", [reject("e-1", "1001")])
        keep_abandoned(ledger, {"1001": "dead"})
        assert open_reject_ids(ledger) == ["e-1"]

    def test_again_after_it_was_closed(self, ledger: Ledger) -> None:
        keep_abandoned(ledger, {"1001": "dead"})
        close_rejects(ledger, "next", ["1001"], [])
        keep_abandoned(ledger, {"1001": "dead again"})
        assert open_reject_ids(ledger) == ["1001"]
