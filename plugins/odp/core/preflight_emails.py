"""
Preflight of e-mail addresses: Optimizely's prerequisite that they are unique, against ``email_mode``.

Addresses are compared as ODP compares them, trimmed and without regard to case. Blank ones are counted apart: Optimizely's own
count takes them all as one address.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg

from odp.core.exports import CUSTOMER_USER_PROFILES, ORDERS, USER_PROFILES
from odp.core.preflight_report import Finding, Verdict
from odp.core.settings import Settings

_AREA = "e-mail"

_EXPORTS = (USER_PROFILES.dag_id, CUSTOMER_USER_PROFILES.dag_id, ORDERS.dag_id)

_COUNTS = """
    WITH address AS (
        SELECT lower(btrim(coalesce(u.Email, ''))) AS email,
            count(*) AS profiles,
            count(*) FILTER (WHERE u.IsGuest IS NOT TRUE) AS people
        FROM UserProfile u
        GROUP BY 1
    ), shared AS (
        SELECT * FROM address WHERE email <> '' AND profiles > 1
    )
    SELECT (SELECT coalesce(sum(profiles), 0) FROM address),
        (SELECT coalesce(sum(profiles), 0) FROM address WHERE email = ''),
        (SELECT count(*) FROM address WHERE email <> ''),
        (SELECT count(*) FROM shared),
        (SELECT coalesce(sum(profiles), 0) FROM shared),
        (SELECT count(*) FROM shared WHERE people > 1),
        ARRAY(SELECT email FROM shared ORDER BY people DESC, profiles DESC, email LIMIT 10),
        ARRAY(SELECT profiles FROM shared ORDER BY people DESC, profiles DESC, email LIMIT 10)
"""


def mask_email(address: str) -> str:
    """
    Mask an address: ``jane.doe@example.com`` becomes ``j***@e***.com``.

    :param address: an address, or what stands in its place.
    """
    match = re.fullmatch(r"(.).*@(.).*?(\.[^.@]+)?", address, re.DOTALL)
    return f"{match[1]}***@{match[2]}***{match[3] or ''}" if match else f"{address[:1]}***"


def check_emails(connection: psycopg.Connection[Any], settings: Settings) -> list[Finding]:
    """
    Count the addresses that several profiles share.

    :param connection: a connection to the replica.
    :param settings: the e-mail mode, and whether shared addresses are accepted in it.
    """
    row = connection.execute(_COUNTS).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    profiles, blank, addresses, shared, sharing, shared_by_people = (int(value) for value in row[:6])
    examples = [{"email": mask_email(email), "profiles": int(count)} for email, count in zip(row[6], row[7], strict=True)]
    percentage = round(100 * shared / addresses, 2) if addresses else 0.0
    verdict, remedy = _judge(settings, shared, shared_by_people)
    cause = (
        f"email_mode is {settings.email_mode}. {shared} of {addresses} addresses ({percentage:g} %) occur more than once, on "
        f"{sharing} of {profiles} user profiles; {shared_by_people} of them on profiles that are no guests. {blank} profiles "
        "have no address."
    )
    if examples:
        cause += " Examples: " + ", ".join(f"{example['email']} ({example['profiles']})" for example in examples) + "."
    details = {
        "profiles": profiles,
        "blank": blank,
        "addresses": addresses,
        "shared": shared,
        "shared_percentage": percentage,
        "profiles_sharing": sharing,
        "shared_by_people": shared_by_people,
        "examples": examples,
    }
    exports = () if verdict == "ok" else _EXPORTS
    return [
        Finding(area=_AREA, subject="uniqueness", verdict=verdict, cause=cause, remedy=remedy, exports=exports, details=details)
    ]


def _judge(settings: Settings, shared: int, shared_by_people: int) -> tuple[Verdict, str]:
    if settings.email_mode == "non_unique":
        if shared:
            return "ok", ""
        return "ok", "If Optimizely set your ODP account to unique e-mail addresses, set email_mode to unique."
    if shared_by_people and not settings.accept_shared_emails:
        return "failure", (
            "ODP would merge the people who share an address for good. Correct the profiles in Commerce, or set email_mode to "
            "non_unique if Optimizely set your ODP account so. If the account is set to unique and that is wanted, set "
            "accept_shared_emails to true in odp_settings."
        )
    if shared_by_people:
        return "warning", "Accepted by accept_shared_emails: ODP makes one person of those who share an address."
    if shared:
        return "warning", "Only guests share them, who are not exported; Optimizely's own count includes them."
    return "ok", ""
