"""The exports end to end through Airflow: from a Commerce replica to what ODP holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.conftest import Configure, RunExport
from tests.e2e.expected import Source, held_order_events
from tests.e2e.runs import Finished, load_dag, run_as, run_by_hand

Replica = psycopg.Connection[dict[str, Any]]
ORDERS, PRODUCTS, WAREHOUSES, CUSTOMERS, PROFILES, LINKS = (
    f"{name}_odp_export" for name in ("order", "product", "warehouse", "customer", "user_profile", "customer_to_user_mapping")
)

COUNTS = {
    WAREHOUSES: ("SELECT count(*) FROM warehouse", "SELECT count(*) FROM warehouse"),
    PRODUCTS: ("SELECT count(*) FROM product", "SELECT count(*) FROM product"),
    CUSTOMERS: ("SELECT count(*) FROM customer", "SELECT count(*) FROM customer WHERE NOT isguest"),
    PROFILES: (
        "SELECT count(*) FROM userprofile",
        "SELECT count(DISTINCT lower(btrim(email))) FROM userprofile WHERE NOT isguest AND btrim(email) <> ''",
    ),
    LINKS: (
        "SELECT count(*) FROM customeruserprofile",
        "SELECT count(*) FROM customeruserprofile l JOIN customer c ON c.id = l.customerid AND NOT c.isguest"
        " JOIN userprofile u ON u.id = l.userprofileid AND NOT u.isguest",
    ),
    ORDERS: (
        "SELECT count(*) FROM customerorder",
        "SELECT count(*) FROM customerorder o WHERE lower(btrim(o.status)) = ANY(ARRAY['submitted', 'punchout', 'readyforpickup',"
        " 'complete', 'processing', 'cancellationrequested', 'cancelled']) AND (btrim(coalesce(o.btemail, '')) <> ''"
        " OR btrim(coalesce(o.stemail, '')) <> '' OR EXISTS (SELECT 1 FROM userprofile u WHERE NOT u.isguest"
        " AND u.id IN (o.placedbyuserprofileid, o.initiatedbyuserprofileid)))",
    ),
}
"""For each export, in SQL of its own: rows to extract and records to deliver."""


def count(source: Replica, query: str, *parameters: Any) -> int:
    row = source.execute(query, parameters).fetchone()
    return int(row["count"]) if row else 0


# ---------------------------------------------------------------------------------------------------- all six, everything


class Everything:
    """The six exports, each run once by hand and without parameters, and what ODP held after them."""

    def __init__(self, odp: SandboxOdp, runs: dict[str, Finished]) -> None:
        self.runs = runs
        self.counts = odp.counts()
        self.requests = odp.requests()
        self.objects = {name: odp.dump(f"objects/{name}") for name in self.counts["objects"]}
        self.profiles = [profile["attributes"] for profile in odp.dump("profiles")]
        self.events = odp.dump("events")
        self.event_rows = odp.dump("event_rows")

    def as_of(self, dag_id: str) -> datetime:
        """Return the run's "now"."""
        started: datetime = self.runs[dag_id].run.start_date
        return started


@pytest.fixture(scope="module")
def everything(airflow_db: World) -> Iterator[Everything]:
    """Run the six exports, in the order of a first load, against the world's own sandbox ODP."""
    odp = SandboxOdp(port=airflow_db.ports["odp"])
    odp.reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_VAR_ODP_SETTINGS", '{"read_back_sample": 3}')
        yield Everything(odp, {export.dag_id: run_by_hand(load_dag(export.dag_id)) for export in EXPORTS})


@pytest.mark.parametrize("dag_id", COUNTS)
def test_every_row_is_accounted_for(everything: Everything, source: Replica, dag_id: str) -> None:
    run = everything.runs[dag_id]
    assert run.state == "success"
    assert run.tasks == {"extract": "success", "transform[0]": "success", "load[0]": "success", "reconcile": "success"}
    extracted, delivered = (count(source, query) for query in COUNTS[dag_id])
    assert delivered > 0
    assert (run.summary["extracted"], run.summary["delivered"]) == (extracted, delivered)
    assert run.summary["skipped"] == extracted - delivered
    assert [run.summary[name] for name in ("rejected", "not_sent", "unchanged", "uncertain")] == [0, 0, 0, 0]
    assert run.summary["window"] == ["-infinity", "infinity"]
    assert run.history["state"] == "success"


