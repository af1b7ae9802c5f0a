"""The DAG odp_realtime, through Airflow's own machinery."""

from __future__ import annotations

from pathlib import Path

import pytest

from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.core.extraction import uid
from tests.e2e.runs import load_dag, run_by_hand
from tests.realtime.conftest import Shop
from tests.realtime.test_operator import add_orders, add_product, events_sent, names, order_events

PRODUCTS, ORDERS = "product_odp_export", "order_odp_export"


@pytest.fixture(autouse=True)
def _airflow(airflow_db: World, account: SandboxOdp) -> None:
    """Airflow's metadata database, and the account that the connection leads to."""


def test_it_starts_by_the_changes_and_has_one_task() -> None:
    dag = load_dag("odp_realtime")
    (asset,) = dag.timetable.asset_condition.objects
    (watcher,) = asset.watchers
    assert (asset.name, watcher.trigger.serialize()[0]) == ("commerce_changes", "odp.triggers.changes.CommerceChangesTrigger")
    assert dag.task_ids == ["deliver"]
    assert (dag.max_active_runs, dag.catchup, dag.task_dict["deliver"].retries) == (1, False, 0)
    assert list(dag.task_dict["deliver"].sources) == [export.dag_id for export in EXPORTS]


def test_a_run_delivers_what_waits(shop: Shop, account: SandboxOdp, tmp_path: Path) -> None:
    shop.execute(add_product(1), *add_orders(1, 2))
    assert shop.look() == {PRODUCTS: 1, ORDERS: 2}
    finished = run_by_hand(load_dag("odp_realtime"), staging_root=tmp_path)
    assert (finished.state, finished.tasks) == ("success", {"deliver": "success"})
    assert names(account) == {str(uid(1)): "Bolt"}
    assert order_events(account) == {("W1", "purchase"), ("W2", "purchase")}
    counts = finished.run.get_task_instance("deliver").xcom_pull("deliver")
    assert {export: count["delivered"] for export, count in counts.items()} == {PRODUCTS: 1, ORDERS: 2}
    # Nothing stays staged; the ledger knows what was delivered.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    # The daily run after it finds all of it unchanged.
    daily = run_by_hand(load_dag(ORDERS), staging_root=tmp_path)
    assert (daily.state, daily.summary["delivered"], daily.summary["unchanged"]) == ("success", 0, 2)
    assert events_sent(account) == 2


def test_a_run_that_finds_nothing_is_skipped(tmp_path: Path) -> None:
    finished = run_by_hand(load_dag("odp_realtime"), staging_root=tmp_path)
    assert (finished.state, finished.tasks) == ("success", {"deliver": "skipped"})


def test_a_failed_run_says_which_export_and_what_becomes_of_its_changes(
    shop: Shop, account: SandboxOdp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.execute(add_product(1), *add_orders(1, 1))
    shop.look()
    account.faults(path="/v3/objects/products", status=503, count=1)
    finished = run_by_hand(load_dag("odp_realtime"), staging_root=tmp_path)
    assert (finished.state, finished.tasks) == ("failed", {"deliver": "failed"})
    assert "Changes of product_odp_export could not be delivered" in capsys.readouterr().out
    assert order_events(account) == {("W1", "purchase")}
    assert shop.waiting() == {PRODUCTS: [str(uid(1))]}
