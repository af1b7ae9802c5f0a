"""CSV to S3: what ODP holds after its import is what the REST API would have given it, and no event goes out twice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from odp.core.bodies import ItemState
from odp.core.event_claims import EventClaims
from odp.core.exceptions import BucketError, BucketUnknownOutcomeError
from odp.core.exports import CUSTOMER_USER_PROFILES, CUSTOMERS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES, Export
from odp.core.import_bucket import is_file
from odp.core.settings import Settings
from odp.core.window import Window
from odp.hooks.import_bucket import OdpImportBucket
from odp.sql_files import SQL_DIR
from sandbox.csv_import import CsvImport
from sandbox.odp.server import SandboxOdp
from sandbox.s3 import S3Server
from tests.reliability.harness import Pipeline, Run, events_in, fates, orders_in, stored_keys
from tests.reliability.shop import Shop
from tests.reliability.test_uncertain import LATER

RECORDS = [PRODUCTS, WAREHOUSES, CUSTOMERS, USER_PROFILES, CUSTOMER_USER_PROFILES]


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    """Settings with a folder of the bucket that is this test's own."""
    csv_ = {"bucket": s3.bucket, "tracker_id": tmp_path.name, "import_hours": 24}
    return Settings(csv=csv_, visibility_delay_minutes=0, exports={ORDERS.dag_id: {"transport": "csv"}})


@pytest.fixture
def bucket(settings: Settings) -> OdpImportBucket:
    assert settings.csv
    return OdpImportBucket(settings.csv)


@pytest.fixture
def by_csv(pipeline: Pipeline, settings: Settings, bucket: OdpImportBucket) -> Pipeline:
    """From the generated replica into a bucket."""
    return replace(pipeline, settings=settings, bucket=bucket)


@pytest.fixture
def orders_by_csv(orders: Pipeline, settings: Settings, bucket: OdpImportBucket) -> Pipeline:
    """From the shop made by hand into a bucket."""
    return replace(orders, settings=settings, bucket=bucket)


@pytest.fixture
def other_odp() -> Iterator[SandboxOdp]:
    """Another account, for the REST API."""
    with SandboxOdp(profiles_per_second=0) as running:
        yield running


@pytest.fixture
def imports(s3: S3Server, tmp_path: Path) -> Any:
    """A function that lets ODP import all that waits in the bucket."""
    return lambda odp: CsvImport(s3.client, s3.bucket, odp, tmp_path.name).run()


def files(s3: S3Server, tmp_path: Path) -> dict[str, bytes]:
    """Return what waits in the bucket, by name."""
    keys = s3.keys(f"{tmp_path.name}/")
    return {key.rpartition("/")[2]: s3.client.get_object(Bucket=s3.bucket, Key=key)["Body"].read() for key in sorted(keys)}


def content(odp: Any, kind: str) -> list[dict[str, Any]]:
    return sorted(odp.dump(kind), key=str)


@pytest.mark.parametrize("export", RECORDS, ids=lambda export: export.dag_id)
def test_records_are_the_same_as_by_rest_and_nothing_is_erased(
    by_csv: Pipeline,
    pipeline: Pipeline,
    odp: Any,
    other_odp: SandboxOdp,
    imports: Any,
    s3: S3Server,
    tmp_path: Path,
    export: Export,
) -> None:
    rest = replace(pipeline, url=other_odp.url, key=other_odp.key, root=pipeline.root / "rest")
    expected = rest.run(export)

    run = by_csv.run(export)

    assert fates(run) == fates(expected)
    waiting = files(s3, tmp_path)
    assert all(name.startswith(f"zaius_{export.contract.object_name}_run-") for name in waiting)
    assert all(cell for text in waiting.values() for line in csv.reader(io.StringIO(text.decode())) for cell in line)
    done = imports(odp)
    assert [(one.bad, one.is_rejected) for one in done] == [([], False)] * len(waiting)
    kind = "profiles" if export.family == "profiles" else f"objects/{export.contract.object_name}"
    assert content(odp, kind) == content(other_odp, kind)
    assert len(content(odp, kind)) > 0
    assert fates(by_csv.run(export)).get("delivered", 0) == 0


