"""user_profiles.sql and customer_user_profiles.sql: people, and the accounts they buy for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.sql.replica import NOW, Replica


@pytest.mark.parametrize(
    ("email_mode", "email", "contact_email"),
    [("unique", "ana.ruiz@example.com", None), ("non_unique", None, "ana.ruiz@example.com")],
)
def test_every_field_of_a_profile(replica: Replica, email_mode: str, email: str | None, contact_email: str | None) -> None:
    customer, warehouse = replica.add("Customer"), replica.add("Warehouse")
    profile = replica.add(
        "UserProfile",
        Email=" Ana.Ruiz@Example.com ",
        UserName="ana",
        FirstName="Ana",
        LastName="Ruiz",
        Phone="555-0100",
        Company="Acme",
        Position="Buyer",
        Extension="12",
        Fax="555-0101",
        ActivationStatus="Activated",
        IsGuest=False,
        IsDeactivated=True,
        LastLoginOn=NOW,
        CreatedOn=NOW,
        DefaultCustomerId=customer,
        DefaultWarehouseId=warehouse,
        CurrencyId=replica.add("Currency", CurrencyCode="USD"),
        LanguageId=replica.add("Language", LanguageCode="en-us"),
        EmailOptOutAbandonedCart=True,
    )

    assert replica.row("user_profiles.sql", email_mode=email_mode) == {
        "email": email,
        "business_user_id": profile,
        "contact_email": contact_email,
        "first_name": "Ana",
        "last_name": "Ruiz",
        "phone": "555-0100",
        "user_name": "ana",
        "company": "Acme",
        "position": "Buyer",
        "extension": "12",
        "fax": "555-0101",
        "activation_status": "Activated",
        "is_active": False,
        "is_guest": False,
        "last_login_at": NOW,
        "created_at": NOW,
        "default_business_id": customer,
        "default_warehouse_id": warehouse,
        "currency": "USD",
        "language": "en-us",
        "email_opt_out_abandoned_cart": True,
        "skip_reason": None,
    }


@pytest.mark.parametrize(
    ("columns", "email_mode", "reason"),
    [
        ({"Email": "a@example.com", "IsGuest": True}, "unique", "guest profile"),
        ({"Email": "a@example.com", "IsGuest": True}, "non_unique", "guest profile"),
        ({"Email": "", "IsGuest": True}, "unique", "guest profile"),
        ({"Email": None}, "unique", "no e-mail"),
        ({"Email": " "}, "unique", "no e-mail"),
        ({"Email": ""}, "non_unique", None),
        ({"Email": "a@example.com", "IsGuest": None}, "unique", None),
    ],
)
def test_profiles_that_are_skipped(replica: Replica, columns: dict[str, Any], email_mode: str, reason: str | None) -> None:
    replica.add("UserProfile", **columns)

    assert replica.row("user_profiles.sql", email_mode=email_mode)["skip_reason"] == reason


@pytest.mark.parametrize(("is_deactivated", "is_active"), [(True, False), (False, True), (None, None)])
def test_is_active(replica: Replica, is_deactivated: bool | None, is_active: bool | None) -> None:
    replica.add("UserProfile", IsDeactivated=is_deactivated)

    assert replica.row("user_profiles.sql")["is_active"] is is_active


@pytest.mark.parametrize(("email_mode", "email"), [("unique", "ana@example.com"), ("non_unique", None)])
def test_every_field_of_a_link(replica: Replica, email_mode: str, email: str | None) -> None:
    customer, profile = replica.add("Customer"), replica.add("UserProfile", Email="Ana@example.com")
    link = replica.add("CustomerUserProfile", CustomerId=customer, UserProfileId=profile, IsDefault=True, CreatedOn=NOW)

    assert replica.row("customer_user_profiles.sql", email_mode=email_mode) == {
        "business_id": customer,
        "user_id": profile,
        "business_user_id": profile,
        "business_user_link_id": link,
        "email": email,
        "is_default": True,
        "created_at": NOW,
        "skip_reason": None,
    }


@pytest.mark.parametrize(
    ("customer", "profile", "reason"),
    [
        ({}, {}, None),
        (None, {}, "customer not found"),
        ({}, None, "user profile not found"),
        (None, None, "customer not found"),
        ({"IsGuest": True}, {}, "guest account"),
        ({}, {"IsGuest": True}, "guest profile"),
    ],
)
def test_links_that_are_skipped(
    replica: Replica, customer: dict[str, Any] | None, profile: dict[str, Any] | None, reason: str | None
) -> None:
    replica.add(
        "CustomerUserProfile",
        CustomerId=UUID(int=1) if customer is None else replica.add("Customer", **customer),
        UserProfileId=UUID(int=2) if profile is None else replica.add("UserProfile", **profile),
    )

    assert replica.row("customer_user_profiles.sql")["skip_reason"] == reason


def test_a_link_without_ends_is_skipped(replica: Replica) -> None:
    replica.add("CustomerUserProfile")

    assert replica.row("customer_user_profiles.sql")["skip_reason"] == "customer not found"
