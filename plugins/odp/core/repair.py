"""What Repair does before it sends what is missing or changed by the same stages as a run of the export."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

from odp.core.bodies import ItemState
from odp.core.differences import REPAIR_FILE, read_staged
from odp.core.event_claims import EventClaims
from odp.core.exceptions import OdpApiError, OdpUnavailableError
from odp.core.exports import Export
from odp.core.ledger import Ledger, hash_text
from odp.core.staging import Staging
from odp.core.uncertain import Resolver

log = logging.getLogger(__name__)

MAX_ENTITIES = 10_000
"""Entities that are read again one by one; for more of them, the whole source is read again."""

UNKNOWN_CONTENT = hash_text("content unknown: ODP has it, and the ledger did not know")

_ORDERS_AT_A_TIME = 1_000


def prepare_repair(export: Export, ledger: Ledger, resolver: Resolver, staging: Staging, run_id: str) -> list[str] | None:
    """
    Bring the ledger to what ODP really has, so that the stages of an export send what is missing or changed, and nothing twice.

    Records that ODP acknowledged and does not show are forgotten. Orders are looked for in ODP first: a ledger that was restored
    from a backup has forgotten events, which must not be sent again.

    :param export: what is repaired.
    :param ledger: its ledger.
    :param resolver: asks ODP for orders.
    :param staging: where the comparison staged what differs.
    :param run_id: the run of odp_consistency.
    :return: the entities to read again; ``None`` for the whole source.
    """
    entities = [row[0] for row in itertools.islice(read_staged(staging, REPAIR_FILE), MAX_ENTITIES + 1)]
    ledger.forget([key_hash for _, _, key_hash, verdict in read_staged(staging, REPAIR_FILE) if verdict == "lost"])
    if export.family == "events":
        order_ids = (key for _, key, _, _ in read_staged(staging, REPAIR_FILE))
        while keys := list(itertools.islice(order_ids, _ORDERS_AT_A_TIME)):
            _adopt(EventClaims(ledger), resolver, keys, run_id)
    return entities if len(entities) <= MAX_ENTITIES else None


def _adopt(claims: EventClaims, resolver: Resolver, order_ids: Sequence[str], run_id: str) -> None:
    """Write down that ODP has events of orders that the ledger does not know, where it does."""
    try:
        statuses = resolver.order_statuses(order_ids)
    except OdpUnavailableError:
        raise
    except OdpApiError as error:
        log.warning("ODP cannot be asked whether it has %s orders; the ledger is trusted: %s", len(order_ids), error)
        return
    there = {order_id: str(status).lower() for order_id, status in statuses.items() if status is not False}
    events = [(order_id, "purchase", UNKNOWN_CONTENT) for order_id in there]
    events += [(order_id, "cancel", UNKNOWN_CONTENT) for order_id, status in there.items() if status.startswith("cancel")]
    unknown = claims.claim(events, run_id, part=-1)
    states = [ItemState(key, hash_text(key), UNKNOWN_CONTENT, action, True, "") for key, action in unknown]
    claims.confirm(ItemState.write(states), run_id)
    if unknown:
        log.warning("ODP has %s events that the ledger did not know; they are not sent again", len(unknown))
