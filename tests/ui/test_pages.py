"""What the pages show."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json

from odp.core.exports import EXPORTS, OPTIONAL_EXPORTS
from odp.ui.overview import BUSY_SECONDS, IDLE_SECONDS
from tests.core.history import add_reject

ORDERS = "order_odp_export"
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def words(html: str) -> str:
    """Return what is to be read on a page, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).strip()


def row_of(html: str, dag_id: str) -> str:
    return html.partition(f'id="row-{dag_id}"')[2].partition("</tbody>")[0]


def daily(history: Callable[..., None], days: range, **columns: Any) -> None:
    """Write daily runs down, each for the day so many days ago."""
    for ago in days:
        start = TODAY - timedelta(days=ago)
        times = {"window_start": start, "window_end": start + timedelta(days=1), "started_at": start + timedelta(days=1)}
        history(f"run {ago}", began=0, **{**times, "finished_at": start + timedelta(days=1, minutes=1), **columns})


class TestOverview:
    def test_one_row_for_each_export(self, admin: Any, ledger: Any) -> None:
        page = admin.get("/odp/").text
        for export in EXPORTS:
            row = words(row_of(page, export.dag_id))
            assert export.title in row
            assert "Never run" in row
            assert "Nothing exported yet" in row
        assert f'every {IDLE_SECONDS}s"' in page

    def test_counts_window_rate_and_duration_of_the_last_run(self, admin: Any, history: Callable[..., None]) -> None:
        counts = {"extracted": 12_345, "delivered": 12_000, "unchanged": 300, "skipped": 40, "rejected": 3, "uncertain": 2}
        history("run", began=0, took=60, window_start="2026-11-20", window_end="2026-11-21", **counts)
        row = words(row_of(admin.get("/odp/").text, ORDERS))
        assert "Success 2026-11-24 00:00 20 Nov 2026 12 345 12 000 300 40 3 2 206/s 1 min" in row

    def test_a_failed_run_and_one_that_was_restricted(self, admin: Any, history: Callable[..., None]) -> None:
        history("run", began=0, state="failed", ids=1, dry_run=True, window_start="-infinity", window_end="infinity")
        row = words(row_of(admin.get("/odp/").text, ORDERS))
        assert "Failed" in row
        assert "everything dry run 1 entity" in row

    def test_a_failed_run_says_why_in_a_line(self, admin: Any, history: Callable[..., None]) -> None:
        error = "7 of 9 rows were rejected; the other rows were dealt with. The first:\n  W1: odd\nMend them."
        history("run", began=0, state="failed", error=error)
        row = words(row_of(admin.get("/odp/").text, ORDERS))
        assert "7 of 9 rows were rejected; the other rows were dealt with." in row
        assert "The first" not in row
        assert "W1" not in row

    def test_an_optional_export_has_a_row_once_it_is_switched_on(self, admin: Any, history: Callable[..., None]) -> None:
        (optional,) = OPTIONAL_EXPORTS
        assert f"row-{optional.dag_id}" not in admin.get("/odp/").text
        history("run", began=0, export=optional.dag_id, extracted=77)
        assert "77" in words(row_of(admin.get("/odp/").text, optional.dag_id))
        assert "Days of the events" in words(admin.get(f"/odp/exports/{optional.dag_id}").text)

    def test_real_time_does_not_hide_the_daily_run(self, admin: Any, history: Callable[..., None]) -> None:
        now = datetime.now(timezone.utc)
        history("daily", began=0, extracted=4711)
        history("odp_realtime/one", began=0, extracted=2, ids=2, state="failed", started_at=now)
        row = row_of(admin.get("/odp/").text, ORDERS)
        assert "4 711" in words(row)
        assert f"Real time {now:%Y-%m-%d %H:%M} failed" in words(row)
        assert 'href="/dags/odp_realtime/runs/one"' in row
        page = admin.get(f"/odp/exports/{ORDERS}").text
        assert f"Real time {now:%Y-%m-%d %H:%M} failed" in words(page)
        assert page.count('data-label="State"') == 1

    def test_gaps_lead_to_a_form_that_fills_them(self, admin: Any, history: Callable[..., None]) -> None:
        daily(history, range(1, 4))
        daily(history, range(6, 9))
        row = row_of(admin.get("/odp/").text, ORDERS)
        first, last = TODAY - timedelta(days=5), TODAY - timedelta(days=3)
        assert "1 gap:" in words(row)
        assert row.count('class="cell gap"') == 2
        assert row.count('class="cell delivered"') == 6
        link = f"/odp/exports/{ORDERS}/run?StartDate={first:%Y-%m-%d}T00%3A00&EndDate={last:%Y-%m-%d}T00%3A00&by_day=true"
        assert unescape(row).count(link) == 3  # both days and the words

    def test_open_rejects(self, admin: Any, history: Callable[..., None], ledger: psycopg.Connection[Any], account: str) -> None:
        for number in range(3):
            add_reject(ledger, f"e-{number}", account=account)
        assert "3 open rejects" in words(row_of(admin.get("/odp/").text, ORDERS))

    def test_when_the_next_run_is_due(self, admin: Any, ledger: Any) -> None:
        from airflow import settings
        from airflow.models.dag import DagModel

        session = settings.Session()
        dag = session.get(DagModel, ORDERS)
        dag.is_paused = True
        session.commit()
        assert "Paused" in words(row_of(admin.get("/odp/").text, ORDERS))
        dag.is_paused, dag.next_dagrun_create_after = False, datetime(2027, 1, 2, tzinfo=timezone.utc)
        session.commit()
        assert "2027-01-02 00:00" in words(row_of(admin.get("/odp/").text, ORDERS))

    def test_another_account_can_be_chosen(self, admin: Any, history: Callable[..., None]) -> None:
        history("mine", began=0, extracted=111)
        history("other", began=1, extracted=222, account="api.eu1.odp.optimizely.com/abc")
        assert "111" in row_of(admin.get("/odp/").text, ORDERS)
        page = admin.get("/odp/?account=api.eu1.odp.optimizely.com/abc").text
        assert "222" in row_of(page, ORDERS)
        # The choice stays on the way through the pages, and an unknown one is none.
        assert f"/odp/exports/{ORDERS}?account=api.eu1.odp.optimizely.com%2Fabc" in unescape(page)
        assert "111" in row_of(admin.get("/odp/?account=nobody").text, ORDERS)