def test_odp_holds_what_was_delivered(everything: Everything, source: Replica) -> None:
    delivered = {dag_id: count(source, query) for dag_id, (_, query) in COUNTS.items()}
    objects = {name: number for name, number in everything.counts["objects"].items() if number}
    assert objects == {
        "warehouses": delivered[WAREHOUSES],
        "products": delivered[PRODUCTS],
        "businesses": delivered[CUSTOMERS],
        "business_users": delivered[LINKS],
        "orders": delivered[ORDERS],
    }
    assert everything.counts["profiles"] == delivered[PROFILES]
    # Nothing that was sent was unknown to ODP or of the wrong type.
    assert everything.counts["dropped_fields"] == {}


def test_no_request_was_refused(everything: Everything) -> None:
    uploads = [request for request in everything.requests if request["method"] == "POST"]
    assert uploads
    assert {request["status"] for request in uploads} <= {200, 201, 202}
    # A 404 only answers the question whether an object exists already.
    asked = {(request["method"], request["path"]) for request in everything.requests if request["status"] == 404}
    assert asked <= {("GET", f"/v3/schema/objects/{name}") for name in ("warehouses", "businesses", "business_users")}


def assert_held(held: dict[Any, dict[str, Any]], expected: dict[Any, dict[str, Any]]) -> None:
    """Compare the fields that were worked out, of every record; one that is absent must be absent in ODP, too."""
    assert expected
    assert set(held) == set(expected)
    names = {name for record in expected.values() for name in record}
    for key, record in expected.items():
        assert {name: held[key][name] for name in names if name in held[key]} == record, key


def test_warehouses(everything: Everything, source: Replica) -> None:
    held = {row["warehouse_id"]: row for row in everything.objects["warehouses"]}
    assert_held(held, Source(source).warehouses(everything.as_of(WAREHOUSES)))


def test_products(everything: Everything, source: Replica) -> None:
    held = {row["product_id"]: row for row in everything.objects["products"]}
    assert_held(held, Source(source).products(everything.as_of(PRODUCTS)))


def test_businesses(everything: Everything, source: Replica) -> None:
    assert_held({row["business_id"]: row for row in everything.objects["businesses"]}, Source(source).businesses())


def test_profiles(everything: Everything, source: Replica) -> None:
    assert_held({attributes["email"]: attributes for attributes in everything.profiles}, Source(source).profiles())


def test_links(everything: Everything, source: Replica) -> None:
    held = {(row["business_id"], row["user_id"]): row for row in everything.objects["business_users"]}
    assert_held(held, Source(source).business_users())


def test_order_events(everything: Everything, source: Replica) -> None:
    expected = Source(source).order_events()
    assert {action for _, action in expected} == {"purchase", "cancel"}
    assert_held(held_order_events(everything.events), expected)


def test_order_events_are_marked_as_history(everything: Everything) -> None:
    assert {event["data"]["active_event"] for event in everything.events} == {False}
    ids = [event["data"]["idempotence_id"] for event in everything.events]
    assert len(set(ids)) == len(ids)


def test_a_cancelled_order_comes_to_nothing_and_the_others_to_their_total(everything: Everything, source: Replica) -> None:
    totals = {row["order_id"]: row.get("total") for row in everything.objects["orders"]}
    rows = source.execute("SELECT ordernumber, ordertotal, lower(btrim(status)) AS status FROM customerorder").fetchall()
    checked = {"cancelled": 0, "kept": 0}
    for row in rows:
        if row["ordernumber"] not in totals or row["ordertotal"] is None:
            continue
        cancelled = row["status"] in ("cancelled", "cancellationrequested")
        assert totals[row["ordernumber"]] == pytest.approx(0 if cancelled else float(row["ordertotal"]), abs=1e-6)
        checked["cancelled" if cancelled else "kept"] += 1
    assert min(checked.values()) > 0


def test_each_line_of_a_purchase_is_an_event_of_a_known_product(everything: Everything, source: Replica) -> None:
    purchases = [row for row in everything.event_rows if row["action"] == "purchase" and "product_id" in row]
    assert len(purchases) > len({row["order_id"] for row in purchases})
    known = {row["product_id"] for row in everything.objects["products"]}
    assert {row["product_id"] for row in purchases} <= known


def test_what_was_delivered_is_read_back(everything: Everything) -> None:
    for dag_id, run in everything.runs.items():
        read_back = run.summary["read_back"]
        assert read_back["checked"] == read_back["same"] == 3, dag_id


