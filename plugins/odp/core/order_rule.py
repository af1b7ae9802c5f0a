"""
What is sent for an order, given what was sent before.

ODP's order events are immutable and a repeated cancel subtracts twice, so each event goes out once; later changes go to the
``orders`` object, which creates no event.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from odp.core.event_claims import Claim, ClaimKey


class Step(str, Enum):
    """What is to be done about an order."""

    EVENT = "event"
    """Send the event of its action."""

    PURCHASE_THEN_CANCEL = "purchase_then_cancel"
    """Its purchase was never sent: send that first, then the cancel."""

    UPDATE = "update"
    """The event was sent before and the order has changed since: update the ``orders`` object."""

    UNCERTAIN = "uncertain"
    """An event of the order is on its way, or nobody knows whether it arrived: send nothing now."""


def next_step(order_id: str, action: str, claims: Mapping[ClaimKey, Claim]) -> Step:
    """
    Decide about an order that is new or has changed since ODP last acknowledged it.

    :param order_id: its number.
    :param action: what its status stands for: purchase or cancel.
    :param claims: the claims on its events.
    """
    own, purchase = claims.get((order_id, action)), claims.get((order_id, "purchase"))
    if own is not None:
        return Step.UPDATE if own.state == "delivered" else Step.UNCERTAIN
    if action == "cancel" and purchase is None:
        return Step.PURCHASE_THEN_CANCEL
    if purchase is not None and purchase.state != "delivered":
        return Step.UNCERTAIN
    return Step.EVENT
