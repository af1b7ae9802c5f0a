from __future__ import annotations

import os
import time
from pathlib import Path

import psycopg

from odp.core.bodies import ItemState
from odp.core.consistency_history import keep_check
from odp.core.event_claims import EventClaims
from odp.core.ledger import Ledger, hash_text
from odp.core.maintenance import decide_uncertain, remove_old_rows, remove_staged_runs
from odp.core.run_history import KeptReject, close_rejects, keep_rejects, open_reject_ids, start_run
from odp.core.settings import Settings
from odp.core.staging import Staging
from odp.core.window import Window


def _ledger(dsn: str) -> Ledger:
    return Ledger(lambda: psycopg.connect(dsn), "account", "order_odp_export")


def test_staged_runs_past_their_age_are_removed_and_others_stay(tmp_path: Path) -> None:
    for run_id in ("old", "new"):
        Staging(tmp_path, "dag", run_id).write_json("extract.json", {})
    long_ago = time.time() - 8 * 86_400
    os.utime(Staging(tmp_path, "dag", "old").folder / "extract.json", (long_ago, long_ago))
    removed = remove_staged_runs(tmp_path, 7)
    assert removed == [str(Staging(tmp_path, "dag", "old").folder)]
    assert Staging(tmp_path, "dag", "new").read_json("extract.json") == {}


def test_no_staging_folder_is_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_staged_runs(tmp_path / "absent", 7) == []


def test_closed_rejects_and_run_history_go_by_age_and_open_rejects_stay(ledger_database: str) -> None:
    with _ledger(ledger_database) as ledger:
        start_run(ledger, "old", Window(), None)
        start_run(ledger, "new", Window(), None)
        ledger.count_delivered("old", 0, 5)
        keep_rejects(ledger, "old", [KeptReject(entity, entity, "wrong", {}) for entity in ("open", "closed", "lately")])
        assert close_rejects(ledger, "new", ["closed", "lately"], []) == 2
        ledger.connection.execute("UPDATE export_run SET started_at = now() - interval '800 days' WHERE run_id = 'old'")
        ledger.connection.execute("UPDATE reject SET closed_at = now() - interval '91 days' WHERE entity_id = 'closed'")
        keep_check(ledger, "old", {})
        keep_check(ledger, "new", {})
        ledger.connection.execute("UPDATE consistency_check SET checked_at = now() - interval '731 days' WHERE run_id = 'old'")
        removed = {"reject": 1, "run_part": 1, "consistency_check": 1, "export_run": 1}
        assert remove_old_rows(ledger.connection, Settings()) == removed
        assert open_reject_ids(ledger) == ["open"]
        assert ledger.connection.execute("SELECT run_id FROM export_run").fetchall() == [("new",)]


def test_the_runs_of_real_time_go_earlier(ledger_database: str) -> None:
    with _ledger(ledger_database) as ledger:
        for run_id in ("odp_realtime/old", "odp_realtime/new", "daily"):
            start_run(ledger, run_id, Window(), ["id"])
            ledger.count_delivered(run_id, 0, 1)
        ledger.connection.execute(
            "UPDATE export_run SET started_at = now() - interval '31 days' WHERE run_id <> 'odp_realtime/new'"
        )
        assert remove_old_rows(ledger.connection, Settings())["export_run"] == 1
        for table in ("export_run", "run_part"):
            assert ledger.connection.execute(f"SELECT run_id FROM {table} ORDER BY 1").fetchall() == [
                ("daily",),
                ("odp_realtime/new",),
            ]


def test_a_person_decides_about_uncertain_orders(ledger_database: str) -> None:
    with _ledger(ledger_database) as ledger:
        claims = EventClaims(ledger)
        events = [(order, "purchase", hash_text(order)) for order in ("there", "absent", "unknown", "delivered")]
        claims.claim(events, "run", 0)
        claims.mark_uncertain([("there", "purchase"), ("absent", "purchase"), ("unknown", "purchase")])
        claims.confirm(ItemState.write([ItemState("delivered", hash_text("delivered"), "0" * 32, "purchase", True, "")]), "run")
        marked, released = decide_uncertain(
            ledger.connection, delivered=["there"], not_delivered=["absent", "delivered", "never heard of"]
        )
        assert (marked, released) == (["there"], ["absent"])
        states = {claim.record_key: claim.state for claim in claims.find(["there", "absent", "unknown", "delivered"]).values()}
        assert states == {"there": "delivered", "unknown": "uncertain", "delivered": "delivered"}
        assert open_reject_ids(ledger) == ["absent"]
