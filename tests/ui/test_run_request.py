"""What the run form comes to."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from odp.core.exceptions import ParameterError
from odp.core.exports import ORDERS
from odp.ui.run_form import presets
from odp.ui.run_request import RunForm, RunRequest, read_form
from sandbox.world import PROJECT

NOW = datetime(2026, 11, 24, 8, tzinfo=timezone.utc)
RUNS = "api/v2/dags/order_odp_export/dagRuns"


def asked(**form: Any) -> RunRequest:
    return read_form(ORDERS, RunForm(**form), NOW)


@pytest.mark.parametrize(
    ("form", "conf", "sentence"),
    [
        ({}, {}, "One run for everything."),
        ({"LookBackDays": " 7 "}, {"LookBackDays": 7}, "One run for what was modified in the 7 days before it starts."),
        ({"LookBackDays": "1"}, {"LookBackDays": 1}, "One run for what was modified in the 24 hours before it starts."),
        (
            {"StartDate": "2026-11-01T00:00", "EndDate": "2026-11-08T12:30"},
            {"StartDate": "2026-11-01T00:00:00+00:00", "EndDate": "2026-11-08T12:30:00+00:00"},
            "One run for what was modified from 2026-11-01 00:00 until 2026-11-08 12:30 UTC.",
        ),
        (
            {"StartDate": "2026-11-01T00:00:00+01:00"},
            {"StartDate": "2026-11-01T00:00:00+01:00"},
            "One run for what was modified since 2026-10-31 23:00 UTC.",
        ),
        (
            {"EndDate": "2026-11-01T00:00Z"},
            {"EndDate": "2026-11-01T00:00:00+00:00"},
            "One run for what was modified before 2026-11-01 00:00 UTC.",
        ),
        (
            {"Ids": ["W1\r\n W2 \n\n", "W1"], "Resend": True},
            {"Ids": ["W1", "W2"], "Resend": True},
            "One run for 2 entities, whenever modified; unchanged records are sent as well.",
        ),
        ({"Ids": ["W1"]}, {"Ids": ["W1"]}, "One run for 1 entity, whenever modified."),
        (
            {"Ids": ["W1"], "LookBackDays": "3", "DryRun": True},
            {"Ids": ["W1"], "LookBackDays": 3, "DryRun": True},
            "One run for what was modified in the 3 days before it starts, if it is 1 given entity; nothing is sent.",
        ),
    ],
)
def test_one_run(form: dict[str, Any], conf: dict[str, Any], sentence: str) -> None:
    request = asked(**form)
    assert request.as_dict() == {
        "sentence": sentence,
        "requests": ({"method": "POST", "path": RUNS, "body": {"logical_date": None, "conf": conf}},),
    }


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2026-11-03T00:00", "2026-11-05T00:00", "3 Nov 2026 to 4 Nov 2026"),
        ("2026-11-03T00:00", "2026-11-04T00:00", "3 Nov 2026"),
        ("2026-11-03T06:00", "2026-11-04T06:00", "3 Nov 2026 to 4 Nov 2026"),
        ("2026-11-03T00:00+02:00", "2026-11-04T00:00Z", "2 Nov 2026 to 3 Nov 2026"),
    ],
)
def test_a_backfill(start: str, end: str, sentence: str) -> None:
    request = asked(StartDate=start, EndDate=end, by_day=True, Resend=True)
    assert request.sentence == f"Backfills {sentence}, one run a day; unchanged records are sent as well."
    (backfill,) = request.requests
    assert (backfill.method, backfill.path) == ("POST", "api/v2/backfills")
    dates = [datetime.fromisoformat(backfill.body.pop(name)) for name in ("from_date", "to_date")]
    assert backfill.body == {
        "dag_id": "order_odp_export",
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "dag_run_conf": {"Resend": True},
    }
    window = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end)]
    window = [time if time.tzinfo else time.replace(tzinfo=timezone.utc) for time in window]
    # A daily interval has a part of the window exactly if it begins in the range, whenever in the day intervals begin.
    for minute in range(0, 24 * 60, 7):
        begins = [NOW.replace(day=1, hour=0) + timedelta(days=number, minutes=minute) for number in range(8)]
        made = [time for time in begins if dates[0] <= time <= dates[1]]
        assert made == [time for time in begins if time < window[1] and time + timedelta(days=1) > window[0]]


def test_a_paused_dag_is_unpaused_before() -> None:
    first, second = asked(unpause=True).requests
    assert (first.method, first.path, first.body) == ("PATCH", "api/v2/dags/order_odp_export", {"is_paused": False})
    assert second.path == RUNS


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"LookBackDays": "3", "StartDate": "2026-11-01T00:00"}, "either LookBackDays or StartDate/EndDate"),
        ({"StartDate": "2026-11-08T00:00", "EndDate": "2026-11-01T00:00"}, "must be before EndDate"),
        ({"LookBackDays": "0"}, "1 or more"),
        ({"LookBackDays": "-1"}, "whole number of days"),
        ({"LookBackDays": "1.5"}, "whole number of days"),
        ({"StartDate": "yesterday"}, "not a date that can be read"),
        ({"by_day": True}, "Day by day takes a start date and an end date"),
        ({"by_day": True, "StartDate": "2026-11-01T00:00"}, "Day by day takes"),
        ({"by_day": True, "LookBackDays": "3"}, "Day by day takes"),
        ({"by_day": True, "StartDate": "2026-11-01T00:00", "EndDate": "2026-11-02T00:00", "Ids": ["1"]}, "Day by day takes"),
        ({"by_day": True, "StartDate": "2026-11-01T00:00", "EndDate": "2026-11-25T00:00"}, "not over"),
    ],
)
def test_a_bad_combination_is_refused_in_words(form: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        asked(**form)


@pytest.mark.parametrize("today", [NOW, datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2028, 3, 31, tzinfo=timezone.utc)])
def test_every_ready_made_form_is_a_good_one(today: datetime) -> None:
    forms = presets(today.date())
    assert len({name for name, _ in forms}) == len(forms)
    for _, values in forms:
        form = {name: value if name == "by_day" else str(value) for name, value in values.items()}
        read_form(ORDERS, RunForm(**form), today + timedelta(hours=8))


def test_the_form_is_filled_in_and_checked(admin: Any, ledger: Any) -> None:
    query = "StartDate=2026-11-01T00:00%2B01:00&LookBackDays=3&Ids=W1&Ids=W2&DryRun=true&by_day=true"
    page = admin.get(f"/odp/exports/order_odp_export/run?{query}").text
    assert 'type="datetime-local" value="2026-10-31T23:00"' in page
    assert 'value="3"' in page
    assert ">W1\nW2</textarea>" in page
    assert 'name="DryRun" value="true" checked' in page
    assert 'name="by_day" value="true" checked' in page
    assert "Give either LookBackDays or StartDate/EndDate, not both." in page


def test_the_preview_and_the_request(viewer: Any) -> None:
    export = "/odp/exports/order_odp_export/run"
    assert "One run for everything." in viewer.get(f"{export}/preview?LookBackDays=&StartDate=&EndDate=&Ids=").text
    assert "1 or more" in viewer.get(f"{export}/preview?LookBackDays=0").text
    bad = viewer.get(f"{export}/request?LookBackDays=0")
    assert (bad.status_code, "1 or more" in bad.json()["problem"]) == (422, True)
    good = viewer.get(f"{export}/request?LookBackDays=2&by_day=false").json()
    assert (good["root"], good["requests"][0]["body"]["conf"]) == ("/", {"LookBackDays": 2})


ADDRESSES = sorted(
    {found for page in (PROJECT / "docs").glob("*.md") for found in re.findall(r"/plugin/odp-exports(/\S+)", page.read_text())}
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_in_the_documentation_is_a_form_that_can_be_sent(admin: Any, ledger: Any, address: str) -> None:
    page = admin.get(address)
    assert page.status_code == 200
    preview = page.text.partition('id="preview"')[2].partition("</div>")[0]
    assert 'class="preview"' in preview, preview


def test_the_request_in_the_documentation_is_one_that_airflow_takes(admin: Any) -> None:
    (body,) = re.findall(r"```json\n(.+?)```", (PROJECT / "docs" / "parameters.md").read_text(), re.S)
    answer = admin.post(f"/{RUNS}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert admin.delete(f"/{RUNS}/{answer.json()['dag_run_id']}").status_code == 204
