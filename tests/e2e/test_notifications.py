"""What people are told about runs, by mail to a real SMTP server and by a notifier of another class."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from airflow.sdk import BaseNotifier
from psycopg.rows import dict_row

from sandbox.odp.server import SandboxOdp
from sandbox.world import World
from tests.e2e.conftest import Configure, RunExport
from tests.mailbox import SENDER, Mailbox, body_of
from tests.sql.replica import Replica

WAREHOUSES, PROFILES = "warehouse_odp_export", "user_profile_odp_export"
FAILURES, SUCCESSES, REJECTS, ALL = (f"{name}@example.com" for name in ("failures", "successes", "rejects", "all"))
NOTIFY = [
    {"condition": "failure", "to": FAILURES},
    {"condition": "success", "to": SUCCESSES},
    {"condition": "rejects", "to": REJECTS},
    {"condition": "always", "to": [ALL, "second@example.com"]},
    {"condition": "deadline", "to": "deadlines@example.com"},
    # Wants the same twice, and gets it once.
    {"condition": "failure", "to": [ALL, "second@example.com"]},
]


class Recorder(BaseNotifier):
    """A notifier as any provider has one: some argument that is a template, under a name of its own."""

    template_fields = ("words",)
    heard: list[str] = []

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def notify(self, context: Any) -> None:
        self.heard.append(self.words)


@pytest.fixture
def mailbox(account: SandboxOdp, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server, and settings by which everybody is told something."""
    with Mailbox() as server:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", server.connection)
        configure(notify=NOTIFY)
        yield server


def receivers(mailbox: Mailbox) -> dict[str, str]:
    """Return the subjects by receiver; nobody got two messages."""
    found = {message["To"]: message["Subject"] for message in mailbox.messages}
    assert len(found) == len(mailbox.messages)
    return found


def test_success_is_told_to_those_who_want_it(run_export: RunExport, mailbox: Mailbox) -> None:
    run = run_export(WAREHOUSES)
    assert run.state == "success"
    subject = "ODP Warehouse Export succeeded"
    assert receivers(mailbox) == {SUCCESSES: subject, f"{ALL}, second@example.com": subject}
    message = mailbox.messages[0]
    assert message["From"] == SENDER
    body = body_of(message)
    assert "12 extracted: 12 delivered, 0 unchanged, 0 skipped, 0 rejected, 0 uncertain, 0 not sent" in body
    assert "the beginning" in body
    assert f"/dags/{WAREHOUSES}/runs/{run.run.run_id.replace(':', '%3A').replace('+', '%2B')}" in body


def test_a_failure_in_any_stage_is_told_once(run_export: RunExport, mailbox: Mailbox, account: SandboxOdp) -> None:
    subject = "ODP Warehouse Export failed"
    # In extract, before anything was read.
    assert run_export(WAREHOUSES, LookBackDays=1, StartDate="2026-11-01").state == "failed"
    assert receivers(mailbox) == {FAILURES: subject, f"{ALL}, second@example.com": subject}
    assert "<td>Failed task</td><td>extract</td>" in body_of(mailbox.messages[0])
    # In load, when ODP refuses the key.
    mailbox.messages.clear()
    account.faults(path="/v3/objects/warehouses", status=403, count=100)
    assert run_export(WAREHOUSES).state == "failed"
    assert receivers(mailbox) == {FAILURES: subject, f"{ALL}, second@example.com": subject}
    body = html.unescape(body_of(mailbox.messages[0]))
    assert "<td>Failed task</td><td>load</td>" in body
    assert "OdpForbiddenError: ODP answered 403: the key, its usage plan, the region or the path is wrong." in body
    assert "extracted" not in body  # nobody has counted


