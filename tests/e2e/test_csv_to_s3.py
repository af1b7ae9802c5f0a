"""Exports whose transport is csv, through Airflow: from the trigger to what ODP holds after its import; and their page."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from odp.core.settings import CsvImport, read_settings
from sandbox import csv_import
from sandbox.odp.server import SandboxOdp
from sandbox.s3 import S3Server
from sandbox.world import PROJECT
from tests.e2e.conftest import Configure, RunExport

PAGE = (PROJECT / "docs" / "csv-to-s3.md").read_text()
WAREHOUSES, ORDERS = "warehouse_odp_export", "order_odp_export"


@contextmanager
def importing(s3: S3Server, odp: SandboxOdp, tracker_id: str) -> Iterator[list[csv_import.Imported]]:
    """Let ODP import what comes into the bucket, a moment later; yields what it has imported."""
    done: list[csv_import.Imported] = []
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(0.5):
            if s3.keys(f"{tracker_id}/"):
                time.sleep(1)
                done.extend(csv_import.CsvImport(s3.client, s3.bucket, odp, tracker_id).run())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def by_csv(s3: S3Server, configure: Configure, tmp_path: Path) -> str:
    """Send warehouses and orders as CSV; return the tracker id."""
    configure(
        csv={"bucket": s3.bucket, "tracker_id": tmp_path.name, "follow_minutes": 1},
        exports={WAREHOUSES: {"transport": "csv"}, ORDERS: {"transport": "csv"}},
        read_back_sample=5,
    )
    return tmp_path.name


def test_the_import_is_followed_until_odp_shows_the_sample(
    run_export: RunExport, account: SandboxOdp, s3: S3Server, by_csv: str
) -> None:
    with importing(s3, account, by_csv) as imported:
        run = run_export(WAREHOUSES)
    assert run.state == "success"
    assert run.summary["delivered"] == run.summary["extracted"] == len(account.dump("objects/warehouses"))
    assert run.summary["read_back"] == {
        "checked": 5, "same": 5, "not_visible": 0, "different": 0, "examples": [], "note": "",
    }  # fmt: skip
    names = sorted(one.name.rpartition("/")[2] for one in imported)
    assert (run.summary["files"], sorted(run.summary["file_examples"])) == (len(names), names)
    assert all(name.startswith("zaius_warehouses_manual-") for name in names)
    assert not any(one.bad for one in imported)

    again = run_export(WAREHOUSES)
    assert (again.summary["delivered"], again.summary["files"]) == (0, 0)


def test_orders_go_out_once_whatever_the_transport(
    run_export: RunExport, account: SandboxOdp, s3: S3Server, by_csv: str, configure: Configure
) -> None:
    with importing(s3, account, by_csv):
        run = run_export(ORDERS)
    assert run.state == "success"
    assert run.summary["files"]
    delivered = run.summary["delivered"]
    configure()
    assert run_export(ORDERS).summary["delivered"] == 0
    events = [(event["data"]["order"]["order_id"], event["action"]) for event in account.dump("events")]
    assert len(events) == len(set(events)) >= delivered > 0


def test_a_dry_run_leaves_the_files_where_they_are(run_export: RunExport, account: SandboxOdp, s3: S3Server, by_csv: str) -> None:
    run = run_export(WAREHOUSES, DryRun=True)
    assert run.summary["not_sent"] == run.summary["extracted"]
    assert s3.keys(f"{by_csv}/") == []
    assert [path.name for path in run.staging.folder.iterdir() if path.name.startswith("records-00000-warehouses-")]
    assert account.requests(path="/v3/objects") == []


def test_the_page_s_settings_are_valid_and_all_are_explained() -> None:
    (example,) = re.findall(r"^    (\{.+\})$", PAGE, re.MULTILINE)
    settings = read_settings(json.loads(example))
    assert settings.csv is not None
    assert settings.for_export("product_odp_export").transport == "csv"
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(CsvImport.model_fields)


def test_the_page_names_the_prefixes_that_are_used() -> None:
    from odp.core.exports import EXPORTS

    for export in EXPORTS:
        assert f"`zaius_{export.contract.object_name}`" in PAGE


def test_nobody_forgets_the_requirements(configure: Configure, run_export: RunExport, account: Any) -> None:
    configure(exports={WAREHOUSES: {"transport": "csv"}})
    run = run_export(WAREHOUSES)
    assert run.state == "failed"
    assert account.requests() == []
