"""
Masking personal data for people who may not see it.

Whatever is not known to be harmless is masked, so a column that a tenant adds is masked without anybody thinking of it.
"""

from __future__ import annotations

import re
from typing import Any

from odp.core.records import Product, Record

MASK = "•••"

_GUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@\"'<>(),;:]+@(?!example\.com\b)[^\s@\"'<>(),;:]+")
_HARMLESS = frozenset({"type", "action", "order_status", "commerce_status", "activation_status", "business_level"})
_HARMLESS |= frozenset({"currency", "country", "language", "product_id", "order_id", "entity_id"})
_SHORTEST_GIVEAWAY = 3
"""Shorter values occur in any text by chance."""


def holds_personal_data(contract: type[Record]) -> bool:
    """
    Tell whether records of a kind may be about people; of products they are not.

    :param contract: the export's contract.
    """
    return not issubclass(contract, Product)


def mask_payload(payload: Any, name: str = "") -> Any:
    """
    Mask the texts of a row or an item: its form, its numbers and its GUIDs stay.

    :param payload: the row or the item, or a value in it.
    :param name: name of the value's field.
    """
    if isinstance(payload, dict):
        return {key: mask_payload(value, key) for key, value in payload.items()}
    if isinstance(payload, list):
        return [mask_payload(value, name) for value in payload]
    if not isinstance(payload, str) or name in _HARMLESS or not payload or _GUID.fullmatch(payload):
        return payload
    return f"{MASK} ({len(payload)} characters)"


def mask_text(text: str, payload: Any = None) -> str:
    """
    Mask a sentence: e-mail addresses, and whatever a payload would give away.

    :param text: a key, a reason, an error or an answer.
    :param payload: the payload that the text may quote.
    """
    for value in sorted(_masked_values(payload), key=len, reverse=True):
        text = text.replace(value, MASK)
    return _ADDRESS.sub(MASK, text)


def _masked_values(payload: Any, name: str = "") -> set[str]:
    if isinstance(payload, dict):
        return {value for key, inner in payload.items() for value in _masked_values(inner, key)}
    if isinstance(payload, list):
        return {value for inner in payload for value in _masked_values(inner, name)}
    hidden = isinstance(payload, str) and len(payload) >= _SHORTEST_GIVEAWAY and mask_payload(payload, name) != payload
    return {payload} if hidden else set()