def test_a_second_run_sends_nothing(everything: Everything, airflow_db: World, source: Replica) -> None:
    odp = SandboxOdp(port=airflow_db.ports["odp"])
    sent = len(odp.requests(path="/v3/objects")), len(odp.requests(path="/v3/events"))
    for dag_id in (WAREHOUSES, ORDERS):
        run = run_by_hand(load_dag(dag_id))
        delivered = count(source, COUNTS[dag_id][1])
        assert (run.state, run.summary["unchanged"], run.summary["delivered"]) == ("success", delivered, 0)
    assert (len(odp.requests(path="/v3/objects")), len(odp.requests(path="/v3/events"))) == sent


# --------------------------------------------------------------------------------------------------------------- windows


def test_look_back_days(run_export: RunExport, source: Replica) -> None:
    run = run_export(ORDERS, LookBackDays=3)
    start, end = map(datetime.fromisoformat, run.summary["window"])
    assert (end, end - start) == (run.run.run_after, timedelta(days=3))
    expected = len(Source(source).orders_modified(start, end))
    assert 0 < expected < count(source, "SELECT count(*) FROM customerorder")
    assert (run.state, run.summary["extracted"]) == ("success", expected)


def test_start_and_end_date(run_export: RunExport, account: SandboxOdp, source: Replica) -> None:
    newest = source.execute("SELECT max(modifiedon) AS at FROM product").fetchone()
    assert newest
    end = newest["at"].replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=2)
    query = "SELECT id FROM product WHERE modifiedon >= %s AND modifiedon < %s"
    expected = {str(row["id"]) for row in source.execute(query, (start, end))}
    assert expected
    run = run_export(PRODUCTS, StartDate=start.strftime("%Y-%m-%dT%H:%M:%SZ"), EndDate=end.isoformat())
    assert run.summary["window"] == [start.isoformat(), end.isoformat()]
    sent = {row["product_id"] for row in account.dump("objects/products")}
    assert expected <= sent
    # The others are products of which an image, a category or a custom property was modified then.
    query = "SELECT productid AS id FROM {} WHERE modifiedon >= %s AND modifiedon < %s"
    children = {
        str(row["id"])
        for table in ("productimage", "categoryproduct")
        for row in source.execute(query.format(table), (start, end))
    }
    query = "SELECT parentid AS id FROM customproperty WHERE parenttable = 'Product' AND modifiedon >= %s AND modifiedon < %s"
    children |= {str(row["id"]) for row in source.execute(query, (start, end))}
    assert sent == expected | children


def test_an_open_end(run_export: RunExport, source: Replica) -> None:
    row = source.execute("SELECT max(modifiedon) AS at FROM warehouse").fetchone()
    assert row
    run = run_export(WAREHOUSES, StartDate=row["at"].isoformat())
    assert run.summary["window"] == [row["at"].isoformat(), "infinity"]
    assert run.summary["extracted"] == count(source, "SELECT count(*) FROM warehouse WHERE modifiedon = %s", row["at"])


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_scheduled_run_and_a_backfill_export_their_day(account: SandboxOdp, source: Replica, run_type: str) -> None:
    row = source.execute("SELECT max(modifiedon) AS at FROM customerorder").fetchone()
    assert row
    end = row["at"].replace(hour=0, minute=0, second=0, microsecond=0)
    day = (end - timedelta(days=1), end)
    run = run_as(load_dag(ORDERS), run_type, day)
    assert (run.state, run.summary["window"]) == ("success", [day[0].isoformat(), day[1].isoformat()])
    assert run.summary["extracted"] == len(Source(source).orders_modified(*day)) > 0


def test_a_window_without_rows_is_a_success(run_export: RunExport, account: SandboxOdp) -> None:
    run = run_export(PRODUCTS, StartDate="2001-01-01T00:00:00Z", EndDate="2001-01-02T00:00:00Z")
    assert run.state == "success"
    assert run.tasks == {"extract": "success", "transform": "skipped", "load": "skipped", "reconcile": "success"}
    assert (run.summary["extracted"], run.summary["delivered"]) == (0, 0)
    assert account.requests() == []


# ------------------------------------------------------------------------------------------------------------ parameters


def test_ids(run_export: RunExport, account: SandboxOdp, source: Replica) -> None:
    rows = source.execute("SELECT id, erpnumber FROM product ORDER BY id LIMIT 3").fetchall()
    ids = [str(rows[0]["id"]).upper(), f" {rows[1]['erpnumber']} ", rows[2]["erpnumber"], "no such product"]
    run = run_export(PRODUCTS, Ids=ids)
    assert (run.state, run.summary["extracted"]) == ("success", 3)
    assert {row["product_id"] for row in account.dump("objects/products")} == {str(row["id"]) for row in rows}


