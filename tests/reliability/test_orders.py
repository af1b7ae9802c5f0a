"""The order rule: each event once, later changes to the orders object, a cancel after its purchase."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from odp.core.exports import ORDERS
from odp.core.settings import Settings
from odp.core.window import Window
from tests.reliability.harness import Pipeline, Run, events_in, fates, orders_in, uploads_to
from tests.reliability.killing import LoadProcess, wait_until
from tests.reliability.shop import Shop

PURCHASE, CANCEL = "purchase", "cancel"


def amounts(order: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(order.get(name) for name in ("total", "subtotal", "tax", "shipping", "status"))


def test_a_new_order_is_one_purchase(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", total=30, TaxAmount=2, ShippingCharges=5)

    run = orders.run(ORDERS)

    assert fates(run) == {"extracted": 1, "delivered": 1}
    assert events_in(odp) == [("1001", PURCHASE)]
    assert amounts(orders_in(odp)["1001"]) == (30, 30, 2, 5, PURCHASE)


def test_a_changed_order_goes_to_the_orders_object_only(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", total=30)
    orders.run(ORDERS)
    sent = len(uploads_to(odp))
    shop.change("1001", OrderTotal=45, CustomerPO="PO 7")

    run = orders.run(ORDERS)

    assert fates(run) == {"extracted": 1, "delivered": 1}
    assert [request["path"] for request in uploads_to(odp, since=sent)] == ["/v3/objects/orders"]
    assert events_in(odp) == [("1001", PURCHASE)]
    order = orders_in(odp)["1001"]
    assert amounts(order)[:2] == (45, 30)
    assert (order["status"], order["customer_po"]) == (PURCHASE, "PO 7")
    assert fates(orders.run(ORDERS)) == {"extracted": 1, "unchanged": 1}


def test_a_status_that_says_the_same_to_odp_is_no_second_event(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001")
    orders.run(ORDERS)
    shop.change("1001", Status="ReadyForPickup")
    orders.run(ORDERS)

    assert events_in(odp) == [("1001", PURCHASE)]
    assert orders_in(odp)["1001"]["commerce_status"] == "ReadyForPickup"


def test_a_cancel_follows_its_purchase_once(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", total=30, TaxAmount=2, ShippingCharges=5)
    orders.run(ORDERS)
    shop.change("1001", Status="CancellationRequested")
    orders.run(ORDERS)
    shop.change("1001", CustomerPO="late words")

    orders.run(ORDERS)

    assert events_in(odp) == [("1001", PURCHASE), ("1001", CANCEL)]
    assert amounts(orders_in(odp)["1001"]) == (0, 0, 0, 0, CANCEL)
    assert orders_in(odp)["1001"]["customer_po"] == "late words"


@pytest.mark.parametrize("batch_size", [500, 3, 2, 1])
def test_a_cancel_of_an_order_never_purchased_is_a_purchase_then_a_cancel(
    shop: Shop, orders: Pipeline, odp: Any, batch_size: int
) -> None:
    numbers = [str(number) for number in range(1001, 1021)]
    shop.place(*numbers, status="CancellationRequested", total=30)
    pipeline = replace(orders, batch_size=batch_size, concurrency=8)

    run = pipeline.run(ORDERS)

    assert fates(run) == {"extracted": 20, "delivered": 20}
    for number in numbers:
        assert [action for order, action in events_in(odp) if order == number] == [PURCHASE, CANCEL]
    assert {amounts(order) for order in orders_in(odp).values()} == {(0, 0, 0, 0, CANCEL)}


def test_status_flapping_keeps_one_purchase_and_one_cancel(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", total=30, TaxAmount=2, ShippingCharges=5)
    placed, cancelled = (30, 30, 2, 5, PURCHASE), (0, 0, 0, 0, CANCEL)

    orders.run(ORDERS)
    assert amounts(orders_in(odp)["1001"]) == placed
    for _ in range(2):
        for status, expected in (("CancellationRequested", cancelled), ("Submitted", placed)):
            shop.change("1001", Status=status)
            assert fates(orders.run(ORDERS)) == {"extracted": 1, "delivered": 1}
            assert amounts(orders_in(odp)["1001"]) == expected

    assert Counter(events_in(odp)) == {("1001", PURCHASE): 1, ("1001", CANCEL): 1}
    assert fates(orders.run(ORDERS)) == {"extracted": 1, "unchanged": 1}


def test_an_order_that_changes_to_a_status_that_is_not_sent_stays_as_it_is(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001")
    orders.run(ORDERS)
    sent = len(uploads_to(odp))
    shop.change("1001", Status="Saved")

    assert fates(orders.run(ORDERS)) == {"extracted": 1, "skipped": 1}
    assert uploads_to(odp, since=sent) == []


def test_nothing_is_sent_about_an_order_while_one_of_its_events_is_uncertain(shop: Shop, orders: Pipeline, odp: Any) -> None:
    # An update would overwrite the status by which the lost cancel is recognised: it would be sent a second time.
    pipeline = replace(orders, settings=Settings(visibility_delay_minutes=15))
    shop.place("1001", total=30)
    pipeline.run(ORDERS)
    shop.change("1001", Status="CancellationRequested")
    odp.settings(visibility_delay=3600)  # stored, but nobody can see it yet
    odp.faults(path="/v3/events", mode="store_then_drop")
    assert fates(pipeline.run(ORDERS)) == {"extracted": 1, "uncertain": 1}
    sent = len(uploads_to(odp))

    for change in ({"Status": "Submitted"}, {"CustomerPO": "PO 8"}):
        # The first is as ODP had it before the cancel, the second is not.
        moment = shop.change("1001", **change)
        between = pipeline.run(ORDERS, window=Window(moment, None))
        assert between.summary["uncertain"] == 1
        assert uploads_to(odp, since=sent) == []

    odp.settings(visibility_delay=0)
    pipeline.age_claims()
    later = pipeline.run(ORDERS, window=Window(moment + timedelta(days=1), None))
    assert fates(later) == {"extracted": 1, "delivered": 1}
    assert events_in(odp) == [("1001", PURCHASE), ("1001", CANCEL)]
    order = orders_in(odp)["1001"]
    assert (order["status"], order["total"], order["customer_po"]) == (PURCHASE, 30, "PO 8")


def run_both(first: Run, second: Run) -> list[Exception]:
    """Let two runs of the same export load at the same time."""
    barrier = threading.Barrier(2)

    def finish(run: Run) -> None:
        run.extract()
        run.transform()
        barrier.wait(30)
        run.load()
        run.reconcile()

    with ThreadPoolExecutor(2) as both:
        futures = [both.submit(finish, run) for run in (first, second)]
        return [error for future in futures if (error := future.exception())]


@pytest.mark.parametrize("batch_sizes", [(500, 500), (7, 7), (7, 11), (1, 500)])
def test_two_runs_at_the_same_time_send_each_event_once(pipeline: Pipeline, odp: Any, batch_sizes: tuple[int, int]) -> None:
    odp.faults(path="/v3/events", delay=0.1, mode="delay", count=4)
    runs = [replace(pipeline, batch_size=size).start(ORDERS) for size in batch_sizes]

    errors = run_both(*runs)

    assert errors == []
    sent = Counter(events_in(odp))
    assert set(sent.values()) == {1}
    delivered = sum(run.summary["delivered"] for run in runs)
    rows = runs[0].summary["extracted"] - runs[0].summary["skipped"] - runs[0].summary["rejected"]
    assert delivered == rows == len({order for order, _ in sent})
    # What each saw the other send ends well with the next run.
    last = pipeline.run(ORDERS)
    assert last.summary["uncertain"] == 0
    assert Counter(events_in(odp)) == sent
    assert pipeline.query("SELECT count(*) FROM event_delivery WHERE state <> 'delivered'") == [(0,)]
    assert pipeline.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


def test_two_processes_at_the_same_time_send_each_event_once(pipeline: Pipeline, odp: Any) -> None:
    runs = [replace(pipeline, batch_size=5).start(ORDERS) for _ in range(2)]
    for run in runs:
        run.extract()
        run.transform()
    odp.faults(path="/v3/events", delay=0.05, mode="delay", count=20)

    with LoadProcess(runs[0]) as one, LoadProcess(runs[1]) as other:
        assert [one.wait(), other.wait()] == [0, 0]

    sent = Counter(events_in(odp))
    assert set(sent.values()) == {1}
    assert {order for order, _ in sent} == {item["data"]["order"]["order_id"] for item in runs[0].items()}


def test_a_cancel_waits_for_a_purchase_that_another_run_is_sending(shop: Shop, orders: Pipeline, odp: Any) -> None:
    # Otherwise the order would look purchased in ODP by its cancel alone, should the purchase get lost.
    shop.place("1001", status="Submitted")
    slow = orders.start(ORDERS)
    slow.extract()
    slow.transform()
    shop.change("1001", Status="CancellationRequested")
    quick = orders.start(ORDERS)
    quick.extract()
    quick.transform()
    assert [item["action"] for item in quick.items()] == [PURCHASE, CANCEL]
    odp.faults(path="/v3/events", delay=1, mode="drop")

    with ThreadPoolExecutor(1) as other:
        loading = other.submit(slow.load)
        wait_until(lambda: len(uploads_to(odp)) == 1)
        quick.load()
        quick.reconcile()
        loading.result()

    assert fates(quick) == {"extracted": 1, "uncertain": 1}
    assert events_in(odp) == [("1001", PURCHASE)]
    # Read as kept open and as part of the window.
    assert fates(orders.run(ORDERS)) == {"extracted": 2, "delivered": 1, "skipped": 1}
    assert events_in(odp) == [("1001", PURCHASE), ("1001", CANCEL)]


def test_a_run_leaves_claims_alone_that_another_run_is_sending(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001", "1002")
    slow = orders.start(ORDERS)
    slow.extract()
    slow.transform()
    odp.faults(path="/v3/events", delay=1, mode="delay")

    with ThreadPoolExecutor(1) as other:
        loading = other.submit(slow.load)
        wait_until(lambda: len(uploads_to(odp)) == 1)
        quick = orders.run(ORDERS)
        loading.result()
    slow.reconcile()

    assert fates(quick) == {"extracted": 2, "uncertain": 2}
    assert fates(slow) == {"extracted": 2, "delivered": 2}
    assert sorted(events_in(odp)) == [("1001", PURCHASE), ("1002", PURCHASE)]


def test_windows_that_overlap_send_an_event_once(shop: Shop, orders: Pipeline, odp: Any) -> None:
    shop.place("1001")
    moment = shop.change("1001", CustomerPO="x")
    window = Window(moment, None)

    orders.run(ORDERS, window=window)
    run = orders.run(ORDERS, window=window)

    assert fates(run) == {"extracted": 1, "unchanged": 1}
    assert events_in(odp) == [("1001", PURCHASE)]
