"""The comparison of source, ledger and ODP: it finds what is wrong and nothing else, and repairs it without doubling anything."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import orjson
import pytest

from odp.core.contract import contract_fields
from odp.core.deactivate import can_deactivate, check_share
from odp.core.event_claims import EventClaims
from odp.core.exceptions import TooManyDeletedError, TooManyRejectsError
from odp.core.exports import CUSTOMER_USER_PROFILES, CUSTOMERS, EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES, Export
from odp.core.settings import Settings
from odp.core.window import Window
from sandbox.odp.server import SandboxOdp
from tests.reliability.checks import Check
from tests.reliability.harness import Pipeline, events_in, orders_in, stored_keys, uploads_to
from tests.reliability.shop import Shop

pytestmark = pytest.mark.usefixtures("hurried_reads")

FIRST_PRODUCT = "Id = (SELECT min(Id::text)::uuid FROM Product)"


@pytest.fixture
def hurried_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sandbox does not show at once, it never does."""
    monkeypatch.setattr("odp.core.read_back.SECONDS_BETWEEN_ATTEMPTS", 0.0)
    monkeypatch.setattr("odp.core.read_back.PROFILE_READS_PER_SECOND", 1_000.0)


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_nothing_is_found_after_a_run(pipeline: Pipeline, odp: SandboxOdp, export: Export) -> None:
    run = pipeline.run(export)
    uploads = len(uploads_to(odp))

    check = Check(pipeline, export, consistency_sample=50)

    assert check.found == {}
    assert check["same"] == run.summary["delivered"] > 0
    assert check["skipped"] == run.summary["skipped"]
    assert check["known"] == len(stored_keys(odp, export)) if export is not ORDERS else check["known"] > 0
    sample = check["sample"]
    assert sample["checked"] == sample["same"] == min(50, check["same"]), sample
    assert check["gaps"] == []
    assert check["covered_until"] is not None
    assert check["to_repair"] == 0
    assert len(uploads_to(odp)) == uploads


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
def test_everything_is_missing_before_the_first_run_and_repair_sends_it(
    pipeline: Pipeline, odp: SandboxOdp, export: Export
) -> None:
    check = Check(pipeline, export)
    assert check.found == {"missing": check["source_rows"] - check["skipped"]}
    assert len(check["examples"]["missing"]) == min(10, check["missing"])

    repair = check.repair()

    assert repair.summary["delivered"] == check["missing"]
    assert Check(pipeline, export).found == {}


