"""A run of real time: what waits in the ledger is delivered, beside other runs of the exports as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from odp.core.coverage import read_coverage
from odp.core.exceptions import RealTimeError
from odp.core.exports import EXPORTS, get_export
from odp.operators.extract import CommerceExtractOperator
from odp.operators.load import OdpLoadOperator
from odp.operators.realtime import OdpRealTimeOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator
from sandbox.odp.server import SandboxOdp
from tests.core.extraction import uid
from tests.realtime.conftest import SQL, Shop

PRODUCTS, ORDERS = "product_odp_export", "order_odp_export"
RUN = "asset_triggered__1"


def context(dag_id: str, run_id: str = RUN) -> Any:
    """What the stages read of Airflow's context."""
    return {
        "dag": SimpleNamespace(dag_id=dag_id),
        "run_id": run_id,
        "params": {},
        "dag_run": SimpleNamespace(start_date=datetime.now(timezone.utc), run_after=None),
        "ti": SimpleNamespace(try_number=1),
    }


def texts(export_id: str) -> dict[str, Any]:
    export = get_export(export_id)
    lookups = {name: (SQL / file).read_text() for name, file in export.lookups.items()}
    return {"sql": (SQL / export.sql).read_text(), "lookups": lookups}


def deliver(run_id: str = RUN) -> dict[str, dict[str, int]]:
    """Run real time once."""
    sources = {export.dag_id: texts(export.dag_id) for export in EXPORTS}
    return OdpRealTimeOperator(task_id="deliver", sources=sources).execute(context("odp_realtime", run_id))


class DailyRun:
    """A run of an export's own DAG, stage by stage."""

    def __init__(self, export_id: str, run_id: str = "scheduled__1") -> None:
        self._context = context(export_id, run_id)
        self._common = {"export_id": export_id}

    def extract_and_transform(self) -> None:
        extract = CommerceExtractOperator(
            task_id="extract", window_start="-infinity", window_end="infinity", **texts(self._common["export_id"]), **self._common
        )
        self._transformed = [
            OdpTransformOperator(task_id="transform", part=part, **self._common).execute(self._context)
            for part in extract.execute(self._context)
        ]

    def load_and_reconcile(self) -> dict[str, Any]:
        loaded = [
            OdpLoadOperator(task_id="load", transformed=part, **self._common).execute(self._context) for part in self._transformed
        ]
        reconcile = OdpReconcileOperator(task_id="reconcile", transformed=self._transformed, loaded=loaded, **self._common)
        return reconcile.execute(self._context)


def add_product(number: int, name: str = "Bolt") -> str:
    return f"INSERT INTO Product (Id, Name, ErpNumber, ModifiedOn) VALUES ('{uid(number)}', '{name}', 'P{number}', now())"


def add_orders(first: int, last: int) -> tuple[str, str]:
    numbers = f"generate_series({first}, {last}) AS n"
    return (
        "INSERT INTO CustomerOrder (Id, OrderNumber, Status, OrderDate, BTEmail, OrderTotal, ModifiedOn)"
        f" SELECT lpad(to_hex(n), 32, '0')::uuid, 'W' || n, 'Submitted', now(), 'ana@example.com', 20, now() FROM {numbers}",
        "INSERT INTO OrderLine (Id, CustomerOrderId, ProductId, Line, QtyOrdered, UnitNetPrice, TotalNetPrice, ModifiedOn)"
        f" SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, '{uid(1)}', 1, 2, 10, 20, now() FROM {numbers}",
    )


def order_events(odp: SandboxOdp) -> set[tuple[str, str]]:
    """Return number and action of the order events that ODP holds."""
    return {(event["data"]["order"]["order_id"], event["action"]) for event in odp.dump("events")}


def events_sent(odp: SandboxOdp) -> int:
    """Return how many events ODP was sent, those included that it knew already."""
    return sum(request["items"] for request in odp.requests(path="/v3/events"))


def names(odp: SandboxOdp) -> dict[str, str]:
    return {row["product_id"]: row["name"] for row in odp.dump("objects/products")}


