"""
Events whose fate is unknown: ask ODP whether it has them.

ODP answers 202 when it queues, so an event that cannot be seen yet may still appear. "Not there" counts only once the claim is
older than the visibility delay.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from odp.core.client import OdpClient
from odp.core.event_claims import Claim, ClaimKey, EventClaims
from odp.core.exceptions import OdpApiError
from odp.core.exports import Export
from odp.core.records import Order
from odp.core.settings import Settings

log = logging.getLogger(__name__)

_ORDERS_PER_QUERY = 50


class Resolver:
    """
    Finds out whether ODP has order events.

    :param client: the account; reads need its private key.
    :param visibility_delay: how long an acknowledged event may stay invisible.
    """

    def __init__(self, client: OdpClient, visibility_delay: timedelta) -> None:
        self._client = client
        self._visibility_delay = visibility_delay
        self.longest_request = timedelta(seconds=client.options.retry_budget + client.options.timeout)

    def resolve(self, claims: Sequence[Claim], *, at_once: bool = False) -> dict[ClaimKey, bool | None]:
        """
        Look for events.

        :param claims: open claims on them.
        :param at_once: ODP has answered with an error, so what it does not show now it has not stored.
        :return: whether ODP has each; ``None`` where it cannot be told, or not yet.
        """
        try:
            statuses = self.order_statuses(sorted({claim.record_key for claim in claims}))
        except OdpApiError as error:
            log.warning("Cannot ask ODP for %s events: %s", len(claims), error)
            return dict.fromkeys((claim.key for claim in claims), None)
        certain_before = datetime.now(timezone.utc) - self._visibility_delay
        found: dict[ClaimKey, bool | None] = {}
        for claim in claims:
            there = _is_there(claim.action, statuses[claim.record_key])
            found[claim.key] = None if there is False and not at_once and claim.claimed_at > certain_before else there
        return found

    def order_statuses(self, order_ids: Sequence[str]) -> dict[str, str | None | bool]:
        """
        Ask for orders.

        :param order_ids: their numbers.
        :return: the status of each, ``None`` if it has none, ``False`` if there is no such order.
        :raises OdpApiError: if ODP cannot be asked.
        """
        statuses: dict[str, str | None | bool] = {}
        for start in range(0, len(order_ids), _ORDERS_PER_QUERY):
            ids = order_ids[start : start + _ORDERS_PER_QUERY]
            fields = " ".join(
                f"o{at}: order(order_id: {orjson.dumps(order_id).decode()}) {{ order_id status }}"
                for at, order_id in enumerate(ids)
            )
            answer = self._client.request("POST", "/graphql", orjson.dumps({"query": f"{{ {fields} }}"}))
            data = _data(answer.data) if answer.status < 300 else None
            if data is None:
                raise OdpApiError(
                    f"ODP answered {answer.status} to a GraphQL query: {answer.data[:300].decode(errors='replace')}"
                )
            for at, order_id in enumerate(ids):
                order = data.get(f"o{at}")
                statuses[order_id] = False if order is None else order.get("status")
        return statuses


class HoldingResolver(Resolver):
    """Leaves events open: of a user event, ODP has no call that tells whether it is there."""

    def resolve(self, claims: Sequence[Claim], *, at_once: bool = False) -> dict[ClaimKey, bool | None]:
        """
        Look for nothing.

        :param claims: open claims.
        :param at_once: makes no difference.
        :return: ``None`` for each: a person decides (``odp.core.maintenance``).
        """
        return dict.fromkeys((claim.key for claim in claims), None)


def resolver_of(export: Export, client: OdpClient, settings: Settings) -> Resolver:
    """
    Return what finds out whether ODP has the events of an export.

    :param export: the export.
    :param client: the account.
    :param settings: how long an acknowledged event may stay invisible, and how long ODP may take to import a file.
    """
    delay = timedelta(minutes=settings.visibility_delay_minutes)
    if settings.csv and settings.for_export(export.dag_id).transport == "csv":
        delay = max(delay, timedelta(hours=settings.csv.import_hours))
    return (Resolver if export.contract is Order else HoldingResolver)(client, delay)


def _data(answer: bytes) -> dict[str, Any] | None:
    """Read a whole answer: in one with errors, a null means that ODP failed to look, not that there is nothing."""
    try:
        content = orjson.loads(answer)
        return None if content.get("errors") else content.get("data")
    except (orjson.JSONDecodeError, AttributeError):
        return None


def _is_there(action: str, status: str | None | bool) -> bool | None:
    if status is False:
        return False
    if action == "purchase":
        return True
    if status is None:
        return None
    return str(status).lower().startswith("cancel")


def settle_open_claims(claims: EventClaims, resolver: Resolver) -> list[Claim]:
    """
    Settle what earlier runs left open: confirm events that ODP has, release those that it certainly has not.

    :param claims: the export's claims.
    :param resolver: asks ODP.
    :return: the released claims: their orders are to be sent by this run.
    """
    # A claim that is being sent right now, by another run, is none of ours for as long as its request may be retried.
    in_flight_since = datetime.now(timezone.utc) - resolver.longest_request
    open_claims = [c for c in claims.open_claims() if c.state == "uncertain" or c.claimed_at < in_flight_since]
    if not open_claims:
        return []
    found = resolver.resolve(open_claims)
    there, absent, unknown = ([c for c in open_claims if found[c.key] is fate] for fate in (True, False, None))
    claims.settle(there)
    released = claims.release_abandoned(absent)
    log.info("Open events: %s are in ODP, %s are not, %s cannot be told yet", len(there), len(released), len(unknown))
    return released
