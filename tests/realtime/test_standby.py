"""The trigger of real time on a physical standby, which cannot be written to and cannot notify."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from sandbox import postgres
from sandbox.postgres import PostgresServer
from sandbox.world import PROJECT
from tests.core.extraction import uid
from tests.realtime.conftest import Shop
from tests.realtime.test_trigger import PRODUCTS, product, see, take_all


@pytest.fixture
def standby_shop(shop: Shop, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose statements are executed on a primary, while the connection leads to its streaming standby."""
    folder = tmp_path_factory.mktemp("standby")
    # What is committed is on its way to the standby at once.
    settings = {"wal_level": "replica", "max_wal_senders": "4", "synchronous_commit": "on"}
    monkeypatch.setattr(postgres, "SETTINGS", {**postgres.SETTINGS, **settings})
    path = "?options=-c%20search_path%3Ddbo"
    with PostgresServer(folder / "primary") as primary:
        with psycopg.connect(primary.dsn(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA dbo; SET search_path = dbo")
            connection.execute((PROJECT / "sandbox" / "commerce" / "schema.sql").read_text())
        standby = PostgresServer(folder / "standby")
        standby.copy(primary)
        with standby:
            monkeypatch.setenv("AIRFLOW_CONN_COMMERCE_DB", standby.dsn() + path)
            yield Shop(primary.dsn() + path, shop.ledger)


def test_changes_on_the_primary_are_seen_on_the_standby(
    standby_shop: Shop, watching: Callable[..., Any], set_settings: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    set_settings(overlap_minutes=0, realtime_poll_seconds=0.3)
    with watching() as trigger, psycopg.connect(standby_shop.replica) as late:
        see(standby_shop, trigger, 9)
        late.execute(product(1, "clock_timestamp()"))
        standby_shop.execute(product(2, "clock_timestamp()"))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(standby_shop, trigger, PRODUCTS) == [str(uid(2))]
        late.commit()
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(standby_shop, trigger, PRODUCTS) == [str(uid(1))]
    # With the triggers on the primary, the change table is replicated; only its notifications are not.
    standby_shop.record_changes()
    with psycopg.connect(os.environ["AIRFLOW_CONN_COMMERCE_DB"], autocommit=True) as standby:
        while not (standby.execute("SELECT to_regnamespace('odp_changes') IS NOT NULL").fetchone() or (False,))[0]:
            time.sleep(0.05)
    with watching() as trigger:
        standby_shop.execute(product(3, "'2020-01-01'"))
        assert trigger.next() == {PRODUCTS: 1}
        assert take_all(standby_shop, trigger, PRODUCTS) == [str(uid(3))]
    assert "The replica cannot notify, so it is asked every 0.3 s" in capsys.readouterr().out
