"""What is sent for an order, in every combination of what was sent before."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest

from odp.core.event_claims import Claim
from odp.core.order_rule import Step, next_step

STATES = (None, "claimed", "uncertain", "delivered")


def claims(purchase: str | None, cancel: str | None) -> dict[tuple[str, str], Claim]:
    now = datetime.now(timezone.utc)
    given = {"purchase": purchase, "cancel": cancel}
    return {("1", action): Claim("1", action, state, "run", 0, now, "0" * 32) for action, state in given.items() if state}


@pytest.mark.parametrize(
    ("action", "purchase", "cancel", "step"),
    [
        ("purchase", None, None, Step.EVENT),
        ("purchase", "delivered", None, Step.UPDATE),
        ("purchase", "delivered", "delivered", Step.UPDATE),
        ("purchase", None, "delivered", Step.EVENT),
        ("cancel", None, None, Step.PURCHASE_THEN_CANCEL),
        ("cancel", "delivered", None, Step.EVENT),
        ("cancel", "delivered", "delivered", Step.UPDATE),
        ("cancel", None, "delivered", Step.UPDATE),
    ],
)
def test_what_was_delivered_decides(action: str, purchase: str | None, cancel: str | None, step: Step) -> None:
    assert next_step("1", action, claims(purchase, cancel)) is step


@pytest.mark.parametrize("action", ["purchase", "cancel"])
@pytest.mark.parametrize(
    ("purchase", "cancel"), [pair for pair in itertools.product(STATES, STATES) if {"claimed", "uncertain"} & set(pair)]
)
def test_an_open_event_holds_everything_back(action: str, purchase: str | None, cancel: str | None) -> None:
    assert next_step("1", action, claims(purchase, cancel)) is Step.UNCERTAIN


def test_other_orders_do_not_count() -> None:
    assert next_step("2", "purchase", claims("delivered", "uncertain")) is Step.EVENT
