"""The export of user events through Airflow, and its page."""

from __future__ import annotations

import json
import re
from typing import Any

from odp.core.commerce import TABLES
from odp.core.user_events import EVENT_KINDS
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT
from tests.e2e.conftest import Configure, RunExport

PAGE = (PROJECT / "docs" / "user-events.md").read_text()
DAG_ID = "user_event_odp_export"


def test_it_sends_nothing_before_a_setting_says_what(run_export: RunExport, account: SandboxOdp) -> None:
    run = run_export(DAG_ID)
    assert run.state == "failed"
    assert run.tries["extract"] == 1
    assert "user_events names no source" in run.history["error"]
    assert account.requests() == []


def test_registrations_up_to_a_day_go_out_once(
    run_export: RunExport, account: SandboxOdp, configure: Configure, source: Any
) -> None:
    configure(user_events=["register"], email_mode="non_unique", read_back_sample=20)
    (middle,) = source.execute("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY CreatedOn) AS day FROM UserProfile").fetchall()
    expected = source.execute(
        "SELECT Id::text AS id, floor(extract(epoch FROM CreatedOn))::bigint AS ts FROM UserProfile"
        " WHERE IsGuest IS NOT TRUE AND CreatedOn < %(day)s",
        middle,
    ).fetchall()
    assert expected

    first = run_export(DAG_ID, EndDate=middle["day"].isoformat())

    assert first.state == "success"
    assert first.window[1] == middle["day"].isoformat()
    assert first.summary["read_back"]["note"] == "ODP has no call that reads single user events."
    sent = sorted((event["identifiers"]["business_user_id"], event["data"]["ts"]) for event in account.dump("events"))
    assert sent == sorted((row["id"], row["ts"]) for row in expected)
    assert {(event["type"], event["action"]) for event in account.dump("events")} == {("account", "register")}

    again = run_export(DAG_ID, EndDate=middle["day"].isoformat())
    assert (again.summary["delivered"], again.summary["unchanged"]) == (0, len(expected))
    assert len(account.dump("events")) == len(expected)


def test_the_page_lists_the_table_and_the_columns() -> None:
    for kind in EVENT_KINDS:
        assert f"| {' | '.join([kind.type, kind.action, kind.sender, ', '.join(kind.needs)])} |".replace("|  |", "| |") in PAGE
    named = set(re.findall(r"`([A-Z]\w+)`", PAGE.partition("| Column |")[2].partition("More columns")[0]))
    assert named == {column.name for column in TABLES["StorefrontEvent"].columns}


def test_the_page_s_command_has_parameters_that_are_known() -> None:
    from odp.core.parameters import refuse_unknown_parameters
    from odp.core.window import read_time

    (conf,) = map(json.loads, re.findall(r"airflow dags trigger \S+ -c '(\{.+\})'", PAGE))
    refuse_unknown_parameters(conf)
    assert read_time("EndDate", conf["EndDate"]).year == 2026


def test_the_page_s_settings_and_schedules_are_valid() -> None:
    from odp.core.settings import read_settings
    from odp.schedules import Schedules

    settings, schedules = (json.loads(line) for line in re.findall(r"^    (\{.+\})$", PAGE, re.MULTILINE))
    assert read_settings(settings).user_events == ("register", "login", "storefront")
    assert Schedules.model_validate(schedules).timetable(DAG_ID, None) is not None
