"""Two ODP accounts in one ledger know nothing of each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from odp.core.exports import ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.ledger import account_name
from odp.core.settings import Settings
from sandbox.odp.server import SandboxOdp
from tests.reliability.harness import Pipeline, fates, sent_keys, stored_keys
from tests.reliability.shop import Shop
from tests.reliability.test_uncertain import LATER


@pytest.fixture
def other_odp() -> Any:
    """Another account."""
    with SandboxOdp(profiles_per_second=0) as running:
        yield running


@pytest.mark.parametrize("export", [PRODUCTS, USER_PROFILES, ORDERS], ids=lambda export: export.family)
def test_what_one_account_has_is_sent_to_the_other(pipeline: Pipeline, odp: Any, other_odp: Any, export: Export) -> None:
    other = replace(pipeline, url=other_odp.url, key=other_odp.key)
    first = pipeline.run(export)

    second = other.run(export)

    assert fates(second) == fates(first)
    assert stored_keys(other_odp, export) == stored_keys(odp, export) == sent_keys(first)
    assert pipeline.run(export).summary["delivered"] == other.run(export).summary["delivered"] == 0


def test_runs_of_the_same_id_do_not_mix(pipeline: Pipeline, odp: Any, other_odp: Any) -> None:
    other = replace(pipeline, url=other_odp.url, key=other_odp.key, root=pipeline.root / "other")
    first = pipeline.run(PRODUCTS, run_id="scheduled__2026-01-01")
    second = other.run(PRODUCTS, run_id="scheduled__2026-01-01")

    assert fates(first) == fates(second)
    assert pipeline.query("SELECT account, delivered FROM run_part ORDER BY account") == sorted(
        [(pipeline.account, 80), (other.account, 80)]
    )


def test_rejects_and_open_claims_stay_with_their_account(shop: Shop, orders: Pipeline, odp: Any, other_odp: Any) -> None:
    first = replace(orders, settings=Settings(max_reject_ratio=1))
    second = replace(first, url=other_odp.url, key=other_odp.key)
    shop.place("1001")
    shop.place("1002", OrderDate=None)
    odp.settings(visibility_delay=3600)
    odp.faults(path="/v3/events", mode="store_then_drop")
    assert fates(first.run(ORDERS)) == {"extracted": 2, "rejected": 1, "uncertain": 1}
    first.age_claims()

    assert fates(second.run(ORDERS, window=LATER)) == {}
    assert fates(second.run(ORDERS)) == {"extracted": 2, "rejected": 1, "delivered": 1}
    assert first.query(
        "SELECT account, count(*) FROM event_delivery JOIN export_scope USING (scope_id) WHERE state = 'uncertain' GROUP BY 1"
    ) == [(first.account, 1)]
    assert first.query("SELECT count(*) FROM reject WHERE account = %s", second.account) == [(1,)]


def test_a_replaced_private_key_is_still_the_same_account() -> None:
    address = "https://api.us1.odp.optimizely.com"
    assert account_name(address, "pub.old-secret") == account_name(address, "pub.new-secret") == account_name(address, "pub")
    assert account_name(address, "pub.secret") != account_name(address, "pub2.secret")
    assert account_name(address, "pub.secret") != account_name("https://api.eu1.odp.optimizely.com", "pub.secret")
    assert "pub" not in account_name(address, "pub.secret").rpartition("/")[2]
    assert "secret" not in account_name(address, "pub.secret")