class TestProgress:
    @pytest.fixture
    def running(self, history: Callable[..., None], ledger: psycopg.Connection[Any], account: str) -> str:
        """A run that Airflow and the ledger believe running."""
        from airflow import settings
        from airflow.models.dagrun import DagRun
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        session = settings.Session()
        run_id = "manual__progress"
        session.query(DagRun).where(DagRun.run_id == run_id).delete()
        times = {"queued_at": TODAY, "start_date": TODAY, "run_after": TODAY}
        run = DagRun(dag_id=ORDERS, run_id=run_id, run_type=DagRunType.MANUAL, state="running", **times)
        run.triggered_by = DagRunTriggeredByType.TEST
        session.add(run)
        session.commit()
        began = datetime.now(timezone.utc) - timedelta(seconds=1_000)
        history(run_id, began=0, took=None, extracted=50_000, started_at=began, window_start="-infinity", window_end="infinity")
        ledger.execute("INSERT INTO run_part VALUES (%s, %s, %s, 0, 20000, 50000, 10000)", (account, ORDERS, run_id))
        return run_id

    def test_sent_of_extracted_rate_and_time_left(self, admin: Any, running: str) -> None:
        for path in ("/odp/rows", f"/odp/exports/{ORDERS}/live"):
            page = admin.get(path).text
            assert re.search(r"20 000 sent of 50 000 10 000 not to be sent (20|19)/s 1[67] min \d+ s left", words(page)), words(
                page
            )
            assert 'max="50000" value="30000"' in page
            assert f'every {BUSY_SECONDS}s"' in page

    def test_the_rate_is_measured_from_the_sample_that_the_page_sends_back(
        self, admin: Any, running: str, ledger: psycopg.Connection[Any]
    ) -> None:
        page = admin.get(f"/odp/exports/{ORDERS}/live").text
        (sample,) = re.findall(r'name="sample" value="([^"]*)"', page)
        at, delivered, run_id = sample.split(" ", 2)
        assert (delivered, run_id) == ("20000", running)
        earlier = f"{float(at) - 1_000} 15000 {running}"
        again = words(admin.get(f"/odp/exports/{ORDERS}/live", params={"sample": earlier}).text)
        assert re.search(r"not to be sent (5\.0|4\.\d)/s 1 h \d+ min left", again), again

    def test_a_run_whose_worker_died_without_a_word_is_not_running(self, admin: Any, running: str) -> None:
        from airflow import settings
        from airflow.models.dagrun import DagRun

        session = settings.Session()
        session.query(DagRun).where(DagRun.run_id == running).update({"state": "failed"})
        session.commit()
        page = words(admin.get(f"/odp/exports/{ORDERS}/live").text)
        assert "Failed" in page
        assert "ended without a word" in page
        assert "sent of" not in page


