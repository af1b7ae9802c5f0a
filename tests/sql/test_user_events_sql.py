"""user_events.sql and storefront_event.sql: registrations, logins and storefront events, and to whom they belong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from odp.core.commerce import TABLES
from sandbox.postgres import PostgresServer
from tests.sql.replica import NOW, Replica, connect, sql_text

FILE = "user_events.sql"
EARLIER = NOW - timedelta(days=3)


def kinds(replica: Replica, **parameters: Any) -> list[tuple[str, str, str | None]]:
    return [(row["event_source"], row["type"], row["action"]) for row in replica.rows(FILE, **parameters)]


def reason(replica: Replica, **parameters: Any) -> str | None:
    return replica.row(FILE, **parameters)["skip_reason"]


@pytest.fixture
def ana(replica: Replica) -> UUID:
    return replica.add("UserProfile", Email=" Ana@Example.com", UserName="ana", CreatedOn=EARLIER, LastLoginOn=NOW)


@pytest.mark.parametrize("email_mode", ["unique", "non_unique"])
def test_a_registration_and_the_last_login_of_a_person(replica: Replica, ana: UUID, email_mode: str) -> None:
    common = {
        "event_id": ana,
        "type": "account",
        "identifier_email": "ana@example.com" if email_mode == "unique" else None,
        "identifier_business_user_id": ana,
        "identifier_vuid": None,
        **dict.fromkeys(["product_id", "search_term", "page", "category", "business_id", "skip_reason"]),
    }
    assert replica.rows(FILE, email_mode=email_mode) == [
        {"event_source": "register", "ts": EARLIER, "action": "register", **common},
        {"event_source": "login", "ts": NOW, "action": "login", **common},
    ]


@pytest.mark.usefixtures("ana")
def test_only_the_sources_that_are_switched_on_are_read(replica: Replica) -> None:
    replica.add("StorefrontEvent", Type="account", Action="logout", OccurredOn=NOW, Vuid="a")
    assert kinds(replica, user_events=["login"]) == [("login", "account", "login")]
    assert kinds(replica, user_events=["storefront"]) == [("storefront", "account", "logout")]
    assert kinds(replica, user_events=[]) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (EARLIER, NOW, ["register", "storefront"]),
        (NOW, NOW + timedelta(seconds=1), ["login"]),
        (EARLIER + timedelta(seconds=1), NOW, []),
    ],
)
@pytest.mark.usefixtures("ana")
def test_the_window_is_about_the_time_of_the_event(replica: Replica, start: datetime, end: datetime, expected: list[str]) -> None:
    replica.add("StorefrontEvent", Type="account", Action="logout", OccurredOn=EARLIER, Vuid="a")
    window = {"everything": False, "window_start": start.isoformat(), "window_end": end.isoformat()}
    assert sorted(row["event_source"] for row in replica.rows(FILE, **window)) == expected


def test_every_field_of_a_storefront_event(replica: Replica, ana: UUID) -> None:
    customer = uuid4()
    event = replica.add(
        "StorefrontEvent",
        Type="product",
        Action="detail",
        OccurredOn=NOW,
        UserProfileId=ana,
        Email="other@example.com",
        Vuid=" 0F3C9AB2-D4E8-4C7F-9A5B-6C7D8E9F0A1B ",
        ProductId="p-1",
        SearchTerm="lamp",
        Page="/lamps",
        Category="Lamps",
        CustomerId=customer,
    )
    assert replica.row(FILE, user_events=["storefront"]) == {
        "event_source": "storefront",
        "event_id": event,
        "ts": NOW,
        "type": "product",
        "action": "detail",
        "identifier_email": "ana@example.com",
        "identifier_business_user_id": ana,
        "identifier_vuid": "0f3c9ab2d4e84c7f9a5b6c7d8e9f0a1b",
        "product_id": "p-1",
        "search_term": "lamp",
        "page": "/lamps",
        "category": "Lamps",
        "business_id": customer,
        "skip_reason": None,
    }


@pytest.mark.parametrize(
    ("columns", "email_mode", "expected"),
    [
        ({"Email": "Guest@Example.com "}, "unique", ("guest@example.com", None, None)),
        ({"Email": "guest@example.com"}, "non_unique", (None, None, "nobody to attribute the event to")),
        ({"Email": " "}, "unique", ("", None, "nobody to attribute the event to")),
        ({"Email": "a@example.com", "UserProfileId": UUID(int=7)}, "unique", ("a@example.com", None, None)),
        ({"Vuid": "ab"}, "non_unique", (None, "ab", None)),
    ],
)
def test_to_whom_an_event_without_a_login_belongs(
    replica: Replica, columns: dict[str, Any], email_mode: str, expected: tuple[str | None, str | None, str | None]
) -> None:
    replica.add("StorefrontEvent", Type="account", Action="logout", OccurredOn=NOW, **columns)
    row = replica.row(FILE, email_mode=email_mode)
    assert (row["identifier_email"], row["identifier_vuid"], row["skip_reason"]) == expected
    assert row["identifier_business_user_id"] is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"IsGuest": True, "CreatedOn": NOW}, "guest profile"),
        ({"CreatedOn": None}, "no CreatedOn"),
        ({"IsGuest": None, "CreatedOn": NOW}, None),
        ({"Email": "", "CreatedOn": NOW}, None),
    ],
)
def test_registrations_that_are_skipped(replica: Replica, columns: dict[str, Any], expected: str | None) -> None:
    replica.add("UserProfile", **columns)
    assert reason(replica) == expected


@pytest.mark.parametrize(
    ("type_", "action", "sources", "expected"),
    [
        ("order", "purchase", ["storefront"], "purchase, which order_odp_export sends"),
        ("account", "register", ["storefront", "register"], "register, which is sent from UserProfile"),
        (" account", "login ", ["storefront", "login"], "login, which is sent from UserProfile"),
        ("account", "register", ["storefront"], None),
        ("account", "login", ["storefront", "register"], None),
        ("order", "cancel", ["storefront"], None),
    ],
)
def test_what_has_another_source_is_not_sent_from_the_storefront(
    replica: Replica, type_: str, action: str, sources: list[str], expected: str | None
) -> None:
    replica.add("StorefrontEvent", Type=type_, Action=action, OccurredOn=NOW, Vuid="a")
    assert reason(replica, user_events=sources) == expected


def test_ids_are_those_of_people_and_events_and_the_keys_of_earlier_events(replica: Replica, ana: UUID) -> None:
    replica.add("UserProfile", UserName="bo", CreatedOn=NOW)
    event = replica.add("StorefrontEvent", Type="account", Action="logout", OccurredOn=NOW, UserProfileId=ana)
    other = replica.add("StorefrontEvent", Type="account", Action="logout", OccurredOn=NOW, Email="Ana@example.com")

    def asked(*texts: str) -> list[UUID]:
        ids = [UUID(text) for text in texts if len(text) == 36]
        return sorted({row["event_id"] for row in replica.rows(FILE, all_ids=False, ids=ids, numbers=list(texts))})

    assert asked(str(ana)) == sorted([ana, event])
    assert asked(str(event)) == [event]
    assert asked("ana") == [ana]
    assert asked("ana@example.com") == sorted([ana, other])
    assert asked(f"storefront {other} 1750000000") == [other]
    assert asked(f"login {ana} 1750000000") == sorted([ana, event])
    assert asked("login nobody 1", "🙂") == []


def test_the_example_table_has_the_documented_columns(mapping_server: PostgresServer) -> None:
    dsn = mapping_server.create_database("storefront")
    with connect(dsn) as connection:
        for _ in range(2):
            connection.execute(sql_text("storefront_event.sql"))
        found = connection.execute(
            "SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute"
            " WHERE attrelid = 'storefrontevent'::regclass AND attnum > 0"
        ).fetchall()
    types = {"timestamptz": "timestamp with time zone"}
    assert {row["name"]: row["type"] for row in found} == {
        column.name.lower(): types.get(column.type, column.type) for column in TABLES["StorefrontEvent"].columns
    }


def test_the_example_view_fits(mapping_server: PostgresServer) -> None:
    dsn = mapping_server.create_database("web_log")
    commented = sql_text("storefront_event.sql").partition("-- CREATE VIEW")[2]
    view = "CREATE VIEW" + commented.replace("\n--", "\n")
    with connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE web_log (session_id text, sequence integer, logged_at timestamptz, user_profile_id uuid,"
            " odp_cookie text, product_id uuid, url text, kind text)"
        )
        connection.execute(view)
        connection.execute(
            "CREATE TABLE UserProfile (Id uuid, UserName text, Email text, IsGuest boolean, CreatedOn timestamptz,"
            " LastLoginOn timestamptz)"
        )
        connection.execute("CREATE TABLE UserProfileWebsite (UserProfileId uuid, WebsiteId uuid)")
        connection.execute("INSERT INTO web_log VALUES ('s', 1, now(), NULL, 'c', gen_random_uuid(), '/p', 'product page')")
        row = Replica(connection).row(FILE)
    assert (row["type"], row["action"], row["identifier_vuid"], row["page"]) == ("product", "detail", "c", "/p")