def test_what_waits_is_delivered_and_counted_like_any_run(shop: Shop, account: SandboxOdp) -> None:
    shop.execute(add_product(1), add_product(2), *add_orders(1, 3))
    assert shop.look() == {PRODUCTS: 2, ORDERS: 3}
    counts = deliver()
    assert [(export, c["extracted"], c["delivered"]) for export, c in counts.items()] == [(PRODUCTS, 2, 2), (ORDERS, 3, 3)]
    assert sorted(names(account)) == [str(uid(1)), str(uid(2))]
    assert order_events(account) >= {(f"W{n}", "purchase") for n in (1, 2, 3)}
    assert shop.waiting() == {}
    # In the history like any run of these entities, and no coverage of any time.
    name = f"odp_realtime/{RUN}"
    assert shop.runs("export", "run_id", "ids", "state", "delivered", "window_start::text") == [
        (PRODUCTS, name, 2, "success", 2, "-infinity"),
        (ORDERS, name, 3, "success", 3, "-infinity"),
    ]
    for export_id in (PRODUCTS, ORDERS):
        with shop.open_ledger(export_id) as ledger:
            assert read_coverage(ledger).ranges == ()
    # Looking again, and running again, finds nothing.
    assert shop.look() == {}
    with pytest.raises(AirflowSkipException, match="No change waits"):
        deliver("asset_triggered__2")


@pytest.mark.usefixtures("account")
def test_several_accounts_are_refused(shop: Shop, set_settings: Callable[..., None]) -> None:
    shop.execute(add_product(1))
    shop.look()
    set_settings(accounts={"Main": "odp_main", "Outlet": "odp_outlet"})

    with pytest.raises(AirflowFailException, match="odp_realtime works for one ODP account only"):
        deliver()

    assert shop.waiting() == {PRODUCTS: [str(uid(1))]}


def test_only_changes_of_the_websites_go_out(shop: Shop, account: SandboxOdp, set_settings: Callable[..., None]) -> None:
    shop.execute(f"INSERT INTO Website (Id, Name, Key) VALUES ('{uid(7)}', 'Main', 'm')", add_product(1), add_product(2))
    shop.execute(
        f"INSERT INTO Category (Id, Name, WebsiteId) VALUES ('{uid(8)}', 'C', '{uid(7)}')",
        f"INSERT INTO CategoryProduct (Id, CategoryId, ProductId) VALUES ('{uid(9)}', '{uid(8)}', '{uid(2)}')",
    )
    set_settings(websites=["Main"])

    shop.look()
    deliver()

    assert [row["product_id"] for row in account.dump("objects/products")] == [str(uid(2))]


def test_a_custom_property_goes_with_its_entity(shop: Shop, account: SandboxOdp, set_settings: Callable[..., None]) -> None:
    set_settings(exports={PRODUCTS: {"custom": {"properties": ["Color"]}}})
    shop.execute(add_product(1))
    shop.look()
    deliver("1")
    shop.execute(
        "INSERT INTO CustomProperty (Id, ParentId, ParentTable, Name, Value, ModifiedOn)"
        f" VALUES ('{uid(9)}', '{uid(1)}', 'Product', 'Color', 'red', now())"
    )
    assert shop.look() == {PRODUCTS: 1}
    deliver("2")
    assert [row["color"] for row in account.dump("objects/products")] == ["red"]


def test_a_burst_goes_out_in_batches(shop: Shop, account: SandboxOdp, set_settings: Callable[..., None]) -> None:
    set_settings(realtime_batch_size=6_000)
    shop.execute(
        "INSERT INTO Product (Id, Name, ModifiedOn) SELECT gen_random_uuid(), 'Bolt', now() FROM generate_series(1, 10000)"
    )
    assert shop.look() == {PRODUCTS: 10_000}
    assert deliver("1")[PRODUCTS]["delivered"] == 6_000
    assert shop.look() == {PRODUCTS: 4_000}
    assert deliver("2")[PRODUCTS]["delivered"] == 4_000
    assert len(account.dump("objects/products")) == 10_000
    assert shop.look() == {}