class TestFaults:
    def test_a_change_that_moved_no_date_is_found_and_sent(self, changing: Pipeline, odp: SandboxOdp) -> None:
        changing.run(PRODUCTS)
        changing.change(f"UPDATE Product SET ShortDescription = 'Repaired' WHERE {FIRST_PRODUCT}")
        [(product,)] = changing.query_replica(f"SELECT Id::text FROM Product WHERE {FIRST_PRODUCT}")

        check = Check(changing, PRODUCTS)

        assert check.found == {"changed": 1}
        assert check["examples"] == {"changed": [product]}
        sent = len(uploads_to(odp))
        assert check.repair().summary["delivered"] == 1
        assert [request["items"] for request in uploads_to(odp, since=sent)] == [1]
        assert [row["name"] for row in odp.dump("objects/products")].count("Repaired") == 1
        assert Check(changing, PRODUCTS).found == {}

    def test_a_row_the_next_run_reads_anyway_is_pending(self, changing: Pipeline) -> None:
        changing.run(PRODUCTS)
        changing.change(f"UPDATE Product SET ShortDescription = 'New', ModifiedOn = now() WHERE {FIRST_PRODUCT}")
        check = Check(changing, PRODUCTS)
        assert check.found == {"pending": 1}
        assert check.repair().summary["delivered"] == check["to_repair"] == 1
        assert Check(changing, PRODUCTS).found == {}

    def test_a_row_that_was_forgotten_in_the_ledger_is_missing(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        pipeline.run(WAREHOUSES)
        before = odp.dump("objects/warehouses")
        pipeline.query("DELETE FROM record_state WHERE record_key = (SELECT min(record_key) FROM record_state)")
        check = Check(pipeline, WAREHOUSES)
        assert check.found == {"missing": 1}
        assert check.repair().summary["delivered"] == 1
        assert Check(pipeline, WAREHOUSES).found == {}
        assert odp.dump("objects/warehouses") == before

    @pytest.mark.parametrize("export", [PRODUCTS, USER_PROFILES], ids=lambda export: export.dag_id)
    def test_what_odp_lost_is_found_in_the_sample_and_sent_again(
        self, pipeline: Pipeline, odp: SandboxOdp, export: Export
    ) -> None:
        # Acknowledged, and not stored.
        odp.faults(path=f"/v3{export.path}", method="POST", status=202, body={"title": "Accepted", "status": 202})
        delivered = pipeline.run(export).summary["delivered"]
        lost = delivered - sum(stored_keys(odp, export).values())
        assert lost > 0

        check = Check(pipeline, export, consistency_sample=1_000)

        assert check.found == {}
        sample = check["sample"]
        assert (sample["checked"], sample["not_visible"], sample["different"]) == (delivered, lost, 0)
        assert len(sample["examples"]) == 10
        assert check["to_repair"] == lost
        assert check.repair().summary["delivered"] == lost
        assert sum(stored_keys(odp, export).values()) == delivered
        assert Check(pipeline, export, consistency_sample=1_000)["sample"]["same"] == delivered

    def test_what_odp_may_not_show_yet_is_not_lost(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        odp.faults(path="/v3/objects", method="POST", status=202, body={"title": "Accepted", "status": 202})
        pipeline.run(WAREHOUSES)
        check = Check(pipeline, WAREHOUSES, visibility_delay_minutes=15)
        assert check["sample"]["not_visible"] == check["to_repair"] == 0

    def test_other_values_in_odp_are_reported(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        pipeline.run(USER_PROFILES)
        [address, person] = pipeline.query_replica(
            "SELECT lower(Email), Id::text FROM UserProfile WHERE Email LIKE '%@%' AND IsGuest IS NOT TRUE"
            " AND (SELECT count(*) FROM UserProfile o WHERE lower(o.Email) = lower(UserProfile.Email)) = 1 LIMIT 1"
        )[0]
        pipeline.client().request("POST", "/profiles", orjson.dumps([{"attributes": {"email": address, "first_name": "Else"}}]))
        check = Check(pipeline, USER_PROFILES, consistency_sample=1_000)
        assert check["sample"]["different"] == 1
        assert check["sample"]["examples"] == [f"{person}: other first_name"]
        assert check["to_repair"] == 0

    def test_an_odp_that_cannot_be_asked_is_noted(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        pipeline.run(WAREHOUSES)
        odp.faults(path="/v3/graphql", status=403, count=10)
        sample = Check(pipeline, WAREHOUSES)["sample"]
        assert sample["checked"] == sample["not_visible"] == 0
        assert "ODP answered 403" in sample["note"]

    def test_no_address_appears_in_a_result(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        odp.faults(path="/v3/profiles", method="POST", status=202, body={})
        pipeline.run(USER_PROFILES)
        pipeline.query(
            "UPDATE record_state SET payload_hash = gen_random_uuid()"
            " WHERE key_hash IN (SELECT key_hash FROM record_state ORDER BY key_hash LIMIT 9)"
        )
        pipeline.query(
            "UPDATE record_state SET key_hash = gen_random_uuid()"
            " WHERE key_hash = (SELECT max(key_hash::text)::uuid FROM record_state)"
        )
        check = Check(pipeline, USER_PROFILES)
        assert set(check.found) >= {"missing", "changed", "deleted"}
        assert check["sample"]["examples"]
        assert not re.search(r"[^*]@|@[^*]{2}", str(check.result))
        assert "***@" in check["examples"]["deleted"][0]

    def test_gaps_between_runs_are_reported(self, pipeline: Pipeline) -> None:
        days = [datetime(2024, 5, number, tzinfo=timezone.utc) for number in (1, 2, 4, 5)]
        pipeline.run(WAREHOUSES, window=Window(days[0], days[1]))
        pipeline.run(WAREHOUSES, window=Window(days[2], days[3]))
        assert Check(pipeline, WAREHOUSES)["gaps"] == [[days[1].isoformat(), days[2].isoformat()]]

    def test_more_than_can_be_named_are_repaired_by_reading_everything(
        self, pipeline: Pipeline, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("odp.core.repair.MAX_ENTITIES", 5)
        check = Check(pipeline, PRODUCTS)
        assert check["missing"] > 5
        repair = check.repair()
        assert repair.ids is None
        assert repair.summary["delivered"] == check["missing"]


class TestSkippedAndRejected:
    def test_a_record_that_the_export_skips_now_is_extra(self, changing: Pipeline) -> None:
        changing.run(CUSTOMERS)
        one = "Id = (SELECT min(Id::text)::uuid FROM Customer WHERE NOT IsGuest)"
        changing.change(f"UPDATE Customer SET IsGuest = true WHERE {one}")
        check = Check(changing, CUSTOMERS)
        assert check.found == {"extra": 1}
        assert check.deactivate() == {"deactivated": 0, "kept": 0, "rejected": 0}

    def test_rows_that_cannot_be_sent_are_rejected_and_not_missing(self, orders: Pipeline, shop: Shop) -> None:
        shop.place("1", "2")
        shop.place("3", OrderTotal="NaN")
        with pytest.raises(TooManyRejectsError):
            orders.run(ORDERS)
        check = Check(orders, ORDERS)
        assert (check.found, check["same"]) == ({"rejected": 1}, 2)

    def test_what_odp_refuses_is_rejected_and_not_missing(self, pipeline: Pipeline, odp: SandboxOdp) -> None:
        refusal = {"title": "Bad Request", "status": 400, "detail": {"invalids": [{"event": 0, "message": "no"}]}}
        odp.faults(path="/v3/objects/warehouses", method="POST", status=400, body=refusal)
        with pytest.raises(TooManyRejectsError):
            pipeline.run(WAREHOUSES)
        check = Check(pipeline, WAREHOUSES)
        assert check.found == {"rejected": 1}

    def test_of_rows_with_one_key_the_last_one_counts(self, changing: Pipeline) -> None:
        """Also when they lie in different parts."""
        changing.change("UPDATE UserProfile SET Email = 'shared@example.com' WHERE IsGuest IS NOT TRUE")
        parts = replace(changing, settings=changing.settings.model_copy(update={"part_rows": 7}))
        run = parts.run(USER_PROFILES)
        assert len(run.parts) > 3
        # Parts may be loaded in any order: let the last row of all be what ODP has.
        last = parts.query_replica(
            "SELECT Id::text FROM UserProfile WHERE IsGuest IS NOT TRUE ORDER BY ModifiedOn DESC NULLS LAST, Id DESC LIMIT 1"
        )[0][0]
        parts.run(USER_PROFILES, ids=[last])
        assert Check(parts, USER_PROFILES, consistency_sample=0).found == {}


class TestOtherRuns:
    def test_what_a_run_delivers_meanwhile_is_not_deleted(self, changing: Pipeline) -> None:
        changing.run(WAREHOUSES)

        def add_and_export() -> None:
            changing.change("INSERT INTO Warehouse (Id, Name) VALUES ('ffffffff-ffff-ffff-ffff-ffffffffffff', 'New')")
            changing.change("UPDATE Warehouse SET Description = 'Other' WHERE Id = (SELECT min(Id::text)::uuid FROM Warehouse)")
            assert changing.run(WAREHOUSES).summary["delivered"] == 2

        assert Check(changing, WAREHOUSES, meanwhile=add_and_export).found == {"pending": 1}
        assert Check(changing, WAREHOUSES).found == {}

    def test_a_repair_never_replaces_what_another_run_has_delivered_since(self, changing: Pipeline, odp: SandboxOdp) -> None:
        repair = changing.start(WAREHOUSES, beside_others=True)
        repair.extract()
        changing.change("UPDATE Warehouse SET Description = 'Newer' WHERE Id = (SELECT min(Id::text)::uuid FROM Warehouse)")
        [(newer,)] = changing.query_replica("SELECT Id::text FROM Warehouse WHERE Description = 'Newer'")
        repair.transform()
        changing.run(WAREHOUSES, ids=[newer])

        repair.load()
        repair.reconcile()

        assert repair.summary["unchanged"] == 1
        assert repair.summary["delivered"] == repair.summary["extracted"] - 1
        assert [row["description"] for row in odp.dump("objects/warehouses") if row["warehouse_id"] == newer] == ["Newer"]
        assert Check(changing, WAREHOUSES).found == {}


class TestOrders:
    def test_an_event_that_is_claimed_is_never_sent_again(self, orders: Pipeline, shop: Shop, odp: SandboxOdp) -> None:
        shop.place("1", "2")
        orders.run(ORDERS)
        events = events_in(odp)
        orders.query("DELETE FROM record_state WHERE record_key = '1'")

        check = Check(orders, ORDERS)

        assert check.found == {"changed": 1}
        check.repair()
        assert events_in(odp) == events
        assert Check(orders, ORDERS).found == {}

    def test_an_order_of_which_the_ledger_knows_nothing_is_missing(self, orders: Pipeline, shop: Shop, odp: SandboxOdp) -> None:
        shop.place("1", "2")
        orders.run(ORDERS, ids=["1"])
        check = Check(orders, ORDERS)
        assert (check.found, check["examples"]) == ({"missing": 1}, {"missing": ["2"]})
        check.repair()
        assert sorted(events_in(odp)) == [("1", "purchase"), ("2", "purchase")]
        assert Check(orders, ORDERS).found == {}

    def test_a_ledger_restored_from_a_backup_doubles_no_event(self, orders: Pipeline, shop: Shop, odp: SandboxOdp) -> None:
        shop.place("1", "2", "3")
        orders.run(ORDERS)
        shop.change("2", Status="CancellationRequested")
        shop.change("3", Status="CancellationRequested")
        orders.run(ORDERS)
        # The cancel of 3 was never sent, as far as ODP knows.
        odp_events = events_in(odp)
        orders.query("DELETE FROM record_state")
        orders.query("DELETE FROM event_delivery")
        shop.place("4")

        check = Check(orders, ORDERS)

        assert check.found == {"missing": 4}
        check.repair()
        assert sorted(events_in(odp)) == sorted([*odp_events, ("4", "purchase")])
        assert {number: row["status"] for number, row in orders_in(odp).items()} == {
            "1": "purchase",
            "2": "cancel",
            "3": "cancel",
            "4": "purchase",
        }
        assert Check(orders, ORDERS).found == {}

    def test_an_order_that_was_cancelled_after_the_backup_is_cancelled_once(
        self, orders: Pipeline, shop: Shop, odp: SandboxOdp
    ) -> None:
        shop.place("1")
        orders.run(ORDERS)
        orders.query("DELETE FROM record_state")
        orders.query("DELETE FROM event_delivery")
        shop.change("1", Status="CancellationRequested")
        Check(orders, ORDERS).repair()
        assert events_in(odp) == [("1", "purchase"), ("1", "cancel")]
        assert orders_in(odp)["1"]["total"] == 0

    def test_a_cancel_that_a_restored_ledger_forgot_is_not_doubled(self, orders: Pipeline, shop: Shop, odp: SandboxOdp) -> None:
        shop.place("1", total=30)
        orders.run(ORDERS)
        backup = orders.query("SELECT payload_hash FROM record_state")[0][0]
        shop.change("1", Status="CancellationRequested")
        orders.run(ORDERS)
        orders.query("DELETE FROM event_delivery WHERE action = 'cancel'")
        orders.query("UPDATE record_state SET payload_hash = %s", backup)

        check = Check(orders, ORDERS)

        assert check.found == {"changed": 1}
        check.repair()
        assert events_in(odp) == [("1", "purchase"), ("1", "cancel")]
        assert orders_in(odp)["1"]["total"] == 0
        assert Check(orders, ORDERS).found == {}

    def test_orders_since_the_backup_are_not_doubled_though_the_next_run_would_read_them(
        self, orders: Pipeline, shop: Shop, odp: SandboxOdp
    ) -> None:
        shop.place("1")
        orders.run(ORDERS)
        shop.place("2", ModifiedOn=datetime.now(timezone.utc))
        orders.run(ORDERS)
        orders.query("DELETE FROM event_delivery WHERE record_key = '2'")
        orders.query("DELETE FROM record_state WHERE record_key = '2'")
        orders.query("DELETE FROM export_run WHERE started_at = (SELECT max(started_at) FROM export_run)")

        check = Check(orders, ORDERS)

        assert check.found == {"pending": 1}
        check.repair()
        orders.run(ORDERS)
        assert sorted(events_in(odp)) == [("1", "purchase"), ("2", "purchase")]

    def test_where_odp_cannot_be_asked_the_ledger_is_trusted(
        self, orders: Pipeline, shop: Shop, odp: SandboxOdp, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop.place("1")
        check = Check(orders, ORDERS)
        odp.faults(path="/v3/graphql", status=403, count=10)
        check.repair()
        assert events_in(odp) == [("1", "purchase")]
        assert "the ledger is trusted" in caplog.text

    def test_an_open_event_is_uncertain(self, orders: Pipeline, shop: Shop) -> None:
        shop.place("1")
        with orders.ledger(ORDERS) as ledger:
            EventClaims(ledger).claim([("1", "purchase", "0" * 32)], "a run", 0)
        check = Check(orders, ORDERS)
        assert (check.found, check["to_repair"]) == ({"uncertain": 1}, 0)

    def test_events_that_odp_lost_are_reported_and_not_sent_again(self, orders: Pipeline, shop: Shop, odp: SandboxOdp) -> None:
        shop.place("1")
        odp.faults(path="/v3/events", status=202, body={})
        orders.run(ORDERS)
        check = Check(orders, ORDERS)
        assert check["sample"]["examples"] == ["1: not in ODP"]
        assert check["to_repair"] == 0


class TestDeactivate:
    def test_a_deleted_product_is_marked_once(self, changing: Pipeline, odp: SandboxOdp) -> None:
        changing.run(PRODUCTS)
        [(gone,)] = changing.query_replica(f"SELECT Id::text FROM Product WHERE {FIRST_PRODUCT}")
        changing.change("CREATE TABLE kept AS SELECT * FROM Product WHERE Id = %s", gone)
        changing.change("DELETE FROM Product WHERE Id = %s", gone)

        check = Check(changing, PRODUCTS)

        assert check.found == {"deleted": 1}
        assert check["examples"] == {"deleted": [gone]}
        assert check["can_deactivate"]
        assert check.deactivate() == {"deactivated": 1, "kept": 0, "rejected": 0}
        stored = {row["product_id"]: row for row in odp.dump("objects/products")}
        assert stored[gone]["is_active"] is False
        assert stored[gone]["name"]
        again = Check(changing, PRODUCTS, consistency_sample=1_000)
        assert again.found == {"deactivated": 1}
        assert again["sample"]["different"] == 0
        sent = len(uploads_to(odp))
        again.deactivate()
        assert uploads_to(odp, since=sent) == []

        # It comes back: an ordinary run sends it whole.
        changing.change("INSERT INTO Product SELECT * FROM kept")
        assert changing.run(PRODUCTS).summary["delivered"] == 1
        assert Check(changing, PRODUCTS).found == {}

    def test_a_record_that_was_delivered_meanwhile_is_kept(self, changing: Pipeline, odp: SandboxOdp) -> None:
        changing.run(WAREHOUSES)
        changing.change("DELETE FROM Warehouse WHERE Id = (SELECT min(Id::text)::uuid FROM Warehouse)")
        check = Check(changing, WAREHOUSES)
        changing.query("UPDATE record_state SET payload_hash = gen_random_uuid()")
        assert check.deactivate() == {"deactivated": 0, "kept": 1, "rejected": 0}

    def test_what_odp_refuses_is_counted_and_tried_again(self, changing: Pipeline, odp: SandboxOdp) -> None:
        changing.run(WAREHOUSES)
        changing.change("DELETE FROM Warehouse WHERE Id = (SELECT min(Id::text)::uuid FROM Warehouse)")
        odp.faults(path="/v3/objects/warehouses", method="POST", status=400, body={"title": "Bad Request"})
        assert Check(changing, WAREHOUSES).deactivate() == {"deactivated": 0, "kept": 0, "rejected": 1}
        assert Check(changing, WAREHOUSES).deactivate() == {"deactivated": 1, "kept": 0, "rejected": 0}

    def test_people_who_only_changed_their_address_stay_active(self, changing: Pipeline, odp: SandboxOdp) -> None:
        changing.run(USER_PROFILES)
        renamed, deleted = changing.query_replica(
            "SELECT Id::text FROM UserProfile WHERE Email LIKE '%@%' AND IsGuest IS NOT TRUE"
            " AND (SELECT count(*) FROM UserProfile o WHERE lower(btrim(o.Email)) = lower(btrim(UserProfile.Email))) = 1"
            " ORDER BY Id LIMIT 2"
        )
        changing.change("UPDATE UserProfile SET Email = 'renamed@example.com', ModifiedOn = now() WHERE Id = %s", renamed[0])
        changing.run(USER_PROFILES)
        changing.change("DELETE FROM UserProfile WHERE Id = %s", deleted[0])
        asked: list[set[str]] = []

        def find_people(ids: Any) -> set[str]:
            asked.append(set(ids))
            return {renamed[0]}

        check = Check(changing, USER_PROFILES)

        assert check.found == {"deleted": 2}
        assert check.deactivate(find_people) == {"deactivated": 1, "kept": 1, "rejected": 0}
        assert asked == [{renamed[0], deleted[0]}]
        active = {row["attributes"]["business_user_id"]: row["attributes"].get("is_active") for row in odp.dump("profiles")}
        assert (active[renamed[0]], active[deleted[0]]) == (True, False)
        # The old address is no record any more.
        assert Check(changing, USER_PROFILES).found == {"deactivated": 1}

    @pytest.mark.parametrize(
        ("deleted", "known", "rows", "allowed"),
        [(10, 12, 5, True), (11, 109, 98, False), (11, 110, 99, True), (3, 3, 0, False)],
        ids=["few", "more than a tenth", "a tenth", "an empty source"],
    )
    def test_too_many_at_once_are_refused(self, deleted: int, known: int, rows: int, allowed: bool) -> None:
        with contextlib.nullcontext() if allowed else pytest.raises(TooManyDeletedError, match="max_deactivate_ratio"):
            check_share(deleted, known, rows, 0.1, "product_odp_export")

    @pytest.mark.parametrize(
        ("export", "able"),
        [
            (WAREHOUSES, True),
            (PRODUCTS, True),
            (CUSTOMERS, True),
            (USER_PROFILES, True),
            (CUSTOMER_USER_PROFILES, False),
            (ORDERS, False),
        ],
    )
    def test_which_exports_have_a_mark(self, export: Export, able: bool) -> None:
        contract = export.contract_for(Settings())
        assert can_deactivate(contract, [field.name for field in contract_fields(contract)]) is able
        assert not can_deactivate(contract, contract.key)
