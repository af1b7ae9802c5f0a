"""Several ODP accounts, and websites of one, end to end through Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError

import psycopg
import pytest

from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.conftest import Configure
from tests.e2e.runs import Finished, load_dag, run_as, run_by_hand

MAIN, PRO = "Main", "Pro Søk"
ROUTES = {MAIN: "odp_main", PRO: "odp_pro"}
STATUSES = dict.fromkeys(("Complete", "Processing"), "purchase")
OF_WEBSITE = {
    "order_odp_export": "SELECT ordernumber FROM customerorder o JOIN website w ON w.id = o.websiteid WHERE w.name = %s",
    "product_odp_export": "SELECT DISTINCT productid::text FROM categoryproduct cp JOIN category c ON c.id = cp.categoryid"
    " JOIN website w ON w.id = c.websiteid WHERE w.name = %s",
    "user_profile_odp_export": "SELECT lower(btrim(email)) FROM userprofile u WHERE NOT isguest AND btrim(email) <> '' AND ("
    " NOT EXISTS (SELECT 1 FROM userprofilewebsite x WHERE x.userprofileid = u.id)"
    " OR EXISTS (SELECT 1 FROM userprofilewebsite x JOIN website w ON w.id = x.websiteid"
    " WHERE x.userprofileid = u.id AND w.name = %s))",
    "warehouse_odp_export": "SELECT id::text FROM warehouse WHERE %s <> ''",
}
"""For each export, in SQL of its own: keys of what belongs to a website."""

Replica: TypeAlias = "psycopg.Connection[dict[str, Any]]"
Connect: TypeAlias = Callable[..., None]


@pytest.fixture
def connect(airflow_db: World, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes a connection lead to an ODP account, with another key if need be."""

    def connect_to(connection: str, odp: SandboxOdp, key: str = "") -> None:
        value = {"conn_type": "odp", "host": odp.url, "password": key or odp.key, "extra": json.dumps({"retry_budget": 1})}
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", json.dumps(value))

    return connect_to


@pytest.fixture
def accounts(configure: Configure, connect: Connect) -> Iterator[dict[str, SandboxOdp]]:
    """Two ODP accounts, by the website that is routed to them; there is no connection ``odp_default``."""
    with SandboxOdp(profiles_per_second=0) as main, SandboxOdp(profiles_per_second=0) as pro:
        connect("odp_main", main)
        connect("odp_pro", pro)
        configure(accounts=ROUTES, order_status=STATUSES)
        yield {MAIN: main, PRO: pro}


def run(dag_id: str, folder: Path, **conf: Any) -> Finished:
    return run_by_hand(load_dag(dag_id), staging_root=folder, **conf)


def held(odp: SandboxOdp, export: str) -> set[str]:
    """Return the keys of what an account holds."""
    if export == "order_odp_export":
        return {event["data"]["order"]["order_id"] for event in odp.dump("events")}
    if export == "user_profile_odp_export":
        return {profile["attributes"]["email"] for profile in odp.dump("profiles")}
    kind, key = ("products", "product_id") if export == "product_odp_export" else ("warehouses", "warehouse_id")
    try:
        return {row[key] for row in odp.dump(f"objects/{kind}")}
    except HTTPError:  # there is no such object yet
        return set()


def expected(source: Replica, export: str, website: str) -> set[str]:
    return {next(iter(row.values())) for row in source.execute(OF_WEBSITE[export], (website,))}


@pytest.fixture
def categories_of_both(source: Replica) -> Iterator[None]:
    """Move some categories to the second website; the generated ones are all of the first."""
    some = "id IN (SELECT id FROM category ORDER BY id LIMIT 12)"
    source.execute(f"UPDATE category SET websiteid = (SELECT id FROM website WHERE name = %s) WHERE {some}", (PRO,))
    yield
    source.execute(f"UPDATE category SET websiteid = (SELECT id FROM website WHERE name = %s) WHERE {some}", (MAIN,))


@pytest.mark.usefixtures("categories_of_both")
@pytest.mark.parametrize("export", OF_WEBSITE)
def test_each_account_gets_what_belongs_to_its_websites(
    accounts: dict[str, SandboxOdp], source: Replica, tmp_path: Path, export: str
) -> None:
    finished = run(export, tmp_path)

    assert (finished.state, set(finished.summary["accounts"])) == ("success", set(ROUTES.values()))
    assert finished.summary["extracted"] == sum(s["extracted"] for s in finished.summary["accounts"].values())
    for website, odp in accounts.items():
        keys, found = expected(source, export, website), held(odp, export)
        assert found
        if export == "order_odp_export":  # carts are read, not sent
            orders = source.execute(OF_WEBSITE[export], (website,)).fetchall()
            assert finished.summary["accounts"][ROUTES[website]]["extracted"] == len(orders)
            assert found < keys
        else:
            assert found == keys
    main, pro = (held(odp, export) for odp in accounts.values())
    if export == "order_odp_export":
        assert not main & pro
    elif export != "warehouse_odp_export":
        assert main != pro
    if export == "order_odp_export":
        again = run(export, tmp_path)
        assert (again.summary["delivered"], again.state) == (0, "success")