class TestExport:
    def test_a_calendar_of_whole_weeks(self, admin: Any, history: Callable[..., None]) -> None:
        daily(history, range(1, 30))
        page = admin.get(f"/odp/exports/{ORDERS}").text
        calendar = page.partition('<table class="calendar">')[2].partition("</table>")[0]
        assert calendar.count('class="cell ') == 53 * 7
        assert calendar.count('class="cell delivered"') == 29
        assert "Later" not in words(page)

    def test_earlier_years(self, admin: Any, history: Callable[..., None]) -> None:
        daily(history, range(1, 30))
        page = admin.get(f"/odp/exports/{ORDERS}?until={TODAY - timedelta(days=500):%Y-%m-%d}").text
        assert 'class="cell delivered"' not in page.partition('class="legend"')[0]
        assert "Later" in words(page)
        assert f"until={TODAY - timedelta(days=500):%Y-%m-%d}" in page  # what is asked for while the page is open

    def test_the_latest_runs_lead_to_airflow(self, admin: Any, history: Callable[..., None]) -> None:
        history("manual__2026-11-24T08:00:00+00:00", began=0, extracted=5, error="why it failed\nand more", state="failed")
        page = admin.get(f"/odp/exports/{ORDERS}").text
        assert f'data-top href="/dags/{ORDERS}/runs/manual__2026-11-24T08%3A00%3A00%2B00%3A00"' in page
        assert "why it failed and more" in words(page)

    @pytest.mark.parametrize(
        ("result", "verdict"),
        [
            ({"missing": 0, "changed": 0}, "no difference"),
            ({"missing": 1_000, "changed": 2}, "1 002 missing or changed"),
            ({"missing": 5, "changed": 0, "remaining": 0}, "no difference"),
        ],
    )
    def test_the_latest_comparison_with_commerce(
        self, admin: Any, ledger: psycopg.Connection[Any], account: str, result: dict[str, int], verdict: str
    ) -> None:
        ledger.execute(
            "INSERT INTO consistency_check VALUES (%s, %s, 'odp_consistency/scheduled__1', '2026-11-22 06:00Z', %s)",
            (account, ORDERS, Json(result)),
        )
        page = admin.get(f"/odp/exports/{ORDERS}").text
        assert f"Compared with Commerce 2026-11-22 06:00 {verdict}" in words(page)
        assert 'href="/dags/odp_consistency/runs/scheduled__1"' in page

    def test_rejects_by_reason(self, admin: Any, ledger: psycopg.Connection[Any], account: str) -> None:
        for number in range(4):
            add_reject(ledger, f"e-{number}", account=account, reason=f"items.{number}.price must be a finite number")
        page = admin.get(f"/odp/exports/{ORDERS}").text
        assert "items.N.price must be a finite number 4" in words(page)
        assert "Search all 4" in words(page)

    @pytest.mark.parametrize(("days", "period", "starts"), [(30, "day", 29), (365, "week", 5), (1830, "month", 1)])
    def test_the_numbers_of_the_charts(
        self, admin: Any, history: Callable[..., None], days: int, period: str, starts: int
    ) -> None:
        daily(history, range(1, 30), delivered=10, extracted=12, skipped=2)
        numbers = admin.get(f"/odp/exports/{ORDERS}/history?days={days}").json()
        assert numbers["period"] == period
        assert len(numbers["rows"]) >= starts
        assert sum(row["delivered"] for row in numbers["rows"]) == 290
        assert [run["seconds"] for run in numbers["runs"]] == [60] * 29


