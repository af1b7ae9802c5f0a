"""
Typed columns to the JSON items of ODP's upload bodies, without a Python object per row.

An absent value is left out of its item: ODP keeps what it has for a field that is not sent, and would clear one that is null.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.columns import text_hash

_EVENT_NAMESPACE = "configured-commerce-order"
_ORDER_AMOUNTS = ("total", "subtotal")
_ITEM_AMOUNTS = ("price", "subtotal")


_KEPT = "\0"
"""Marks, at the end of a field's name, that it is sent as null where it has no value. JSON writes it as an escape."""


def kept_null(name: str) -> pl.Expr:
    """
    Return a field that is sent as null where it has no value, so that ODP clears it.

    :param name: name of the column.
    """
    return pl.col(name).alias(name + _KEPT)


def flat_json(columns: Sequence[str | pl.Expr], *, key_first: bool = False) -> pl.Expr:
    """
    Encode columns as one flat JSON object a row, without the fields that are null.

    :param columns: names or expressions, in the order of the object's fields.
    :param key_first: the first column is never null.
    """
    # json_encode escapes quotes inside strings, so a comma followed by a bare quote is always the border between fields.
    encoded = pl.struct(columns).struct.json_encode().str.replace_all(r',"[^"\\]+":null', "")
    if any(isinstance(column, pl.Expr) and column.meta.output_name().endswith(_KEPT) for column in columns):
        # Inside a string the quote would be escaped, so that only the names of fields end so.
        encoded = encoded.str.replace_all('\\u0000":', '":', literal=True)
    return encoded if key_first else encoded.str.replace(r'^\{"[^"\\]+":null,?', "{")


def object_items(names: Sequence[str | pl.Expr]) -> pl.Expr:
    """Return the items of ``POST /objects/{name}``: flat rows, key first."""
    return flat_json(names, key_first=True)


def profile_items(names: Sequence[str | pl.Expr]) -> pl.Expr:
    """Return the items of ``POST /profiles``: everything, identifiers included, inside ``attributes``."""
    return pl.concat_str(pl.lit('{"attributes":'), flat_json(names, key_first=True), pl.lit("}"))


def order_line_item(names: Sequence[str], *, is_cancel: pl.Expr) -> pl.Expr:
    """
    Return the JSON of one line of an order.

    ODP subtracts what a cancel carries; its published example has negative prices and subtotals and positive quantities.

    :param names: the item's fields.
    :param is_cancel: whether the line's order is a cancel.
    """

    def written(name: str) -> pl.Expr:
        if name in _ITEM_AMOUNTS:
            return pl.when(is_cancel).then(0.0 - pl.col(name)).otherwise(pl.col(name)).alias(name)
        if name == "discount":
            return pl.when(~is_cancel).then(pl.col(name)).alias(name)
        return pl.col(name)

    return flat_json([written(name) for name in names])


def order_events(frame: pl.DataFrame, header: Sequence[str | pl.Expr]) -> pl.Series:
    """
    Encode orders as items of ``POST /events``.

    :param frame: typed columns of orders, with ``action`` and ``items`` (the JSON of the item list, null without lines).
    :param header: the fields of the order's header.
    """
    is_cancel = pl.col("action") == "cancel"
    amounts = {name: pl.when(is_cancel).then(0.0 - pl.col(name)).otherwise(pl.col(name)) for name in _ORDER_AMOUNTS}
    # A full cancel leaves no tax and no shipping: ODP overwrites both with what is given here.
    amounts |= {name: pl.when(is_cancel).then(0.0).otherwise(pl.col(name)) for name in ("tax", "shipping")}
    amounts["discount"] = pl.when(~is_cancel).then(pl.col("discount"))
    identifiers = flat_json(
        [pl.col("identifier_email").alias("email"), pl.col("identifier_business_user_id").alias("business_user_id")]
    )
    timestamp = pl.when(is_cancel).then(pl.coalesce("cancelled_at", "purchased_at")).otherwise(pl.col("purchased_at"))
    encoded = frame.with_columns(
        timestamp.alias("ts"),
        identifiers.alias("identifiers"),
        idempotence_id("order_id", "action").alias("idempotence_id"),
        **amounts,
    ).with_columns(
        pl.concat_str(
            flat_json(header, key_first=True).str.strip_suffix("}"),
            pl.concat_str(pl.lit(',"items":['), "items", pl.lit("]")).fill_null(""),
            pl.lit("}"),
        ).alias("order")
    )
    return encoded.select(
        pl.concat_str(
            pl.lit('{"type":"order","action":"'),
            "action",
            pl.lit('","identifiers":'),
            "identifiers",
            pl.lit(',"data":{"ts":'),
            "ts",
            # Imported history is not activity of the person: it must not count as monthly active use.
            pl.lit(',"active_event":false,"idempotence_id":"'),
            "idempotence_id",
            pl.lit('","order":'),
            "order",
            pl.lit("}}"),
        )
    ).to_series()


def order_updates(frame: pl.DataFrame, header: Sequence[str | pl.Expr]) -> pl.Series:
    """
    Encode orders as items of ``POST /objects/orders``: the header as it is now, for orders whose event was sent before.

    :param frame: typed columns of orders, with ``action``.
    :param header: the fields of the order's header.
    """
    # A cancelled order has nothing left; its cancel event has already subtracted everything.
    is_cancel = pl.col("action") == "cancel"
    amounts = {name: pl.when(is_cancel).then(0.0).otherwise(pl.col(name)) for name in (*_ORDER_AMOUNTS, "tax", "shipping")}
    return (
        frame.with_columns(**amounts).select(flat_json([*header, pl.col("action").alias("status")], key_first=True)).to_series()
    )


def idempotence_id(*columns: str, namespace: str = _EVENT_NAMESPACE) -> pl.Expr:
    """
    Return one id per event that is the same each time the same event is built, in any run and over any retry.

    It is a UUID of version 8: made of a hash, as RFC 9562 leaves it to the application.

    :param columns: names of the columns that tell events apart: for orders, the number and the action.
    :param namespace: tells events of different exports apart.
    """
    digits = text_hash(pl.concat_str(pl.lit(namespace), *columns, separator="\n"))
    return pl.concat_str(
        digits.str.slice(0, 8),
        digits.str.slice(8, 4),
        pl.lit("8") + digits.str.slice(13, 3),
        pl.lit("a") + digits.str.slice(17, 3),
        digits.str.slice(20, 12),
        separator="-",
    )