def test_rejects_are_told_without_personal_data(
    run_export: RunExport, mailbox: Mailbox, account: SandboxOdp, empty_replica: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", empty_replica)
    ids = {}
    with psycopg.connect(empty_replica, row_factory=dict_row) as connection:
        for address in ("ana@example.com", "Bo Berg (no address)", "cy@example.com"):
            ids[address] = Replica(connection).add("UserProfile", Email=address, IsGuest=False, UserName=address)
    assert run_export(PROFILES, DryRun=True).state == "failed"
    assert {"ODP User Profile Export failed, 1 rows rejected (dry run)"} == set(receivers(mailbox).values())
    mailbox.messages.clear()
    words = "cy@example.com is not welcome"
    refusal = {"title": "Bad Request", "status": 400, "detail": {"invalids": [{"event": 1, "message": words}]}}
    account.faults(path="/v3/profiles", status=400, body=refusal)
    assert run_export(PROFILES).state == "failed"
    subject = "ODP User Profile Export failed, 2 rows rejected"
    assert receivers(mailbox) == {FAILURES: subject, REJECTS: subject, f"{ALL}, second@example.com": subject}
    body = body_of(mailbox.messages[0])
    assert "TooManyRejectsError" in body
    assert f"{ids['Bo Berg (no address)']}: email must be an e-mail address" in body
    refused = ": refused by ODP, whose words are in the log"
    assert sum(f"{ids[address]}{refused}" in body for address in ("ana@example.com", "cy@example.com")) == 1
    raw = "".join(str(message) for message in mailbox.messages) + body
    for personal in ("ana@", "Bo Berg", "cy@", "welcome", account.key.rpartition(".")[2]):
        assert personal not in raw


def test_few_enough_rejects_are_told_as_a_success_with_rejects(
    run_export: RunExport, mailbox: Mailbox, account: SandboxOdp, configure: Configure
) -> None:
    configure(notify=NOTIFY, max_reject_ratio=0.5)
    account.faults(path="/v3/objects/warehouses", status=400, body={"detail": {"invalids": [{"event": 0, "message": "no"}]}})
    assert run_export(WAREHOUSES).state == "success"
    assert set(receivers(mailbox)) == {SUCCESSES, REJECTS, f"{ALL}, second@example.com"}


def test_a_notifier_that_fails_changes_nothing_and_stops_no_other(
    run_export: RunExport,
    mailbox: Mailbox,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    Recorder.heard.clear()
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", json.dumps({**json.loads(mailbox.connection), "port": 9}))
    other = {"condition": "success", "notifier": f"{__name__}.Recorder"}
    configure(
        notify=[
            {"condition": "success", "to": SUCCESSES, "connection": "nowhere"},
            {**other, "notifier": "no.such.Class"},
            {**other, "arguments": {"words": "{{ dag_run.dag_id }} {{ odp.text }}"}},
            {"condition": "success", "to": ALL},
        ]
    )
    assert run_export(WAREHOUSES).state == "success"
    assert [text.partition("\n")[0] for text in Recorder.heard] == [f"{WAREHOUSES} ODP Warehouse Export succeeded."]
    assert set(receivers(mailbox)) == {ALL}
    logged = capfd.readouterr().out
    assert "The notifier email could not tell: ODP Warehouse Export succeeded" in logged
    assert "The notifier no.such.Class could not tell: ODP Warehouse Export succeeded" in logged


def test_an_export_may_have_receivers_of_its_own(run_export: RunExport, mailbox: Mailbox, configure: Configure) -> None:
    own = [{"condition": "success", "to": "warehouses@example.com"}]
    configure(notify=NOTIFY, exports={WAREHOUSES: {"notify": own}})
    assert run_export(WAREHOUSES).state == "success"
    assert set(receivers(mailbox)) == {"warehouses@example.com"}


def test_wrong_settings_and_a_ledger_that_is_away_are_logged(
    airflow_db: World, mailbox: Mailbox, configure: Configure, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from odp.notifier import OdpNotifier
    from tests.e2e.runs import load_dag

    context: Any = {"dag": load_dag(WAREHOUSES), "run_id": "manual__1", "reason": "task_failure"}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", "postgresql://nobody@127.0.0.1:9/nothing")
    OdpNotifier("failure")(context)
    assert set(receivers(mailbox)) == {FAILURES, f"{ALL}, second@example.com"}
    assert "The message has no counts, because the ledger could not be asked" in capfd.readouterr().out
    configure(notify=[{"condition": "failure"}])
    OdpNotifier("failure")(context)
    logged = capfd.readouterr().out
    assert "Nobody could be told of this failure" in logged
    assert "an e-mail needs at least one address in 'to'" in logged
