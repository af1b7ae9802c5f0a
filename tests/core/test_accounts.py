"""Several accounts: settings, what went wrong with which, and what all of them come to."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

from odp.core.accounts import (
    account_connections,
    combined,
    failures,
    judge,
    refuse_same_account,
    refuse_several,
    settings_of_account,
    totals,
)
from odp.core.exceptions import AccountsError, SettingsError
from odp.core.preflight_routes import check_routes
from odp.core.run_history import COUNTS, EndedRun
from odp.core.settings import Settings, read_settings
from sandbox.world import PROJECT
from tests.core.extraction import insert

ROUTES = {"Main": "odp_main", "Outlet": "odp_outlet", "Outlet FR": "odp_outlet"}
SETTINGS = Settings(accounts=ROUTES)


def test_each_account_has_its_websites() -> None:
    assert account_connections(SETTINGS) == ("odp_main", "odp_outlet")
    assert settings_of_account(SETTINGS, "odp_outlet").websites == ("Outlet", "Outlet FR")
    assert account_connections(settings_of_account(SETTINGS, "odp_main")) == ("odp_main", "odp_outlet")
    assert account_connections(Settings()) == ()
    with pytest.raises(SettingsError, match="staged for the account odp_old"):
        settings_of_account(SETTINGS, "odp_old")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"websites": ["Main"]}, "'websites' is for one account"),
        ({"order_history": True}, "'order_history' is for one account"),
        (
            {"csv": {"bucket": "b", "tracker_id": "t"}, "exports": {"product_odp_export": {"transport": "csv"}}},
            "the transport csv of product_odp_export is for one account",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(other: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings({"accounts": ROUTES, **other})
    read_settings(other)


def test_what_works_for_one_account_says_so() -> None:
    refuse_several(Settings(), "odp_realtime")
    with pytest.raises(SettingsError, match="odp_realtime works for one ODP account only"):
        refuse_several(SETTINGS, "odp_realtime")


def test_two_connections_to_one_account_are_named() -> None:
    names = {"odp_main": "api/1"}
    refuse_same_account(names, "odp_outlet", "api/2")
    refuse_same_account(names, "odp_main", "api/1")
    with pytest.raises(SettingsError, match="odp_main and odp_outlet lead to the same"):
        refuse_same_account(names, "odp_outlet", "api/1")


def test_the_first_reason_of_each_account_fails_the_run() -> None:
    loaded = [
        {"part": 0, "account": "b", "delivered": 1},
        {"part": 0, "account": "c", "failed": "load: 403"},
        {"part": 1, "account": "c", "failed": "load: later"},
    ]
    found = failures({"failed": {"a": "extract: no key"}}, loaded)

    assert found == {"a": "extract: no key", "c": "load: 403"}
    with pytest.raises(AccountsError, match="for a, c; the other accounts got their rows") as caught:
        judge(found)
    assert "  a: extract: no key\n  c: load: 403\n" in str(caught.value)
    judge({})


def test_counts_add_up() -> None:
    ones = {"export": "e", "window": ["a", "b"], **dict.fromkeys(COUNTS, 1)}
    twos = {**ones, **dict.fromkeys(COUNTS, 2)}
    assert totals({"a": ones, "b": twos}) == {**ones, **dict.fromkeys(COUNTS, 3), "accounts": {"a": ones, "b": twos}}

    runs = [EndedRun(("a", "b"), dict.fromkeys(COUNTS, n), n == 1, None if n == 1 else "load: x", []) for n in (1, 2)]
    both = combined(runs)
    assert both
    assert (both.counts["delivered"], both.is_counted, both.error) == (3, False, "load: x")
    assert combined([]) is None


@pytest.mark.parametrize(("accounts", "verdict"), [(ROUTES, "warning"), ({**ROUTES, "Third": "odp_main"}, "ok")])
def test_the_preflight_names_websites_without_an_account(empty_replica: str, accounts: dict[str, str], verdict: str) -> None:
    insert(empty_replica, "Website", 2, Name="CASE n WHEN 1 THEN 'main ' ELSE 'Third' END", Key="n")
    with psycopg.connect(empty_replica) as connection:
        limits, routes = check_routes(connection, Settings(accounts=accounts))
    assert (limits.verdict, routes.verdict) == ("warning", verdict)
    assert ("does not name Third:" in routes.cause) is (verdict == "warning")


def test_the_examples_of_the_page_are_right() -> None:
    page = (PROJECT / "docs" / "accounts-and-websites.md").read_text()
    examples = [json.loads(line) for line in re.findall(r"^    (\{.+\})$", page, re.M)]
    assert [next(iter(example)) for example in examples] == ["websites", "accounts", "convert_currency", "order_history"]
    for example in examples:
        read_settings(example)
