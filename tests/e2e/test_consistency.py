"""The DAG odp_consistency through Airflow: compare, repair, mark, judge."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from odp.core.consistency_history import latest_checks
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES
from odp.core.settings import Settings
from sandbox.commerce import generate
from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.conftest import Configure
from tests.e2e.runs import load_dag
from tests.reliability.harness import Pipeline, events_in

SEARCH_PATH = "?options=-c%20search_path%3Ddbo"


@pytest.fixture(scope="module")
def small_replica(airflow_db: World) -> str:
    """The connection string of a replica that the tests of this module may change."""
    dsn = airflow_db.postgres.create_database("consistency")
    generate(dsn, customers=20, orders=60, products=30, seed=5)
    return dsn + SEARCH_PATH


@pytest.fixture
def shop(
    small_replica: str, account: SandboxOdp, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    """From a replica that the tests of this module change into an empty ODP; what the sandbox does not show, it never does."""
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", small_replica)
    monkeypatch.setattr("odp.core.read_back.SECONDS_BETWEEN_ATTEMPTS", 0.0)
    monkeypatch.setattr("odp.core.read_back.PROFILE_READS_PER_SECOND", 1_000.0)
    configure(visibility_delay_minutes=0, consistency_sample=1_000)
    return Pipeline(
        replica=small_replica,
        ledger_dsn=os.environ["AIRFLOW_CONN_ODP_LEDGER"],
        url=account.url,
        key=account.key,
        root=tmp_path / "earlier",
        settings=Settings(visibility_delay_minutes=0),
    )


def check(**conf: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Run the DAG; return the state of the run, those of its tasks, and what the ledger keeps of the exports."""
    run = load_dag("odp_consistency").test(run_conf=conf)
    tasks = {
        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()
    }
    from odp.hooks.odp import OdpHook

    with psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"]) as connection:
        return str(run.state), tasks, latest_checks(connection, OdpHook().account)


def states_of(tasks: dict[str, str], export: str) -> dict[str, str]:
    return {name.partition(".")[2]: state for name, state in tasks.items() if name.startswith(f"{export}.")}


def test_everything_is_missing_at_first_and_repair_sends_it(shop: Pipeline, account: SandboxOdp) -> None:
    state, tasks, results = check(Repair=True)
    assert state == "success", tasks
    assert set(results) == {export.dag_id for export in EXPORTS}
    for name, result in results.items():
        assert result["missing"] > 0
        assert result["repaired"] == result["missing"]
        assert result["remaining"] == 0
        assert states_of(tasks, name) == {
            "compare": "success",
            "wait_for_export": "success",
            "extract": "success",
            "transform[0]": "success",
            "load[0]": "success",
            "reconcile": "success",
            "deactivate": "skipped",
        }
    counts = account.counts()
    assert counts["profiles"] == results[USER_PROFILES.dag_id]["repaired"]
    events = events_in(account)
    assert len(events) == len(set(events)) > 0

    state, tasks, results = check(Repair=True)
    assert state == "success"
    for name, result in results.items():
        assert result["to_repair"] == result["remaining"] == 0
        assert result["sample"]["checked"] == result["sample"]["same"] == result["same"] > 0
        assert states_of(tasks, name)["reconcile"] == "skipped"
    assert events_in(account) == events


def test_differences_fail_the_run_until_they_are_repaired(shop: Pipeline, account: SandboxOdp) -> None:
    for export in EXPORTS:
        shop.run(export)
    events = events_in(account)
    [(product, other)] = shop.query_replica("SELECT min(Id::text), max(Id::text) FROM Product")
    [(person, address)] = shop.query_replica(
        "SELECT Id::text, lower(btrim(Email)) FROM UserProfile WHERE Email LIKE '%@%' AND IsGuest IS NOT TRUE ORDER BY Id LIMIT 1"
    )
    shop.change("UPDATE Product SET ShortDescription = 'Changed by hand' WHERE Id = %s", product)
    shop.change("DELETE FROM Product WHERE Id = %s", other)
    shop.change("DELETE FROM UserProfile WHERE lower(btrim(Email)) = %s", address)
    with shop.ledger(WAREHOUSES) as ledger:
        forgotten = ledger.connection.execute(
            "DELETE FROM record_state WHERE scope_id = %(scope_id)s RETURNING record_key", ledger.scope
        ).fetchall()

    state, tasks, results = check(Exports=[PRODUCTS.dag_id, WAREHOUSES.dag_id, USER_PROFILES.dag_id])

    assert state == "failed"
    assert tasks["verdict"] == "failed"
    assert states_of(tasks, ORDERS.dag_id)["compare"] == "skipped"
    assert set(results) == {PRODUCTS.dag_id, WAREHOUSES.dag_id, USER_PROFILES.dag_id}
    products, warehouses, people = (results[e.dag_id] for e in (PRODUCTS, WAREHOUSES, USER_PROFILES))
    assert products["examples"] == {"changed": [product], "deleted": [other]}
    assert warehouses["missing"] == warehouses["remaining"] == len(forgotten)
    assert people["deleted"] == 1
    assert address not in json.dumps(results, default=str)

    state, tasks, results = check(
        Exports=[PRODUCTS.dag_id, WAREHOUSES.dag_id, USER_PROFILES.dag_id], Repair=True, Deactivate=True
    )

    assert state == "success", tasks
    assert results[PRODUCTS.dag_id]["repaired"] == results[PRODUCTS.dag_id]["deactivated_now"] == 1
    assert results[WAREHOUSES.dag_id]["repaired"] == len(forgotten)
    assert results[USER_PROFILES.dag_id]["deactivated_now"] == 1
    stored = {row["product_id"]: row for row in account.dump("objects/products")}
    assert stored[product]["name"] == "Changed by hand"
    assert stored[other]["is_active"] is False
    profiles = [row["attributes"] for row in account.dump("profiles")]
    assert [row["is_active"] for row in profiles if row["email"] == address] == [False]
    assert events_in(account) == events

    with psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"], row_factory=dict_row) as connection:
        runs = connection.execute(
            "SELECT run_id, state, ids, delivered FROM export_run WHERE account = %s AND export = %s AND run_id LIKE 'odp\\_c%%'",
            (shop.account, PRODUCTS.dag_id),
        ).fetchall()
    assert [(run["state"], run["ids"], run["delivered"]) for run in runs] == [("success", 1, 1)]
    assert re.fullmatch(r"odp_consistency/manual__\S+", runs[0]["run_id"])


def test_an_export_that_cannot_be_compared_fails_the_run(shop: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", os.environ["AIRFLOW_CONN_ODP_LEDGER"])
    state, tasks, results = check(Exports=[WAREHOUSES.dag_id])
    assert state == "failed"
    assert states_of(tasks, WAREHOUSES.dag_id)["compare"] == "failed"
    assert tasks["verdict"] == "failed"
    assert results == {}


def test_an_unknown_parameter_is_refused(shop: Pipeline) -> None:
    state, tasks, _ = check(Exports=[WAREHOUSES.dag_id], repair=True)
    assert (state, states_of(tasks, WAREHOUSES.dag_id)["compare"]) == ("failed", "failed")
