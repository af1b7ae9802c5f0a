"""User events end to end: each goes out once, and one whose answer was lost is held until a person decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from odp.core.exceptions import ReplicaError, SettingsError, TooManyRejectsError
from odp.core.exports import USER_EVENTS
from odp.core.maintenance import decide_uncertain
from odp.core.settings import Settings
from odp.core.window import Window
from odp.hooks.import_bucket import OdpImportBucket
from odp.sql_files import SQL_DIR
from sandbox.csv_import import CsvImport
from sandbox.s3 import S3Server
from sandbox.world import World
from tests.reliability.conftest import SEARCH_PATH
from tests.reliability.harness import Pipeline, Run, fates

NOW = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
ANA, BO, GUEST = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
EVENT = "10000000-0000-4000-8000-00000000000{}"
ALL = Settings(user_events=["register", "login", "storefront"], max_reject_ratio=0)


@pytest.fixture(scope="module")
def people_database(world: World) -> str:
    """The connection string of a replica with user profiles and storefront events only, as much as the export reads."""
    with psycopg.connect(world.postgres.create_database("user_events"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dbo")
        connection.execute("SET search_path = dbo")
        connection.execute(
            "CREATE TABLE UserProfile (Id uuid PRIMARY KEY, Email text, UserName text, IsGuest boolean, ModifiedOn timestamptz,"
            " CreatedOn timestamptz, LastLoginOn timestamptz)"
        )
        connection.execute(Path(SQL_DIR, "storefront_event.sql").read_text())
    return world.dsn("user_events") + SEARCH_PATH


@pytest.fixture
def people(people_database: str, ledger_dsn: str, odp: Any, tmp_path: Path) -> Pipeline:
    """From two people, a guest and no storefront events into an empty ODP."""
    pipeline = Pipeline(
        replica=people_database, ledger_dsn=ledger_dsn, url=odp.url, key=odp.key, root=tmp_path / "staging", settings=ALL
    )
    pipeline.change("TRUNCATE UserProfile, StorefrontEvent")
    for at, (person, login, guest) in enumerate([(ANA, NOW, False), (BO, None, False), (GUEST, NOW, True)]):
        pipeline.change(
            "INSERT INTO UserProfile VALUES (%s, %s, %s, %s, now(), %s, %s)",
            *(person, f"Person{at}@example.com", f"person{at}", guest, NOW - timedelta(days=9), login),
        )
    return pipeline


def happen(pipeline: Pipeline, number: int, type_: str, action: str | None, **columns: Any) -> None:
    row = {"Id": EVENT.format(number), "Type": type_, "Action": action, "OccurredOn": NOW, "UserProfileId": ANA, **columns}
    pipeline.change(f"INSERT INTO StorefrontEvent ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values())


def events_in(odp: Any) -> Counter[tuple[str, str | None, str]]:
    """Count the events that ODP holds by type, action and person."""
    return Counter(
        (event["type"], event.get("action"), event["identifiers"].get("business_user_id", "")) for event in odp.dump("events")
    )


def test_each_event_goes_out_once(people: Pipeline, odp: Any) -> None:
    happen(people, 1, "product", "detail", ProductId="p-1")
    happen(people, 2, "product", "detail", ProductId="p-2")
    happen(people, 3, "pageview", None, Page="/", UserProfileId=None, Vuid="ab-cd")
    first = people.run(USER_EVENTS)

    assert fates(first) == {"extracted": 8, "delivered": 6, "skipped": 2}
    assert events_in(odp) == {
        ("account", "register", ANA): 1,
        ("account", "register", BO): 1,
        ("account", "login", ANA): 1,
        ("product", "detail", ANA): 2,
        ("pageview", None, ""): 1,
    }
    assert all(event["data"]["active_event"] is False for event in odp.dump("events"))
    login = next(event for event in odp.dump("events") if event.get("action") == "login")
    assert login["data"]["ts"] == int(NOW.timestamp())
    assert login["identifiers"] == {"email": "person0@example.com", "business_user_id": ANA}
    assert people.claims() == {
        (action, "delivered"): count for action, count in {"register": 2, "login": 1, "detail": 2, "": 1}.items()
    }

    assert fates(people.run(USER_EVENTS)) == {"extracted": 8, "unchanged": 6, "skipped": 2}
    assert fates(people.run(USER_EVENTS, resend=True)) == {"extracted": 8, "unchanged": 6, "skipped": 2}
    assert sum(events_in(odp).values()) == 6


def test_another_login_is_another_event_and_other_content_of_a_sent_one_is_not(people: Pipeline, odp: Any) -> None:
    happen(people, 1, "product", "detail", ProductId="p-1")
    people.run(USER_EVENTS)
    people.change("UPDATE UserProfile SET LastLoginOn = %s WHERE Id = %s", NOW + timedelta(hours=1), ANA)
    people.change("UPDATE StorefrontEvent SET ProductId = 'p-2'")

    run = people.run(USER_EVENTS, window=Window(NOW, NOW + timedelta(hours=2)))

    assert fates(run) == {"extracted": 3, "delivered": 1, "unchanged": 1, "skipped": 1}
    assert events_in(odp)["account", "login", ANA] == 2
    assert [event["data"]["product_id"] for event in odp.dump("events") if event["type"] == "product"] == ["p-1"]


def test_an_unknown_event_is_a_reject_that_names_the_nearest_and_goes_out_once_it_is_mended(people: Pipeline, odp: Any) -> None:
    happen(people, 1, "product", "add_to_basket", ProductId="p-1")
    happen(people, 2, "product", "add_to_cart")
    happen(people, 3, "navigation", "search", SearchTerm="lamp")
    run = people.start(USER_EVENTS)
    with pytest.raises(TooManyRejectsError):
        run.all()
    assert sorted(run.rejects) == [
        f"storefront {EVENT.format(1)} {int(NOW.timestamp())}: product / add_to_basket is no user event of Commerce; "
        "the nearest is product / add_to_cart",
        f"storefront {EVENT.format(2)} {int(NOW.timestamp())}: product / add_to_cart needs product_id",
    ]
    assert events_in(odp)["navigation", "search", ANA] == 1

    people.change("UPDATE StorefrontEvent SET Action = 'add_to_cart', ProductId = 'p-1' WHERE Type = 'product'")
    mended = people.run(USER_EVENTS, window=Window(NOW + timedelta(days=1), None))
    assert fates(mended) == {"extracted": 2, "delivered": 2}
    assert events_in(odp)["product", "add_to_cart", ANA] == 2
    assert people.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


@pytest.mark.parametrize("stored", [True, False])
def test_an_event_whose_answer_was_lost_is_held_until_somebody_decides(people: Pipeline, odp: Any, stored: bool) -> None:
    pipeline = replace(people, settings=ALL.model_copy(update={"user_events": ("register",), "visibility_delay_minutes": 0}))
    odp.faults(path="/v3/events", mode="store_then_drop" if stored else "drop")

    first = pipeline.run(USER_EVENTS)

    assert fates(first) == {"extracted": 3, "uncertain": 2, "skipped": 1}
    assert "odp_maintenance" in first.summary["uncertain_examples"][0]
    pipeline.age_claims()
    assert fates(pipeline.run(USER_EVENTS)) == {"extracted": 5, "uncertain": 2, "skipped": 3}
    assert len(odp.requests(path="/v3/events")) == 1

    keys = [row[0] for row in pipeline.query("SELECT record_key FROM event_delivery WHERE state = 'uncertain'")]
    assert sorted(key.split()[:2] for key in keys) == [["register", ANA], ["register", BO]]
    with psycopg.connect(pipeline.ledger_dsn, autocommit=True) as connection:
        decide_uncertain(connection, delivered=keys if stored else (), not_delivered=() if stored else keys)
    settled = pipeline.run(USER_EVENTS, window=Window(NOW + timedelta(days=1), None))
    assert fates(settled) == {"extracted": 2, "unchanged" if stored else "delivered": 2}
    assert events_in(odp) == {("account", "register", ANA): 1, ("account", "register", BO): 1}
    assert pipeline.query("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


def test_it_is_off_until_a_source_is_named_and_there(people: Pipeline, odp: Any) -> None:
    with pytest.raises(SettingsError, match="user_events names no source"):
        replace(people, settings=Settings()).run(USER_EVENTS)
    people.change("ALTER TABLE StorefrontEvent RENAME TO storefront_event_elsewhere")
    try:
        with pytest.raises(ReplicaError, match=r"lacks StorefrontEvent \(for storefront\)"):
            people.run(USER_EVENTS)
        without = replace(people, settings=Settings(user_events=["login"], email_mode="non_unique"))
        assert fates(without.run(USER_EVENTS)) == {"extracted": 2, "delivered": 1, "skipped": 1}
        assert [event["identifiers"] for event in odp.dump("events")] == [{"business_user_id": ANA}]
    finally:
        people.change("ALTER TABLE storefront_event_elsewhere RENAME TO StorefrontEvent")


def test_by_csv_they_are_the_same_and_go_out_once(people: Pipeline, odp: Any, s3: S3Server, tmp_path: Path) -> None:
    happen(people, 1, "product", "detail", ProductId="p-1")
    happen(people, 2, "pageview", None, Page="/", UserProfileId=None, Vuid="ab-cd")
    settings = Settings(user_events=ALL.user_events, csv={"bucket": s3.bucket, "tracker_id": tmp_path.name})
    assert settings.csv
    by_csv = replace(people, settings=settings, bucket=OdpImportBucket(settings.csv))

    assert fates(by_csv.run(USER_EVENTS)) == {"extracted": 7, "delivered": 5, "skipped": 2}
    assert odp.dump("events") == []
    CsvImport(s3.client, s3.bucket, odp, tmp_path.name).run()
    by_rest = people.start(USER_EVENTS, resend=True)
    by_rest.extract()
    people.query("TRUNCATE event_delivery, record_state")
    by_rest.transform()
    assert sorted(odp.dump("events"), key=str) == sorted(by_rest.items(), key=str)
    assert len(odp.dump("events")) == 5


def test_a_column_of_the_tenant_becomes_a_field_of_the_event(people: Pipeline, odp: Any) -> None:
    mapping = (
        Path(SQL_DIR, USER_EVENTS.sql)
        .read_text()
        .replace("    CASE\n        WHEN a.event_source <>", "    7 AS score,\n    CASE\n        WHEN a.event_source <>", 1)
    )
    run: Run = people.run(USER_EVENTS, mapping=mapping, ids=[BO])
    assert fates(run) == {"extracted": 1, "delivered": 1}
    (event,) = odp.dump("events")
    assert event["data"]["score"] == 7
    assert odp.counts()["events"] == {"account/register": 1}
