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
    own, purchase, cancel = (claims.get((order_id, name)) for name in (action, "purchase", "cancel"))
    if any(claim is not None and claim.state != "delivered" for claim in (purchase, cancel)):
        return Step.UNCERTAIN  # an update, too: it would overwrite the status by which a lost event is recognised
    if own is not None:
        return Step.UPDATE
    return Step.PURCHASE_THEN_CANCEL if action == "cancel" and purchase is None else Step.EVENT
