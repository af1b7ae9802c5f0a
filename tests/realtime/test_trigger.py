"""The trigger of real time, on a real replica and a real ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from odp.core.change_queue import ChangeQueue, Waiting
from odp.triggers import changes
from odp.triggers.changes import CommerceChangesTrigger, Signals
from tests.core.extraction import uid
from tests.realtime.conftest import Shop, Watching

PRODUCTS, ORDERS = "product_odp_export", "order_odp_export"


def product(number: int, modified: str = "now()", name: str = "Bolt") -> str:
    return f"INSERT INTO Product (Id, Name, ModifiedOn) VALUES ('{uid(number)}', '{name}', {modified})"


def order(number: int, modified: str = "now()") -> str:
    return f"INSERT INTO CustomerOrder (Id, OrderNumber, ModifiedOn) VALUES ('{uid(number)}', 'W{number}', {modified})"


def take_all(shop: Shop, watching: Watching, export_id: str, run_id: str = "odp_realtime/run") -> list[str]:
    """Deliver what waits, as a run does; return what it took."""
    with shop.open_ledger(export_id) as ledger:
        queue = ChangeQueue(ledger)
        taken = queue.take(run_id, 100_000)
        queue.tell_taken()
        assert queue.finish(run_id) == 0
    return sorted(taken)


def see(shop: Shop, trigger: Watching, number: int) -> None:
    """Wait until the trigger is at work: it has seen a product change."""
    while trigger.events.empty():
        shop.execute(f"DELETE FROM Product WHERE Id = '{uid(number)}'", product(number, "clock_timestamp()"))
        time.sleep(0.05)
    assert trigger.next() == {PRODUCTS: 1}
    shop.look_again()  # the last of these changes, too
    assert take_all(shop, trigger, PRODUCTS) == [str(uid(number))]


def test_it_takes_ids_of_connections_only() -> None:
    path, arguments = CommerceChangesTrigger(commerce_conn_id="replica").serialize()
    assert path == "odp.triggers.changes.CommerceChangesTrigger"
    assert arguments == {"commerce_conn_id": "replica", "ledger_conn_id": "odp_ledger", "odp_conn_id": "odp_default"}


@pytest.mark.parametrize("records_changes", [False, True], ids=["asks", "is told"])
def test_changes_of_each_kind_are_seen(shop: Shop, watching: Callable[..., Any], records_changes: bool) -> None:
    if records_changes:
        shop.record_changes()
    shop.execute(product(1, "'2020-01-01'"), product(2, "'2020-01-01'"), order(3, "'2020-01-01'"))
    with watching() as trigger:
        if records_changes:  # what was recorded before it began is a change, too
            assert trigger.next() == {PRODUCTS: 2, ORDERS: 1}
            assert take_all(shop, trigger, PRODUCTS) == [str(uid(1)), str(uid(2))]
            assert take_all(shop, trigger, ORDERS) == [str(uid(3))]
        # A row of its own, and rows that belong to it.
        shop.execute(product(4))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(4))]
        shop.execute(
            f"INSERT INTO OrderLine (Id, CustomerOrderId, ProductId, QtyOrdered, ModifiedOn)"
            f" VALUES ('{uid(9)}', '{uid(3)}', '{uid(1)}', 2, now())"
        )
        assert trigger.next() == {ORDERS: 1}
        assert take_all(shop, trigger, ORDERS) == [str(uid(3))]
        shop.execute(
            f"INSERT INTO CustomProperty (Id, ParentId, ParentTable, Name, Value, ModifiedOn)"
            f" VALUES ('{uid(9)}', '{uid(2)}', 'Product', 'Color', 'red', now())"
        )
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(2))]
        # The property again: the product's own row looks as it did.
        shop.execute("UPDATE CustomProperty SET Value = 'blue', ModifiedOn = clock_timestamp()")
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(2))]


def test_a_deleted_line_changes_its_order_where_triggers_tell(shop: Shop, watching: Callable[..., Any]) -> None:
    line = f"INSERT INTO OrderLine (Id, CustomerOrderId, QtyOrdered, ModifiedOn) VALUES ('{uid(9)}', '{uid(3)}', 2, now())"
    shop.execute(order(3), line)
    shop.record_changes()
    with watching() as trigger:
        assert trigger.next() == {ORDERS: 1}
        assert take_all(shop, trigger, ORDERS) == [str(uid(3))]
        shop.execute("UPDATE OrderLine SET QtyOrdered = 2", "DELETE FROM OrderLine")  # the first changes nothing
        assert trigger.next() == {ORDERS: 1}
        assert take_all(shop, trigger, ORDERS) == [str(uid(3))]


@pytest.mark.parametrize("records_changes", [False, True], ids=["asks", "is told"])
def test_a_late_commit_is_seen(shop: Shop, watching: Callable[..., Any], set_settings: Any, records_changes: bool) -> None:
    if records_changes:
        shop.record_changes()
    set_settings(overlap_minutes=0)
    with watching() as trigger, psycopg.connect(shop.replica) as late:
        see(shop, trigger, 9)
        late.execute(product(1, "clock_timestamp()"))
        # Later, and committed earlier: the watermark may not pass the transaction that is open.
        for number in (2, 3):
            shop.execute(product(number, "clock_timestamp()"))
            assert trigger.next() == {PRODUCTS: 1}
            assert take_all(shop, trigger, PRODUCTS) == [str(uid(number))]
        late.commit()
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(1))]


def test_a_row_that_reaches_the_replica_late_is_seen(shop: Shop, watching: Callable[..., Any], set_settings: Any) -> None:
    set_settings(overlap_minutes=10)
    with watching() as trigger:
        shop.execute(product(1))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(1))]
        shop.execute(product(2, "now() - interval '9 minutes'"))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(2))]


@pytest.mark.parametrize("records_changes", [False, True], ids=["asks", "is told"])
def test_a_burst_is_one_event(shop: Shop, watching: Callable[..., Any], records_changes: bool) -> None:
    if records_changes:
        shop.record_changes()
    with watching() as trigger:
        shop.execute(
            "INSERT INTO Product (Id, Name, ModifiedOn) SELECT gen_random_uuid(), 'Bolt', now() FROM generate_series(1, 10000)"
        )
        for _ in range(20):  # and goes on while nobody has taken it
            shop.execute(
                "UPDATE Product SET Name = Name || 's', ModifiedOn = now() WHERE Id = (SELECT min(Id::text)::uuid FROM Product)"
            )
        assert trigger.next() == {PRODUCTS: 10_000}
        shop.look_again()
        assert len(take_all(shop, trigger, PRODUCTS)) == 10_000
        shop.look_again()
        assert trigger.events.empty()
        shop.execute(order(1))
        assert trigger.next() == {ORDERS: 1}
        assert trigger.events.empty()


@pytest.mark.parametrize("records_changes", [False, True], ids=["asks", "is told"])
def test_nothing_is_missed_while_no_triggerer_runs(
    shop: Shop, watching: Callable[..., Any], set_settings: Any, records_changes: bool
) -> None:
    if records_changes:
        shop.record_changes()
    set_settings(overlap_minutes=0)
    with watching() as trigger:
        see(shop, trigger, 9)
        shop.execute(product(1))
        assert trigger.next() == {PRODUCTS: 1}
    # The event was lost with the triggerer, and more has changed since.
    shop.execute(product(2), order(3))
    with watching() as trigger:
        assert trigger.next() == {PRODUCTS: 2, ORDERS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(1)), str(uid(2))]
    # What has been delivered is not told of again by the next one.
    with watching() as trigger:
        assert trigger.next() == {ORDERS: 1}


def test_a_replica_that_is_down_for_a_while(
    shop: Shop, watching: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "FIRST_WAIT_SECONDS", 0.1)
    shop.record_changes()
    name = psycopg.conninfo.conninfo_to_dict(shop.replica)["dbname"]
    with watching() as trigger, psycopg.connect(shop.ledger, autocommit=True) as server:
        shop.execute(product(1))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(1))]
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        log = ""
        while "trying again in 0.4 s" not in log:
            time.sleep(0.1)
            log += capsys.readouterr().out
        assert "not currently accepting connections" in log
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        shop.execute(product(2))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(shop, trigger, PRODUCTS) == [str(uid(2))]


def test_an_export_that_is_left_out(shop: Shop, watching: Callable[..., Any], set_settings: Any) -> None:
    set_settings(exports={PRODUCTS: {"realtime": False}})
    with watching() as trigger:
        shop.execute(product(1), order(2))
        assert trigger.next() == {ORDERS: 1}
        assert shop.waiting() == {ORDERS: [str(uid(2))]}


def test_an_event_that_nobody_answers_is_repeated_with_growing_waits() -> None:
    now = [0.0]
    signals = Signals(lambda: now[0])
    first = Waiting({ORDERS: 1}, None)
    assert [signals.is_due(first), signals.is_due(first), signals.is_due(Waiting({ORDERS: 9}, None))] == [True, False, False]
    due = []
    for second in range(1, 4_000):
        now[0] = second
        if signals.is_due(first):
            due.append(second)
    assert due == [300, 900, 2100]
    # A run has taken changes: what waits now needs another event.
    taken = Waiting({ORDERS: 1}, "a later time")  # type: ignore[arg-type]
    assert [signals.is_due(taken), signals.is_due(taken)] == [True, False]
    assert not signals.is_due(Waiting({}, "a later time"))  # type: ignore[arg-type]
    assert signals.is_due(taken)