def test_a_dry_run_keeps_the_bodies_and_sends_nothing(run_export: RunExport, account: SandboxOdp, source: Replica) -> None:
    run = run_export(ORDERS, DryRun=True)
    assert run.state == "success"
    sendable = count(source, COUNTS[ORDERS][1])
    assert (run.summary["delivered"], run.summary["not_sent"]) == (0, sendable)
    assert account.requests() == []
    assert_held(held_order_events(run.bodies()), Source(source).order_events())
    # Nothing is noted as sent either: the next run sends it all.
    assert run_export(ORDERS).summary["delivered"] == sendable


def test_resend_sends_unchanged_records_again(run_export: RunExport, account: SandboxOdp) -> None:
    assert run_export(WAREHOUSES).summary["delivered"] == 12
    assert run_export(WAREHOUSES).summary["unchanged"] == 12
    assert run_export(WAREHOUSES, Resend=True).summary["delivered"] == 12
    assert [request["items"] for request in account.requests(path="/v3/objects/warehouses")] == [12, 12]


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"LookBackDays": 1, "EndDate": "2026-11-01T00:00:00Z"}, "Give either LookBackDays or StartDate/EndDate, not both."),
        ({"StartDate": "2026-11-02T00:00:00Z", "EndDate": "2026-11-02T00:00:00Z"}, "must be before EndDate"),
        ({"StartDate": "yesterday"}, "'yesterday' is not a date"),
        ({"lookbackdays": 1}, "Unknown parameter 'lookbackdays'. Did you mean LookBackDays?"),
        ({"Ids": [" "]}, "Ids holds only blanks"),
    ],
)
def test_bad_parameters_fail_at_once_and_send_nothing(
    run_export: RunExport, account: SandboxOdp, capfd: pytest.CaptureFixture[str], conf: dict[str, Any], sentence: str
) -> None:
    run = run_export(ORDERS, **conf)
    assert (run.state, run.tasks["extract"], run.tasks["reconcile"]) == ("failed", "failed", "upstream_failed")
    assert run.tries == {"extract": 1}
    assert sentence in "".join(capfd.readouterr())
    assert account.requests() == []


# -------------------------------------------------------------------------------------------------------------- settings


def test_people_who_share_an_address_stay_apart(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica
) -> None:
    shared = count(source, "SELECT count(*) FROM userprofile WHERE NOT isguest") - count(source, COUNTS[PROFILES][1])
    assert shared > 0
    configure(email_mode="non_unique")
    run = run_export(PROFILES)
    assert run.state == "success"
    held = {profile["attributes"]["business_user_id"]: profile["attributes"] for profile in account.dump("profiles")}
    rows = source.execute("SELECT id, nullif(lower(btrim(email)), '') AS email FROM userprofile WHERE NOT isguest").fetchall()
    assert {key: attributes.get("contact_email") for key, attributes in held.items()} == {
        str(row["id"]): row["email"] for row in rows
    }
    assert not any("email" in attributes for attributes in held.values())


def test_orders_are_attributed_to_ids_where_addresses_are_shared(
    run_export: RunExport, account: SandboxOdp, configure: Configure
) -> None:
    configure(email_mode="non_unique")
    assert run_export(PROFILES).state == "success"
    assert run_export(ORDERS, LookBackDays=10).state == "success"
    events = account.dump("events")
    assert events
    assert {tuple(event["identifiers"]) for event in events} == {("business_user_id",)}
    assert all("event_business_user_id" in row for row in account.dump("event_rows"))


def test_the_order_status_setting_wins(run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica) -> None:
    configure(order_status={"Shipped": "purchase", "complete": "none", "Cancelled": "none"})
    run = run_export(ORDERS)
    decided = {(status, action) for status, action, _ in run.summary["order_statuses"]}
    assert {("Shipped", "purchase"), ("Complete", "not sent"), ("Cancelled", "not sent")} <= decided
    sent = {event["data"]["order"]["commerce_status"] for event in account.dump("events")}
    assert "Shipped" in sent
    assert not sent & {"Complete", "Cancelled"}


