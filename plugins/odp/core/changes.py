"""Change detection: which records ODP lacks or holds in another form, and by which requests they go out."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.event_claims import EventClaims
from odp.core.exports import Export
from odp.core.ledger import Ledger
from odp.core.order_rule import Step, next_step
from odp.core.rows import ENTITY, KEY
from odp.core.run_history import refused_ids
from odp.core.transform import Outcome, Transformer

ORDER_UPDATES_PATH = "/objects/orders"


@dataclass
class Changes:
    """
    What is to be done about a chunk's records.

    :param uploads: what goes out, by upload path. One row per extracted row: ``item``, its JSON as bytes (two objects, with a
        comma between for a cancel that brings its purchase), ``states``, a CSV line for each object, ``items``, how many there
        are, and ``alone``, whether they go out in a request of their own.
    :param uncertain: record key and entity id of rows with an event that is on its way or lost.
    :param unchanged: number of rows whose event has gone out before, if with other content: events are immutable.
    """

    uploads: dict[str, pl.DataFrame] = field(default_factory=dict)
    uncertain: list[tuple[str, str]] = field(default_factory=list)
    unchanged: int = 0


class ChangeDetector:
    """
    Compares records with the ledger.

    :param export: what is sent.
    :param transformer: made the records, and encodes other forms of orders.
    :param ledger: the export's ledger.
    :param resend: whether unchanged records are sent all the same; events never are.
    """

    def __init__(self, export: Export, transformer: Transformer, ledger: Ledger, *, resend: bool) -> None:
        self._export = export
        self._transformer = transformer
        self._ledger = ledger
        self._resend = resend
        self._has_history = ledger.has_records()
        # An event that ODP refuses leaves the fate of the others in its request unknown: it had better have none.
        self._refused = refused_ids(ledger) if export.family == "events" else frozenset()
        self._open_orders = EventClaims(ledger).open_keys() if export.family == "events" else []

    def changed(self, rows: pl.DataFrame) -> pl.Series:
        """
        Tell which rows are new or have changed since ODP acknowledged them.

        :param rows: rows with ``record_key``, ``key_hash`` and ``payload_hash``; a row without a key counts as new.
        """
        if self._resend or not self._has_history or rows.is_empty():
            return pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
        # A payload's hash covers the key, so it cannot be that of another record.
        changed = ~rows["payload_hash"].is_in(self._ledger.acknowledged_hashes(rows["key_hash"].drop_nulls()).implode())
        # What ODP holds of an order is not known while one of its events is on its way.
        return changed | rows[KEY].is_in(self._open_orders) if self._open_orders else changed

    def detect(self, outcome: Outcome) -> Changes:
        """
        Decide how the records of a chunk go out.

        :param outcome: the chunk, transformed.
        """
        if outcome.actions is not None:
            return self._detect_user_events(outcome.records, outcome.actions)
        if outcome.orders is None or outcome.lines is None:
            return Changes({self._export.path: _as_bytes(self._uploads(outcome.records, ""))})
        return self._detect_orders(outcome.records, outcome, outcome.orders)

    def _detect_user_events(self, records: pl.DataFrame, actions: pl.Series) -> Changes:
        claims = EventClaims(self._ledger).find(records[KEY].to_list())
        states = [claims.get(event) for event in zip(records[KEY], actions, strict=True)]
        fresh = pl.Series([claim is None for claim in states], dtype=pl.Boolean)
        open_ = pl.Series([claim is not None and claim.state != "delivered" for claim in states], dtype=pl.Boolean)
        quoted = pl.select(pl.format('"{}"', actions.filter(fresh))).to_series()  # so that an empty one is not null
        return Changes(
            {self._export.path: _as_bytes(self._uploads(records.filter(fresh), quoted))},
            list(records.filter(open_).select(KEY, ENTITY).iter_rows()),
            unchanged=int((~fresh & ~open_).sum()),
        )

    def _detect_orders(self, records: pl.DataFrame, outcome: Outcome, orders: pl.DataFrame) -> Changes:
        claims = EventClaims(self._ledger).find(records[KEY].to_list())
        claimed = {record_key for record_key, _ in claims}
        of_new = {action: next_step("", action, {}).value for action in ("purchase", "cancel")}
        steps = pl.Series(
            [
                next_step(key, action, claims).value if key in claimed else of_new[action]
                for key, action in zip(records[KEY], orders["action"], strict=True)
            ],
            dtype=pl.String,
        )

        def chosen(step: Step) -> tuple[pl.DataFrame, pl.DataFrame]:
            if not (steps == step.value).any():
                return records.clear(), orders.clear()
            return records.filter(steps == step.value), orders.filter(steps == step.value)

        uncertain, _ = chosen(Step.UNCERTAIN)
        events, event_orders = chosen(Step.EVENT)
        uploads = [self._uploads(events, event_orders["action"])]
        cancels, cancelled = chosen(Step.PURCHASE_THEN_CANCEL)
        if not cancels.is_empty():
            purchased = cancelled.with_columns(pl.lit("purchase").alias("action"))
            purchases = cancels.with_columns(
                self._transformer.encode(purchased, outcome.lines).alias("item"),
                self._transformer.hashes_as(cancelled, "purchase").alias("payload_hash"),
            )
            first = self._uploads(purchases, "purchase", closes=False)
            second = self._uploads(cancels, "cancel")
            uploads.append(
                second.with_columns(
                    (first["item"] + "," + second["item"]).alias("item"),
                    (first["states"] + second["states"]).alias("states"),
                    first["items"] + second["items"],
                )
            )
        changes = Changes({self._export.path: _as_bytes(pl.concat(uploads))}, list(uncertain.select(KEY, ENTITY).iter_rows()))
        updates, update_orders = chosen(Step.UPDATE)
        if not updates.is_empty():
            items = self._transformer.encode_updates(update_orders).alias("item")
            changes.uploads[ORDER_UPDATES_PATH] = _as_bytes(self._uploads(updates.with_columns(items), ""))
        return changes

    def _uploads(self, records: pl.DataFrame, action: pl.Series | str, *, closes: bool = True) -> pl.DataFrame:
        state = pl.concat_str(
            _quoted(KEY),
            "key_hash",
            "payload_hash",
            pl.lit(action),
            pl.lit("t" if closes else "f"),
            _quoted(ENTITY),
            separator=",",
        )
        return records.select(
            "item",
            pl.concat_str(state, pl.lit("\n")).alias("states"),
            pl.lit(1, dtype=pl.Int32).alias("items"),
            pl.col(ENTITY).is_in(list(self._refused)).alias("alone"),
        )


def _as_bytes(uploads: pl.DataFrame) -> pl.DataFrame:
    return uploads.with_columns(pl.col("item", "states").cast(pl.Binary))


def _quoted(name: str) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), pl.col(name).str.replace_all('"', '""', literal=True), pl.lit('"'))
