"""All of Airflow, as a user runs it: REST, command line, scheduler and workers."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from sandbox.world import LOGIN, PROJECT, SANDBOX_KEY, World
from tests.e2e.expected import Source, held_order_events
from tests.e2e.running.conftest import PRODUCTS
from tests.e2e.running.waiting import RUN_SECONDS, finished_runs, until
from tests.mailbox import Mailbox, body_of

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(600)]

ORDERS = "order_odp_export"
NOTIFY = [{"condition": name, "to": f"{name}@example.com"} for name in ("success", "failure", "deadline")]


@pytest.fixture(scope="module", autouse=True)
def unpaused(api: httpx.Client) -> None:
    """Switch the two DAGs on that the tests run, and the notifications."""
    setting = {
        "key": "odp_settings",
        "value": json.dumps({"notify": NOTIFY, "accept_shared_emails": True, "read_back_sample": 3}),
    }
    assert api.post("/variables", json=setting).status_code == 201
    for dag_id in (ORDERS, PRODUCTS):
        assert api.patch(f"/dags/{dag_id}", json={"is_paused": False}).status_code == 200


def test_airflow_knows_the_dags_and_the_plugin(api: httpx.Client) -> None:
    assert api.get("/importErrors").json()["total_entries"] == 0
    assert api.get("/plugins/importErrors").json()["total_entries"] == 0
    names = {dag["dag_id"]: dag["dag_display_name"] for dag in api.get("/dags").json()["dags"]}
    assert {export.dag_id: export.title for export in EXPORTS}.items() <= names.items()
    assert "odp" in {plugin["name"] for plugin in api.get("/plugins").json()["plugins"]}


def test_the_connection_form_tests_a_key(api: httpx.Client, running: World) -> None:
    form = {"connection_id": "odp_form", "conn_type": "odp", "host": running.odp_url, "password": SANDBOX_KEY}
    answer = api.post("/connections/test", json=form).json()
    assert answer["status"] is True
    assert "The key may use schema, GraphQL, profiles, objects, events." in answer["message"]
    answer = api.post("/connections/test", json={**form, "password": "sandbox.another-secret"}).json()
    assert answer["status"] is False
    assert "private key" in answer["message"]


def test_a_run_with_parameters(api: httpx.Client, source: Source, odp: SandboxOdp) -> None:
    wanted = [str(row["id"]) for row in source.rows("Product")[:3]]
    answer = api.post(f"/dags/{PRODUCTS}/dagRuns", json={"logical_date": None, "conf": {"Ids": wanted, "Resend": True}})
    assert answer.status_code == 200, answer.text
    (run,) = until(lambda: finished_runs(api, PRODUCTS, "manual"), "the run")
    assert (run["state"], run["triggering_user_name"], run["logical_date"]) == ("success", LOGIN[0], None)
    xcom = api.get(f"/dags/{PRODUCTS}/dagRuns/{run['dag_run_id']}/taskInstances/reconcile/xcomEntries/return_value").json()
    summary = xcom["value"] if isinstance(xcom["value"], dict) else json.loads(xcom["value"])
    assert (summary["extracted"], summary["delivered"], summary["window"]) == (3, 3, ["-infinity", "infinity"])
    assert set(wanted) <= {row["product_id"] for row in odp.dump("objects/products")}


def airflow(running: World, *arguments: str) -> None:
    """Run an ``airflow`` command against the world."""
    command = [str(Path(sys.executable).parent / "airflow"), *arguments]
    environment = {**os.environ, **running.airflow_environment()}
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_who_wants_to_know_is_told(api: httpx.Client, running: World, mailbox: Mailbox) -> None:
    # The settings are a Variable in Airflow's database. The dag-processor tells how runs end ...
    conf = {"LookBackDays": 1, "StartDate": "2026-11-01T00:00:00Z"}
    failing = "contradiction"  # which the REST API refuses, and the first task of a run that is made past it
    airflow(running, "dags", "trigger", PRODUCTS, "--run-id", failing, "--conf", json.dumps(conf))
    failed = mailbox.wait_for("failure@", "ODP Product Export failed", RUN_SECONDS)
    assert f"<td>Run</td><td>{html.escape(failing)}</td>" in body_of(failed)
    assert "<td>Failed task</td><td>extract</td>" in body_of(failed)
    (by_hand,) = [run for run in finished_runs(api, PRODUCTS, "manual") if run["state"] == "success"]
    until(lambda: told_of(mailbox, "success@", by_hand["dag_run_id"]), "the message of the run that succeeded")
    # ... and the triggerer that one is late: the scheduled one alone, because a run by hand has no deadline.
    late = mailbox.wait_for("deadline@", "ODP Product Export is not finished in time", RUN_SECONDS)
    assert "<td>Run</td><td>scheduled__" in body_of(late)
    assert len(mailbox.subjects("deadline@")) == 1
    # Each was told once; who wants to know of failures was told of the missed deadline, too.
    assert [told_of(mailbox, "success@", by_hand["dag_run_id"]), told_of(mailbox, "failure@", failing)] == [1, 1]
    until(lambda: len(mailbox.subjects("failure@")) == 2, "the failure and the missed deadline")


def told_of(mailbox: Mailbox, receiver: str, run_id: str) -> int:
    """Return how often somebody was told of a run."""
    words = f"<td>Run</td><td>{html.escape(run_id)}</td>"
    return sum(receiver in message["To"] and words in body_of(message) for message in mailbox.messages)


def test_a_value_that_is_no_number_of_days_is_refused_before_a_run_is_made(api: httpx.Client) -> None:
    answer = api.post(f"/dags/{PRODUCTS}/dagRuns", json={"logical_date": None, "conf": {"LookBackDays": 0}})
    assert answer.status_code == 400
    assert "LookBackDays" in answer.text


def test_a_backfill_of_three_days(api: httpx.Client, running: World, source: Source, odp: SandboxOdp) -> None:
    # A day that the scheduled run, which exports yesterday, has nothing to do with.
    first = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=9)
    days = [first + timedelta(days=number) for number in range(3)]
    dates = ("--from-date", f"{days[0]:%Y-%m-%d}", "--to-date", f"{days[2]:%Y-%m-%d}")
    airflow(running, "backfill", "create", "--dag-id", ORDERS, *dates)

    runs = until(lambda: [run for run in [finished_runs(api, ORDERS, "backfill")] if len(run) == 3], "the backfill")[0]
    assert [run["state"] for run in runs] == ["success"] * 3
    intervals = sorted((run["data_interval_start"][:19], run["data_interval_end"][:19]) for run in runs)
    assert intervals == [(f"{day:%Y-%m-%dT%H:%M:%S}", f"{day + timedelta(days=1):%Y-%m-%dT%H:%M:%S}") for day in days]

    # Each run read its day's orders ...
    with psycopg.connect(running.dsn("odp_ledger"), row_factory=dict_row) as ledger:
        by_run = {row["run_id"]: row for row in ledger.execute("SELECT * FROM export_run WHERE window_start > '-infinity'")}
        claims = ledger.execute("SELECT record_key, action, run_id, state FROM event_delivery").fetchall()
    for run in runs:
        row = by_run[run["dag_run_id"]]
        expected = source.orders_modified(row["window_start"], row["window_end"])
        assert (row["window_start"], row["state"]) == (datetime.fromisoformat(run["data_interval_start"]), "success")
        assert row["window_end"] - row["window_start"] == timedelta(days=1)
        assert row["extracted"] == len(expected) > 0
    # ... and each order that is sent at all was sent once, with the values of the replica.
    of_the_days = {order["ordernumber"] for day in days for order in source.orders_modified(day, day + timedelta(days=1))}
    events = {key: event for key, event in source.order_events().items() if key[0] in of_the_days}
    run_ids = {run["dag_run_id"] for run in runs}
    backfilled = {(claim["record_key"], claim["action"]) for claim in claims if claim["run_id"] in run_ids}
    assert backfilled <= set(events)
    assert {claim["state"] for claim in claims} == {"delivered"}
    held = held_order_events(odp.dump("events"))
    assert {key: held.get(key) for key in events} == events


def test_one_click_loads_everything_and_goes_on_after_a_failed_step(
    api: httpx.Client, running: World, source: Source, odp: SandboxOdp
) -> None:
    run_url = "/dags/odp_initial_load/dagRuns/first"
    exports = [export.dag_id for export in EXPORTS]

    def finished() -> str:
        state: str = api.get(run_url).json()["state"]
        return state if state in ("success", "failed") else ""

    def tasks() -> dict[str, dict[str, Any]]:
        return {task["task_id"]: task for task in api.get(f"{run_url}/taskInstances").json()["task_instances"]}

    # A customer that ODP cannot take stops the load at its third step.
    with psycopg.connect(running.dsn("commerce"), autocommit=True) as replica:
        created_on = replica.execute(
            "UPDATE dbo.customer c SET createdon = '20000-01-01' FROM dbo.customer old WHERE old.id = c.id"
            " AND c.id = (SELECT id FROM dbo.customer WHERE NOT isguest ORDER BY modifiedon LIMIT 1)"
            " RETURNING c.id, old.createdon"
        ).fetchone()
        assert created_on is not None
        for dag_id in (*exports, "odp_initial_load"):
            assert api.patch(f"/dags/{dag_id}", json={"is_paused": False}).status_code == 200
        answer = api.post("/dags/odp_initial_load/dagRuns", json={"logical_date": None, "dag_run_id": "first"})
        assert answer.status_code == 200, answer.text
        assert until(finished, "the failed step", 2 * RUN_SECONDS) == "failed"
        states = {task_id: task["state"] for task_id, task in tasks().items()}
        before, after = ["preflight", *exports[:2]], exports[3:]
        assert states == {
            **dict.fromkeys(before, "success"),
            "customer_odp_export": "failed",
            **dict.fromkeys(after, "upstream_failed"),
        }, tasks()["preflight"]["rendered_fields"].get("report")
        links = api.get(f"{run_url}/taskInstances/customer_odp_export/links").json()["extra_links"]
        assert "/dags/customer_odp_export/runs/initial_load__first" in links["Triggered DAG"]

        replica.execute("UPDATE dbo.customer SET createdon = %s WHERE id = %s", (created_on[1], created_on[0]))
    clear = {"dag_run_id": "first", "only_failed": True, "dry_run": False}
    assert api.post("/dags/odp_initial_load/clearTaskInstances", json=clear).status_code == 200
    assert until(finished, "the load", 2 * RUN_SECONDS) == "success"

    # Each export ran by its own DAG, without a window, after the one before it; what had succeeded did not run again.
    done = tasks()
    assert [done[task_id]["try_number"] for task_id in before] == [1, 1, 1]
    ended = ""
    for dag_id in exports:
        (run,) = [run for run in api.get(f"/dags/{dag_id}/dagRuns").json()["dag_runs"] if run["run_type"] == "operator_triggered"]
        assert (run["dag_run_id"], run["state"], run["logical_date"]) == ("initial_load__first", "success", None)
        assert run["start_date"] > ended
        ended = run["end_date"]
    report = done["preflight"]["rendered_fields"]["report"]
    assert report.startswith("Failures: 0")
    assert "OK       ledger: tables: Version" in report
    # All of it is in ODP.
    now = datetime.now(timezone.utc)
    held = {name: len(odp.dump(f"objects/{name}")) for name in ("warehouses", "products", "businesses", "business_users")}
    assert held == {
        "warehouses": len(source.warehouses(now)),
        "products": len(source.products(now)),
        "businesses": len(source.businesses()),
        "business_users": len(source.business_users()),
    }
    assert len(odp.dump("profiles")) == len(source.profiles())
    assert held_order_events(odp.dump("events")) == source.order_events()


def test_the_key_is_in_no_log_of_a_task(running: World) -> None:
    logs = [path for path in (running.airflow_home / "logs").rglob("*.log") if "dag_id=" in str(path)]
    assert logs
    secret = SANDBOX_KEY.rpartition(".")[2].encode()
    assert [str(path) for path in logs if secret in path.read_bytes()] == []