def test_what_changes_while_a_run_is_under_way_is_delivered_by_the_next(
    shop: Shop, account: SandboxOdp, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.execute(add_product(1))
    assert shop.look() == {PRODUCTS: 1}
    run_stage = OdpLoadOperator.run_stage

    def change_and_load(operator: OdpLoadOperator, context: Any) -> dict[str, Any]:
        shop.execute("UPDATE Product SET Name = 'Nut', ModifiedOn = now()")
        assert shop.look() == {PRODUCTS: 1}
        return run_stage(operator, context)

    with monkeypatch.context() as patch:
        patch.setattr(OdpLoadOperator, "run_stage", change_and_load)
        deliver("1")
    assert names(account) == {str(uid(1)): "Bolt"}
    deliver("2")
    assert names(account) == {str(uid(1)): "Nut"}
    assert shop.look() == {}


def test_a_failed_run_loses_nothing_and_does_not_stop_the_other_exports(
    shop: Shop, account: SandboxOdp, set_settings: Callable[..., None]
) -> None:
    shop.execute(add_product(1), *add_orders(1, 1))
    shop.look()
    account.faults(path="/v3/objects/products", status=503, count=1)
    with pytest.raises(RealTimeError, match="Changes of product_odp_export could not be delivered"):
        deliver("1")
    assert ("W1", "purchase") in order_events(account)
    assert shop.waiting() == {PRODUCTS: [str(uid(1))]}
    assert sorted(shop.runs("export", "state")) == [(ORDERS, "success"), (PRODUCTS, "failed")]
    ((error,),) = [row for row in shop.runs("error") if row[0]]
    assert error.startswith("load: OdpUnavailableError: ")
    # It is not tried again at once, however often the replica is looked at or something else changes ...
    assert shop.look() == {}
    shop.execute(add_product(2))
    assert shop.look() == {}
    with pytest.raises(AirflowSkipException):
        deliver("2")
    # ... but when its time has come.
    with psycopg.connect(shop.ledger, autocommit=True) as ledger:
        ledger.execute("UPDATE change_watch SET not_before = now()")
    assert shop.look() == {PRODUCTS: 2}
    assert deliver("3")[PRODUCTS]["delivered"] == 2
    assert shop.waiting() == {}


def test_what_a_killed_run_had_taken_waits_again(shop: Shop, account: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.execute(add_product(1))
    assert shop.look() == {PRODUCTS: 1}
    seen: list[dict[str, int]] = []

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> dict[str, Any]:
        seen.append(shop.look())
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(OdpLoadOperator, "run_stage", kill)
        with pytest.raises(Killed):
            deliver("1")
    # While the run was alive, what it had taken needed no event.
    assert seen == [{}]
    assert shop.look() == {PRODUCTS: 1}
    assert deliver("2")[PRODUCTS]["delivered"] == 1


def test_rejects_are_kept_and_do_not_wait(shop: Shop, account: SandboxOdp) -> None:
    shop.execute(*add_orders(1, 2), "UPDATE CustomerOrder SET OrderDate = '20000-01-01' WHERE OrderNumber = 'W2'")
    shop.look()
    with pytest.raises(AirflowFailException, match="1 of 2 rows of order_odp_export were rejected"):
        deliver("1")
    assert shop.waiting() == {}
    assert ("W1", "purchase") in order_events(account)
    with psycopg.connect(shop.ledger) as ledger:
        assert ledger.execute("SELECT record_key, run_id FROM reject WHERE closed_at IS NULL").fetchall() == [
            ("W2", "odp_realtime/1")
        ]


def test_beside_a_daily_run_no_event_is_sent_twice_and_the_latest_state_stays(shop: Shop, account: SandboxOdp) -> None:
    shop.execute(add_product(1), add_product(2), *add_orders(1, 4))
    shop.look()
    daily = [DailyRun(PRODUCTS), DailyRun(ORDERS)]
    for run in daily:
        run.extract_and_transform()
    # The daily runs have read everything, and have not sent it yet. A product changes, and an order comes.
    shop.execute("UPDATE Product SET Name = 'Nut', ModifiedOn = now() WHERE ErpNumber = 'P1'", *add_orders(5, 5))
    assert shop.look() == {PRODUCTS: 2, ORDERS: 5}
    counts = deliver("1")
    assert (counts[PRODUCTS]["delivered"], counts[ORDERS]["delivered"]) == (2, 5)
    assert names(account)[str(uid(1))] == "Nut"
    # What the daily runs send now is older.
    assert daily[0].load_and_reconcile()["delivered"] == 2
    assert names(account)[str(uid(1))] == "Bolt"
    summary = daily[1].load_and_reconcile()
    assert (summary["delivered"], summary["unchanged"]) == (0, 4)
    assert order_events(account) == {(f"W{n}", "purchase") for n in range(1, 6)}
    assert events_sent(account) == 5
    # So real time looks at its entities once more, now that the daily runs have ended.
    assert shop.look() == {PRODUCTS: 2, ORDERS: 5}
    counts = deliver("2")
    assert (counts[PRODUCTS]["delivered"], counts[PRODUCTS]["unchanged"]) == (1, 1)
    assert (counts[ORDERS]["delivered"], counts[ORDERS]["unchanged"]) == (0, 5)
    assert names(account)[str(uid(1))] == "Nut"
    assert shop.look() == {}


def test_at_the_same_moment_as_a_daily_run_each_event_is_sent_once(
    shop: Shop, account: SandboxOdp, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"batch_size": 10, "concurrency": 2}
    connection = {"conn_type": "odp", "host": account.url, "password": account.key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    account.faults(path="/v3/events", delay=0.05, count=1_000)
    shop.execute(*add_orders(1, 400))
    shop.look()
    daily = DailyRun(ORDERS)
    daily.extract_and_transform()
    with ThreadPoolExecutor(2) as both:
        for run in [both.submit(daily.load_and_reconcile), both.submit(deliver, "1")]:
            run.result()
    assert order_events(account) == {(f"W{n}", "purchase") for n in range(1, 401)}
    assert events_sent(account) == 400
    # Each may have come upon orders that the other was about to send; real time looks at them again, until none is uncertain.
    number = 1
    while shop.look():
        number += 1
        deliver(str(number))
    assert number > 1
    assert shop.waiting() == {}
    assert events_sent(account) == 400
    with psycopg.connect(shop.ledger) as ledger:
        assert ledger.execute("SELECT count(*) FROM reject WHERE closed_at IS NULL").fetchone() == (0,)
        assert ledger.execute("SELECT DISTINCT state FROM event_delivery").fetchall() == [("delivered",)]


def test_while_a_daily_run_goes_on_nothing_is_looked_at_again(shop: Shop, account: SandboxOdp) -> None:
    shop.execute(add_product(1))
    daily = DailyRun(PRODUCTS)
    daily.extract_and_transform()
    assert shop.look() == {PRODUCTS: 1}
    deliver("1")
    assert shop.look() == {}
    assert shop.waiting() == {PRODUCTS: [str(uid(1))]}
    daily.load_and_reconcile()
    assert shop.look() == {PRODUCTS: 1}
    assert deliver("2")[PRODUCTS]["unchanged"] == 1
    assert shop.waiting() == {}


def test_the_settings_of_odp_can_be_mended_while_changes_wait(
    shop: Shop, account: SandboxOdp, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.execute(add_product(1))
    shop.look()
    right = json.dumps({"conn_type": "odp", "host": account.url, "password": account.key})
    wrong = json.dumps({"conn_type": "odp", "host": account.url, "password": f"{account.public_key}.wrong"})
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", wrong)
    with pytest.raises(RealTimeError, match="403"):
        deliver("1")
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", right)
    with psycopg.connect(shop.ledger, autocommit=True) as ledger:
        ledger.execute("UPDATE change_watch SET not_before = now()")
    assert deliver("2")[PRODUCTS]["delivered"] == 1