def test_parts_are_mapped(run_export: RunExport, account: SandboxOdp, configure: Configure, source: Replica) -> None:
    configure(part_rows=400)
    run = run_export(PRODUCTS)
    assert (run.state, run.summary["extracted"]) == ("success", 1000)
    assert [name for name in run.tasks if name.startswith("load")] == ["load[0]", "load[1]", "load[2]"]
    held = {row["product_id"]: row for row in account.dump("objects/products")}
    assert_held(held, Source(source).products(run.run.start_date))


def test_wrong_settings_fail_without_a_retry(
    run_export: RunExport, account: SandboxOdp, configure: Configure, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(email_modus="unique")
    run = run_export(WAREHOUSES)
    assert (run.state, run.tries) == ("failed", {"extract": 1})
    assert "email_modus: Extra inputs are not permitted" in "".join(capfd.readouterr())
    assert account.requests() == []


# --------------------------------------------------------------------------------------------------------- ODP's answers


def test_odp_s_schema_is_created(run_export: RunExport, account: SandboxOdp) -> None:
    for dag_id in (WAREHOUSES, PRODUCTS, CUSTOMERS, PROFILES, LINKS, ORDERS):
        assert run_export(dag_id, LookBackDays=5).state == "success"
    requests = account.requests(path="/v3/schema")
    created = [(request["path"], request["status"]) for request in requests if request["method"] == "POST"]
    assert created.count(("/v3/schema/objects", 200)) == 3
    assert ("/v3/schema/identifiers", 201) in created
    for path in ("products", "customers", "orders"):
        assert (f"/v3/schema/objects/{path}/fields", 200) in created
    # Known before the first record came, so nothing was lost.
    assert account.counts()["dropped_fields"] == {}


def test_orders_alone_create_the_identifier_they_send(run_export: RunExport, account: SandboxOdp) -> None:
    assert run_export(ORDERS, LookBackDays=10).state == "success"
    assert account.counts()["dropped_fields"] == {}


def test_without_create_schema_nothing_is_created(run_export: RunExport, account: SandboxOdp, configure: Configure) -> None:
    configure(create_schema=False)
    run = run_export(WAREHOUSES)
    # ODP has no object of that name: a retry would not help.
    assert (run.state, run.tasks["load[0]"], run.tries["load[0]"]) == ("failed", "failed", 1)
    assert account.requests(path="/v3/schema") == []


def test_a_refused_key_fails_without_a_retry(
    run_export: RunExport, account: SandboxOdp, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    key = f"{account.public_key}.wrong-secret"
    connection = {"conn_type": "odp", "host": account.url, "password": key}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    run = run_export(WAREHOUSES)
    assert (run.state, run.tasks["load[0]"], run.tries["load[0]"]) == ("failed", "failed", 1)
    assert run.history["state"] == "failed"
    output = "".join(capfd.readouterr())
    assert "403" in run.history["error"]
    assert "ODP answered 403" in output
    assert "wrong-secret" not in output + run.history["error"]
    assert {request["status"] for request in account.requests()} == {403}


def test_rejects_fail_the_run_after_the_good_rows_arrived_and_are_tried_again(
    run_export: RunExport, account: SandboxOdp, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_export(WAREHOUSES, DryRun=True).state == "success"
    refusal = {"title": "Bad Request", "status": 400, "detail": {"invalids": [{"event": 2, "message": "made up"}]}}
    account.faults(path="/v3/objects/warehouses", status=400, body=refusal)
    run = run_export(WAREHOUSES)
    assert (run.state, run.tasks["load[0]"], run.tasks["reconcile"], run.tries["reconcile"]) == ("failed", "success", "failed", 1)
    assert len(account.dump("objects/warehouses")) == 11
    (reject,) = run.rejects()
    assert "1 of 12 rows of warehouse_odp_export were rejected" in run.history["error"]
    assert f"{reject['key']}: " in run.history["error"]
    assert "made up" in "".join(capfd.readouterr())
    # The next run, though its window holds no row, sends what was left.
    run = run_export(WAREHOUSES, StartDate="2001-01-01T00:00:00Z", EndDate="2001-01-02T00:00:00Z")
    assert (run.state, run.summary["retried"], run.summary["delivered"]) == ("success", 1, 1)
    assert len(account.dump("objects/warehouses")) == 12


def test_rows_that_cannot_be_sent_are_rejected_and_the_rest_arrives(
    run_export: RunExport, account: SandboxOdp, empty_replica: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", empty_replica)
    with psycopg.connect(empty_replica) as connection:
        for email in ("ana@example.com", "not an address", "bo@example.com"):
            add(connection, "UserProfile", email=email, isguest=False, username=email)
    run = run_export(PROFILES)
    assert (run.state, run.tasks["load[0]"], run.tasks["reconcile"]) == ("failed", "success", "failed")
    assert {profile["attributes"]["email"] for profile in account.dump("profiles")} == {"ana@example.com", "bo@example.com"}
    assert "email must be an e-mail address such as ana@example.com" in run.history["error"]


def test_a_busy_odp_is_waited_for(run_export: RunExport, account: SandboxOdp) -> None:
    account.faults(path="/v3/objects/warehouses", status=503, count=2)
    account.faults(path="/v3/objects/warehouses", status=429, retry_after=0)
    run = run_export(WAREHOUSES)
    assert (run.state, run.summary["delivered"], run.tries["load[0]"]) == ("success", 12, 1)


def test_an_event_whose_answer_was_lost_is_not_sent_twice(run_export: RunExport, account: SandboxOdp, source: Replica) -> None:
    account.faults(path="/v3/events", mode="store_then_drop")
    run = run_export(ORDERS)
    assert run.state == "success"
    assert_held(held_order_events(account.dump("events")), Source(source).order_events())


# -------------------------------------------------------------------------------------------------------- other replicas


def add(connection: psycopg.Connection[Any], table: str, **values: Any) -> None:
    """Insert a row; columns that must have a value and are not given get one that says nothing."""
    required = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'dbo' AND table_name = lower(%s)"
        " AND is_nullable = 'NO' AND column_default IS NULL",
        (table,),
    ).fetchall()
    now = datetime(2026, 11, 1, tzinfo=timezone.utc)
    by_type = {"boolean": False, "timestamp with time zone": now, "integer": 0, "bigint": 0, "numeric": 0, "double precision": 0}
    row: dict[str, Any] = {}
    for name, data_type in required:
        row[name] = _new_id(connection) if data_type == "uuid" else by_type.get(data_type, "")
    row |= {"id": _new_id(connection), "modifiedon": now, **values}
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))


def _new_id(connection: psycopg.Connection[Any]) -> Any:
    row = connection.execute("SELECT gen_random_uuid()").fetchone()
    return row[0] if row else None


def test_a_replica_in_another_schema(
    run_export: RunExport, account: SandboxOdp, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.commerce import generate

    generate(database, customers=20, orders=30, products=10, seed=7, schema="commerce")
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", f"{database}?options=-c%20search_path%3Dcommerce")
    run = run_export(PRODUCTS)
    assert (run.state, run.summary["delivered"]) == ("success", 10)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT id FROM commerce.product").fetchall()
    assert {row["product_id"] for row in account.dump("objects/products")} == {str(row[0]) for row in rows}


def test_a_schema_that_is_not_in_the_search_path_is_named(
    run_export: RunExport, airflow_db: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", airflow_db.dsn("commerce"))
    run = run_export(PRODUCTS)
    assert (run.state, run.tries) == ("failed", {"extract": 1})
    assert "The Commerce replica lacks Product" in run.history["error"]
    assert "search_path=dbo" in run.history["error"]


def test_a_missing_optional_table_costs_only_its_fields(
    run_export: RunExport,
    account: SandboxOdp,
    empty_replica: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", empty_replica)
    with psycopg.connect(empty_replica) as connection:
        add(connection, "Product", erpnumber="P1", shortdescription="Lamp", basiclistprice=25)
        connection.execute("DROP TABLE Brand CASCADE")
        connection.execute("ALTER TABLE Product DROP COLUMN Unspsc")
    run = run_export(PRODUCTS)
    assert (run.state, run.summary["absent"]) == ("success", ["Brand", "Product.Unspsc"])
    (held,) = account.dump("objects/products")
    assert (held["name"], held["price"]) == ("Lamp", 25.0)
    assert not {"brand", "unspsc"} & set(held)
    assert "The replica lacks Brand, Product.Unspsc. Fields left out: brand, unspsc." in caplog.text


def test_a_missing_required_column_is_named(
    run_export: RunExport, account: SandboxOdp, empty_replica: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", empty_replica)
    with psycopg.connect(empty_replica) as connection:
        connection.execute("ALTER TABLE UserProfile DROP COLUMN Email")
    run = run_export(PROFILES)
    assert (run.state, run.tries) == ("failed", {"extract": 1})
    assert "The Commerce replica lacks UserProfile.Email" in run.history["error"]
    assert account.requests() == []