def test_an_account_that_refuses_its_key_does_not_stop_the_others(
    accounts: dict[str, SandboxOdp], connect: Connect, source: Replica, tmp_path: Path
) -> None:
    connect("odp_main", accounts[MAIN], key="W4WzcEs-ABgXorzY7h1LCQ.wrong")

    for export in ("warehouse_odp_export", "order_odp_export"):
        finished = run(export, tmp_path)

        assert (finished.state, finished.tasks["reconcile"]) == ("failed", "failed")
        assert held(accounts[MAIN], export) == set()
        assert held(accounts[PRO], export)
        with psycopg.connect(os.environ["AIRFLOW_CONN_ODP_LEDGER"]) as ledger:
            states = dict(ledger.execute("SELECT state, error FROM export_run WHERE run_id = %s", (finished.run.run_id,)))
        assert set(states) == {"success", "failed"}
        assert "403" in states["failed"] or "refuses" in states["failed"]


def test_a_connection_that_is_missing_does_not_stop_the_others(
    accounts: dict[str, SandboxOdp], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ODP_MAIN")

    finished = run("warehouse_odp_export", tmp_path)

    assert finished.state == "failed"
    assert held(accounts[PRO], "warehouse_odp_export")


def test_two_connections_to_one_account_are_refused(accounts: dict[str, SandboxOdp], connect: Connect, tmp_path: Path) -> None:
    connect("odp_pro", accounts[MAIN])

    finished = run("warehouse_odp_export", tmp_path)

    assert finished.state == "failed"


def test_a_run_begins_where_the_account_furthest_behind_has_got_to(
    accounts: dict[str, SandboxOdp], configure: Configure, connect: Connect
) -> None:
    configure(accounts=ROUTES, window_mode="since_last_success")

    def run_of(day: int) -> Finished:
        start = datetime(2024, 6, day, tzinfo=timezone.utc)
        return run_as(load_dag("warehouse_odp_export"), "scheduled", (start, start + timedelta(days=1)))

    first = run_of(1)
    with pytest.MonkeyPatch.context() as broken:
        broken.delenv("AIRFLOW_CONN_ODP_MAIN")
        second = run_of(2)
    third, fourth = run_of(3), run_of(4)

    assert [run.state for run in (first, second, third, fourth)] == ["success", "failed", "success", "success"]
    behind = datetime(2024, 6, 1, 23, 45, tzinfo=timezone.utc)
    assert [run.window[0] for run in (second, third)] == [behind.isoformat()] * 2
    assert fourth.window[0] == (behind + timedelta(days=2)).isoformat()


def test_the_preflight_checks_every_account(accounts: dict[str, SandboxOdp], configure: Configure, connect: Connect) -> None:
    configure(accounts=ROUTES, accept_shared_emails=True)
    connect("odp_main", accounts[MAIN], key="W4WzcEs-ABgXorzY7h1LCQ.wrong")

    finished = run_by_hand(load_dag("odp_preflight"), DryRun=True)

    assert finished.state == "failed"
    report = finished.run.get_task_instance("preflight").xcom_pull("preflight")
    wrong = {finding["area"] for finding in report["findings"] if finding["verdict"] == "failure"}
    seen = {finding["area"] for finding in report["findings"]}
    assert wrong == {"ODP, account odp_main"}
    assert {"ODP, account odp_pro", "schema, account odp_pro", "accounts"} <= seen


@pytest.mark.usefixtures("accounts")
def test_the_consistency_refuses_several_accounts() -> None:
    finished = run_by_hand(load_dag("odp_consistency"), Exports=["warehouse_odp_export"])

    assert finished.tasks["warehouse_odp_export.compare"] == "failed"
    assert finished.state == "failed"


def test_one_account_may_send_some_websites_only(
    account: SandboxOdp, source: Replica, configure: Configure, tmp_path: Path
) -> None:
    configure(websites=[PRO], convert_currency={"to": "USD", "by": "multiply"}, order_history=True)

    finished = run("user_profile_odp_export", tmp_path)
    orders = run("order_odp_export", tmp_path)

    assert (finished.state, orders.state) == ("success", "success")
    assert held(account, "user_profile_odp_export") == expected(source, "user_profile_odp_export", PRO)
    sent = [event["data"]["order"] for event in account.dump("events")]
    assert {order["website"] for order in sent if "website" in order} == {PRO}
    assert {order["currency"] for order in sent if "original_currency" in order} <= {"USD", None}
    assert any(order.get("original_currency") for order in sent)