def test_an_absent_field_keeps_what_another_source_wrote(by_csv: Pipeline, odp: Any, imports: Any) -> None:
    by_csv.run(WAREHOUSES)
    imports(odp)
    without_phone = next(row["warehouse_id"] for row in odp.dump("objects/warehouses") if "phone" not in row)
    client = by_csv.client()
    client.upload("/objects/warehouses", b'[{"warehouse_id": "%s", "phone": "555-0100"}]' % without_phone.encode())

    by_csv.run(WAREHOUSES, resend=True)
    imports(odp)

    (row,) = [row for row in odp.dump("objects/warehouses") if row["warehouse_id"] == without_phone]
    assert row["phone"] == "555-0100"


def test_orders_are_the_same_as_by_rest(
    by_csv: Pipeline, pipeline: Pipeline, odp: Any, other_odp: SandboxOdp, imports: Any, s3: S3Server, tmp_path: Path
) -> None:
    expected = replace(pipeline, url=other_odp.url, key=other_odp.key, root=pipeline.root / "rest").run(ORDERS)

    run = by_csv.run(ORDERS)

    assert fates(run) == fates(expected)
    uploads = [upload for part in run.transformed for upload in part["uploads"]]
    as_files = sum(upload["rows"] for upload in uploads if is_file(upload))
    assert as_files > 0.5 * run.summary["delivered"]
    assert as_files < run.summary["delivered"]  # cancels that bring their purchase go by REST
    waiting = files(s3, tmp_path)
    assert all(name.startswith("zaius_orders_run-") for name in waiting)
    assert all(not one.bad for one in imports(odp))
    assert stored_keys(odp, ORDERS) == stored_keys(other_odp, ORDERS)

    def without_email(orders: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        # The column of that name is the identifier: an order's own address is not sent by CSV.
        return {number: {name: value for name, value in row.items() if name != "email"} for number, row in orders.items()}

    assert without_email(orders_in(odp)) == without_email(orders_in(other_odp))
    purchases = [
        {
            event["data"]["order"]["order_id"]: (event["identifiers"], event["data"]["ts"], event["data"]["order"].get("items"))
            for event in account.dump("events")
            if event["action"] == "purchase"
        }
        for account in (odp, other_odp)
    ]
    assert purchases[0] == purchases[1]
    assert by_csv.claims() == {(action, "delivered"): count for (action, _), count in by_csv.claims().items()}
    assert fates(by_csv.run(ORDERS)).get("delivered", 0) == 0


def test_a_change_of_an_order_and_a_cancel_after_its_purchase(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any
) -> None:
    shop.place("1001", total=30)
    shop.place("1002", total=40)
    orders_by_csv.run(ORDERS)
    imports(odp)
    shop.change("1001", Status="CancellationRequested")
    shop.change("1002", OrderTotal=50)

    run = orders_by_csv.run(ORDERS)
    imports(odp)

    assert fates(run) == {"extracted": 2, "delivered": 2}
    assert sorted(events_in(odp)) == [("1001", "cancel"), ("1001", "purchase"), ("1002", "purchase")]
    assert {number: (row["status"], row["total"]) for number, row in orders_in(odp).items()} == {
        "1001": ("cancel", 0),
        "1002": ("purchase", 50),
    }


def test_what_csv_cannot_carry_goes_by_rest(by_csv: Pipeline, odp: Any, imports: Any) -> None:
    mapping = Path(SQL_DIR, PRODUCTS.sql).read_text()
    assert "p.ErpNumber AS product_number" in mapping
    odd = "CASE WHEN p.Id::text < '8' THEN E'a\\nb' END"
    mapping = mapping.replace("p.ErpNumber AS product_number", f"{odd} AS product_number")

    run = by_csv.run(PRODUCTS, mapping=mapping)

    assert fates(run)["delivered"] == 80
    by_rest = odp.dump("objects/products")
    assert by_rest
    assert all(any("\n" in str(value) for value in row.values()) for row in by_rest)
    imports(odp)
    products = odp.dump("objects/products")
    assert len(products) == 80
    numbered = {row["product_id"] for row in by_rest if "product_number" in row}
    assert numbered
    assert {row["product_id"] for row in products if "product_number" in row} == numbered


def test_a_column_of_the_tenant_is_a_column_of_the_file(
    by_csv: Pipeline, s3: S3Server, tmp_path: Path, odp: Any, imports: Any
) -> None:
    mapping = Path(SQL_DIR, WAREHOUSES.sql).read_text()
    mapping = mapping.replace("w.Hours AS hours", "w.Hours AS hours, 1.50 AS dock_height, 'a,\"b\"' AS dock_note")
    by_csv.run(WAREHOUSES, mapping=mapping)
    header = next(iter(files(s3, tmp_path).values())).split(b"\n")[0].decode().split(",")
    assert {"dock_height", "dock_note"} <= set(header)
    imports(odp)
    assert {(row["dock_height"], row["dock_note"]) for row in odp.dump("objects/warehouses")} == {(1.5, 'a,"b"')}


def test_rare_sets_of_columns_go_by_rest(by_csv: Pipeline, odp: Any, imports: Any, s3: S3Server, tmp_path: Path) -> None:
    assert by_csv.settings.csv
    few = by_csv.settings.model_copy(update={"csv": by_csv.settings.csv.model_copy(update={"files_of_events": 2})})
    run = replace(by_csv, settings=few).run(ORDERS)
    assert len(files(s3, tmp_path)) <= 2
    imports(odp)
    assert sum(stored_keys(odp, ORDERS).values()) == 150
    assert run.summary["uncertain"] == 0


class _Trouble:
    """A bucket whose next upload goes wrong."""

    def __init__(self, bucket: OdpImportBucket, *, stored: bool, taken: bool = False, error: type[BucketError]) -> None:
        self.bucket = bucket
        self.stored = stored
        self.taken = taken
        self.error: type[BucketError] | None = error
        self.names: list[str] = []

    def put(self, name: str, file: IO[bytes], *, repeatable: bool) -> None:
        self.names.append(name)
        if self.error is None or self.stored:
            self.bucket.put(name, file, repeatable=repeatable)
        error, self.error = self.error, None
        if error:
            raise error("lost")

    def has(self, name: str) -> bool:
        return not self.taken and self.bucket.has(name)


def test_a_file_whose_answer_was_lost_is_there_or_its_events_are_held(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any, bucket: OdpImportBucket
) -> None:
    shop.place("1001")
    lost = _Trouble(bucket, stored=True, error=BucketUnknownOutcomeError)
    assert fates(replace(orders_by_csv, bucket=lost).run(ORDERS)) == {"extracted": 1, "delivered": 1}

    shop.place("1002")
    lost = _Trouble(bucket, stored=False, error=BucketUnknownOutcomeError)
    assert fates(replace(orders_by_csv, bucket=lost).run(ORDERS)) == {"extracted": 2, "unchanged": 1, "uncertain": 1}
    orders_by_csv.age_claims(minutes=60)
    assert fates(orders_by_csv.run(ORDERS, window=LATER)) == {"extracted": 1, "uncertain": 1}  # ODP may still be at it
    orders_by_csv.age_claims(minutes=24 * 60)
    assert fates(orders_by_csv.run(ORDERS, window=LATER)) == {"extracted": 1, "delivered": 1}
    imports(odp)
    assert sorted(events_in(odp)) == [("1001", "purchase"), ("1002", "purchase")]


def test_events_of_a_file_that_odp_took_although_its_answer_was_lost_are_found_in_odp(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any, bucket: OdpImportBucket
) -> None:
    shop.place("1001")
    lost = _Trouble(bucket, stored=True, taken=True, error=BucketUnknownOutcomeError)
    assert fates(replace(orders_by_csv, bucket=lost).run(ORDERS)) == {"extracted": 1, "uncertain": 1}
    imports(odp)
    orders_by_csv.age_claims()
    assert fates(orders_by_csv.run(ORDERS, window=LATER)) == {"extracted": 1, "unchanged": 1}
    assert events_in(odp) == [("1001", "purchase")]


def test_a_refused_upload_gives_its_claims_up_and_a_retry_sends_the_same_file(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any, bucket: OdpImportBucket
) -> None:
    shop.place("1001", "1002")
    refusing = _Trouble(bucket, stored=False, error=BucketError)
    run = replace(orders_by_csv, bucket=refusing).start(ORDERS)
    run.extract()
    run.transform()
    with pytest.raises(BucketError):
        run.load()
    assert orders_by_csv.claims() == {}
    run.load()
    run.reconcile()
    assert fates(run) == {"extracted": 2, "delivered": 2}
    assert len(refusing.names) == 2
    assert len(set(refusing.names)) == 1
    imports(odp)
    assert len(events_in(odp)) == 2


@pytest.mark.parametrize("uploaded", [True, False])
def test_a_load_killed_around_its_upload_sends_no_event_twice(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any, uploaded: bool
) -> None:
    shop.place("1001", "1002")
    run = orders_by_csv.start(ORDERS)
    run.extract()
    run.transform()
    if uploaded:
        run.load()  # as far as the upload: the ledger has lost what came after it
        orders_by_csv.query("UPDATE event_delivery SET state = 'claimed', delivered_at = NULL")
        orders_by_csv.query("TRUNCATE record_state, run_part")
    else:
        _claim(run)
    run.load()
    run.reconcile()
    assert fates(run) == {"extracted": 2, "delivered" if uploaded else "uncertain": 2}
    orders_by_csv.age_claims(minutes=25 * 60)
    later = orders_by_csv.run(ORDERS, window=LATER)
    assert fates(later) == ({} if uploaded else {"extracted": 2, "delivered": 2})
    imports(odp)
    assert sorted(events_in(odp)) == [("1001", "purchase"), ("1002", "purchase")]


def _claim(run: Run) -> None:
    """Claim the events of a run's files, as load does before it uploads."""
    from odp.core.staging import read_frames

    with run.ledger() as ledger:
        for upload in run.transformed[0]["uploads"]:
            with run.staging.read(upload["states"]) as file:
                for block in read_frames(file):
                    assert EventClaims(ledger).claim_all(block, len(ItemState.read(block)), run.run_id, 0)


def test_events_that_another_run_has_claimed_are_left_out_of_the_file(
    shop: Shop, orders_by_csv: Pipeline, odp: Any, imports: Any
) -> None:
    shop.place("1001", "1002", "1003")
    first = orders_by_csv.start(ORDERS)
    first.extract()
    first.transform()
    with first.ledger() as ledger:
        EventClaims(ledger).claim([("1002", "purchase", "0" * 32)], "other", 0)
    first.load()
    first.reconcile()
    assert fates(first) == {"extracted": 3, "delivered": 2, "uncertain": 1}
    imports(odp)
    assert sorted(events_in(odp)) == [("1001", "purchase"), ("1003", "purchase")]


def test_records_are_confirmed_when_all_of_their_files_are_there(
    by_csv: Pipeline, odp: Any, imports: Any, bucket: OdpImportBucket
) -> None:
    failing = _Trouble(bucket, stored=False, error=BucketUnknownOutcomeError)
    run = replace(by_csv, bucket=failing).start(WAREHOUSES)
    run.extract()
    run.transform()
    with pytest.raises(BucketError):
        run.load()
    assert by_csv.query("SELECT count(*) FROM record_state") == [(1,)]  # one has a line break, which goes by REST
    run.load()
    uploaded = list(failing.names)
    run.load()  # cleared by hand
    assert failing.names == uploaded
    run.reconcile()
    assert fates(run) == {"extracted": 12, "delivered": 12}
    assert len(set(failing.names)) == sum(map(is_file, run.transformed[0]["uploads"]))
    imports(odp)
    assert len(odp.dump("objects/warehouses")) == 12


def test_a_run_that_is_cleared_and_read_anew_uploads_what_has_changed_since(
    by_csv: Pipeline, changing: Pipeline, odp: Any, imports: Any
) -> None:
    pipeline = replace(by_csv, replica=changing.replica)
    run = pipeline.run(WAREHOUSES)
    imports(odp)
    pipeline.change("UPDATE Warehouse SET Name = 'renamed' WHERE Id = (SELECT min(Id::text)::uuid FROM Warehouse)")
    run.all()
    imports(odp)
    assert [row["name"] for row in odp.dump("objects/warehouses")].count("renamed") == 1


@pytest.mark.parametrize("missing", ["omit", "null"])
@pytest.mark.parametrize("export", [WAREHOUSES, ORDERS], ids=lambda export: export.dag_id)
def test_custom_properties_are_the_same_as_by_rest(
    by_csv: Pipeline, changing: Pipeline, odp: Any, other_odp: SandboxOdp, imports: Any, export: Export, missing: str
) -> None:
    changing.change("TRUNCATE CustomProperty")
    table = export.tables[0]
    changing.change(
        "INSERT INTO CustomProperty (Id, ParentId, ParentTable, Name, Value, ModifiedOn)"
        f" SELECT gen_random_uuid(), Id, '{table}', 'Dock, count', '7', now() FROM {table} WHERE Id::text < '8'"
    )
    custom = {"custom": {"properties": "*", "missing": missing}}
    settings = Settings(
        csv=by_csv.settings.csv,
        visibility_delay_minutes=0,
        exports={export.dag_id: {**custom, "transport": "csv"}},  # type: ignore[arg-type, dict-item]
    )
    rest = replace(changing, settings=settings, url=other_odp.url, key=other_odp.key, root=changing.root / "rest", bucket=None)
    kind, (key,) = f"objects/{export.contract.object_name}", export.contract.key

    def held() -> list[list[tuple[str, Any]]]:
        accounts = (odp, other_odp)
        return [sorted((row[key], row.get("dock_count")) for row in account.dump(kind)) for account in accounts]

    both = (rest, replace(by_csv, replica=changing.replica, settings=settings))
    for pipeline in both:
        pipeline.run(export)
    imports(odp)
    assert held()[0] == held()[1]
    assert {value for _, value in held()[0]} == {"7", None}

    if export is WAREHOUSES:
        before = [value for _, value in held()[0]].count("7")
        gone = changing.change(
            "DELETE FROM CustomProperty WHERE ParentId <> (SELECT min(ParentId::text)::uuid FROM CustomProperty)"
        )
        assert gone
        for pipeline in both:
            pipeline.run(export, resend=True)
        imports(odp)
        assert held()[0] == held()[1]
        assert [value for _, value in held()[0]].count("7") == (before if missing == "omit" else before - gone)


def test_a_dry_run_uploads_nothing(by_csv: Pipeline, s3: S3Server, tmp_path: Path) -> None:
    assert fates(by_csv.run(WAREHOUSES, dry_run=True)) == {"extracted": 12, "not_sent": 12}
    assert files(s3, tmp_path) == {}


def test_an_empty_window_makes_no_file(by_csv: Pipeline, s3: S3Server, tmp_path: Path) -> None:
    assert fates(by_csv.run(WAREHOUSES, window=Window(LATER.start.replace(year=9000), None))) == {}  # type: ignore[union-attr]
    assert files(s3, tmp_path) == {}
