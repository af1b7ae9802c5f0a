"""User events in columns: the check against Commerce's table, and the JSON items of ``POST /events``."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.encode import flat_json, idempotence_id
from odp.core.user_events import EVENT_KINDS, NEEDED_FIELDS

_NAMESPACE = "configured-commerce-user-event"


def is_in_table() -> pl.Expr:
    """Return whether a row is an event of Commerce's table and has what it needs, as ``odp.core.records.UserEvent`` asks."""
    needed = {
        (kind.type, kind.action): [pl.col(field).is_not_null() for field in NEEDED_FIELDS if field in kind.needs]
        for kind in EVENT_KINDS
    }
    return pl.any_horizontal(
        pl.all_horizontal(pl.col("type") == type_, pl.col("action").fill_null("") == action, *given)
        for (type_, action), given in needed.items()
    ).fill_null(value=False)


def user_event_items(names: Sequence[str | pl.Expr], key: Sequence[str]) -> pl.Expr:
    """
    Return the items of ``POST /events``.

    :param names: fields of the event's data.
    :param key: fields that tell events apart; the stable ``idempotence_id`` is made of them.
    """
    identifiers = flat_json(
        [
            pl.col("identifier_email").alias("email"),
            pl.col("identifier_business_user_id").alias("business_user_id"),
            pl.col("identifier_vuid").alias("vuid"),
        ]
    )
    data = flat_json(
        [
            pl.col("ts"),
            # History is not activity of the person: it must not count as monthly active use.
            pl.lit(value=False).alias("active_event"),
            idempotence_id(*key, namespace=_NAMESPACE).alias("idempotence_id"),
            *names,
        ],
        key_first=True,
    )
    kind = flat_json(["type", "action"], key_first=True).str.strip_suffix("}")
    return pl.concat_str(kind, pl.lit(',"identifiers":'), identifiers, pl.lit(',"data":'), data, pl.lit("}"))