class TestRejects:
    @pytest.fixture
    def rejects(self, ledger: psycopg.Connection[Any], account: str) -> None:
        """120 rejects of two reasons, and one that went through since."""
        for number in range(120):
            reason = "price must be a finite number" if number % 3 else "ODP answered 400: <b>odd</b>"
            add_reject(ledger, f"e-{number}", account=account, record_key=f"W{number:04}", reason=reason)
        add_reject(ledger, "done", account=account, record_key="W9999", closed_at=TODAY)

    def test_groups_and_pages(self, admin: Any, rejects: None) -> None:
        page = admin.get(f"/odp/exports/{ORDERS}/rejects").text
        assert "All open 120 price must be a finite number 80 ODP answered 400: <b>odd</b> 40" in words(page)
        assert "&lt;b&gt;odd&lt;/b&gt;" in page
        assert page.count('name="Ids"') == 50
        last = admin.get(f"/odp/exports/{ORDERS}/rejects?page=2").text
        assert last.count('name="Ids"') == 20
        assert "W9999" not in page + last

    def test_a_search_brings_the_list_alone(self, admin: Any, rejects: None) -> None:
        part = admin.get(f"/odp/exports/{ORDERS}/rejects?q=w0007", headers={"HX-Request": "true"}).text
        assert "<html" not in part
        assert re.findall(r">(W\d+)<", part) == ["W0007"]

    def test_by_reason_and_those_that_went_through(self, admin: Any, rejects: None) -> None:
        page = admin.get(f"/odp/exports/{ORDERS}/rejects", params={"reason": "ODP answered 400: <b>odd</b>"}).text
        assert page.count('name="Ids"') == 40
        closed = admin.get(f"/odp/exports/{ORDERS}/rejects?closed=true").text
        assert re.findall(r">(W\d+)<", closed) == ["W9999"]

    def test_one_with_its_payload(self, admin: Any, ledger: psycopg.Connection[Any], account: str) -> None:
        number = add_reject(
            ledger, "a-guid", account=account, record_key="W0001", payload={"order_id": "W0001", "note": "</pre><script>"}
        )
        page = admin.get(f"/odp/exports/{ORDERS}/rejects/{number}").text
        assert '"order_id": "W0001"' in unescape(page)
        assert "<script>" not in page.partition("<main")[2]
        assert '<input type="hidden" name="Ids" value="a-guid">' in page
        assert admin.get(f"/odp/exports/{ORDERS}/rejects/{number + 1}").status_code == 404


class TestTrouble:
    @pytest.mark.parametrize("path", ["/odp/", "/odp/exports/order_odp_export"])
    def test_a_ledger_without_tables_says_how_to_create_it(
        self, admin: Any, database: str, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", database)
        answer = admin.get(path)
        assert answer.status_code == 503
        assert "python -m odp.create_ledger" in answer.text

    def test_a_server_that_is_down(self, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", "postgresql://someone:secret@127.0.0.1:1/ledger")
        answer = admin.get("/odp/")
        assert answer.status_code == 503
        assert "cannot be read" in answer.text
        assert "secret" not in answer.text
        assert "127.0.0.1" not in answer.text

    def test_a_connection_that_is_missing(self, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_ODP_LEDGER")
        answer = admin.get("/odp/")
        assert answer.status_code == 503
        assert "There is no connection odp_ledger" in answer.text

    def test_the_page_cannot_write_to_the_ledger(self, ledger: Any) -> None:
        from odp.ui.ledger_access import open_ledger

        opened = open_ledger(None, None)  # type: ignore[arg-type]  # the login is FastAPI's business
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            next(opened).connection.execute("DELETE FROM export_run")
        opened.close()

    def test_without_an_odp_account_the_last_one_is_shown(
        self, admin: Any, history: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        history("run", began=0, extracted=4711, account="somewhere/abc")
        for connection in ('{"conn_type": "odp"}', None):
            if connection:
                monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", connection)
            else:
                monkeypatch.delenv("AIRFLOW_CONN_ODP_DEFAULT")
            page = admin.get("/odp/").text
            assert "4\u202f711" in row_of(page, ORDERS)
            assert "somewhere/abc" in page
