"""The prerequisite of unique e-mail addresses: counted as Optimizely asks, masked, and judged by ``email_mode``."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from odp.core.preflight_emails import check_emails, mask_email
from odp.core.preflight_report import Finding
from odp.core.settings import Settings
from tests.core.extraction import insert


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("jane.doe@example.com", "j***@e***.com"),
        ("j@e.com", "j***@e***.com"),
        ("jane@mail.example.co.uk", "j***@m***.uk"),
        ("jane@localhost", "j***@l***"),
        ('"a@b"@example.com', '"***@e***.com'),
        ("jané@exämple.com", "j***@e***.com"),
        ("no address", "n***"),
        ("@example.com", "@***"),
        ("jane@", "j***"),
        ("x", "x***"),
    ],
)
def test_masked(address: str, masked: str) -> None:
    assert mask_email(address) == masked


def check(dsn: str, **settings: Any) -> Finding:
    with psycopg.connect(dsn) as connection:
        (finding,) = check_emails(connection, Settings(**settings))
    return finding


def people(dsn: str, *emails: str, guests: bool = False) -> None:
    listed = ", ".join(f"'{email}'" for email in emails)
    insert(dsn, "UserProfile", len(emails), Email=f"(ARRAY[{listed}])[n]", IsGuest=str(guests))


def test_addresses_are_compared_trimmed_and_without_case_and_blank_ones_apart(empty_replica: str) -> None:
    people(empty_replica, "ana@example.com", " ANA@Example.com ", "bo@example.com", "", "  ", "cy@example.org")
    finding = check(empty_replica)
    assert finding.details == {
        "profiles": 6,
        "blank": 2,
        "addresses": 3,
        "shared": 1,
        "shared_percentage": 33.33,
        "profiles_sharing": 2,
        "shared_by_people": 1,
        "examples": [{"email": "a***@e***.com", "profiles": 2}],
    }
    assert "1 of 3 addresses (33.33 %) occur more than once, on 2 of 6 user profiles" in finding.cause
    assert "2 profiles have no address." in finding.cause
    assert "ana" not in finding.text.lower()


def test_ten_examples_those_of_most_people_first(empty_replica: str) -> None:
    people(empty_replica, *(f"{letter}@example.com" for letter in "abcdefghijkl" for _ in range(2)), "k@example.com")
    examples = check(empty_replica).details["examples"]
    assert [example["email"][0] for example in examples] == list("kabcdefghi")
    assert [example["profiles"] for example in examples] == [3, *[2] * 9]


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        ({}, "failure", "accept_shared_emails"),
        ({"accept_shared_emails": True}, "warning", "Accepted by accept_shared_emails"),
        ({"email_mode": "non_unique"}, "ok", ""),
    ],
)
def test_what_shared_addresses_mean_depends_on_the_mode(
    empty_replica: str, settings: dict[str, Any], verdict: str, words: str
) -> None:
    people(empty_replica, "ana@example.com", "ana@example.com")
    finding = check(empty_replica, **settings)
    assert finding.verdict == verdict
    assert words in finding.remedy
    assert f"email_mode is {Settings(**settings).email_mode}." in finding.cause
    concerned = {"user_profile_odp_export", "customer_to_user_mapping_odp_export", "order_odp_export"}
    assert set(finding.exports) == (set() if verdict == "ok" else concerned)


def test_guests_who_share_are_a_warning_only(empty_replica: str) -> None:
    people(empty_replica, "ana@example.com", "ana@example.com", guests=True)
    finding = check(empty_replica)
    assert (finding.verdict, finding.details["shared"], finding.details["shared_by_people"]) == ("warning", 1, 0)
    assert "Only guests share them" in finding.remedy


@pytest.mark.parametrize("emails", [(), ("ana@example.com", "bo@example.com", "")])
@pytest.mark.parametrize(("mode", "words"), [("unique", ""), ("non_unique", "set email_mode to unique")])
def test_unique_addresses_are_well(empty_replica: str, emails: tuple[str, ...], mode: str, words: str) -> None:
    if emails:
        people(empty_replica, *emails)
    finding = check(empty_replica, email_mode=mode)
    assert (finding.verdict, finding.details["shared"], finding.details["shared_percentage"]) == ("ok", 0, 0)
    assert words in finding.remedy
