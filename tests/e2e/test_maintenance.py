"""The maintenance DAG through Airflow."""

from __future__ import annotations

import os

import psycopg

from odp.core.event_claims import EventClaims
from odp.core.ledger import Ledger, hash_text
from odp.core.run_history import open_reject_ids
from sandbox.world import World
from tests.e2e.runs import load_dag


def test_orders_named_in_the_parameters_are_released(airflow_db: World) -> None:
    with Ledger(lambda: psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"]), "maintained", "order_odp_export") as ledger:
        claims = EventClaims(ledger)
        events = [(order, "purchase", hash_text(order)) for order in ("there", "absent", "unknown")]
        claims.claim(events, "run", 0)
        claims.mark_uncertain([(order, action) for order, action, _ in events])
        run = load_dag("odp_maintenance").test(run_conf={"DeliveredOrders": ["there"], "NotDeliveredOrders": ["absent"]})
        assert run.state == "success"
        states = {claim.record_key: claim.state for claim in claims.find(["there", "absent", "unknown"]).values()}
        assert states == {"there": "delivered", "unknown": "uncertain"}
        assert open_reject_ids(ledger) == ["absent"]
        assert load_dag("odp_maintenance").test().state == "success"
        assert claims.find(["unknown"])[("unknown", "purchase")].state == "uncertain"
