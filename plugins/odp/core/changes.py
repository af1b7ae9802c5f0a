"""Change detection: which records ODP lacks or holds in another form, and by which requests they go out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.event_claims import EventClaims
from odp.core.exports import Export
from odp.core.ledger import Ledger, hash_text
from odp.core.order_rule import Step, next_step
from odp.core.run_history import refused_ids
from odp.core.transform import Outcome, Transformer

ORDER_UPDATES_PATH = "/objects/orders"


@dataclass(frozen=True)
class Upload:
    """
    The items that deal with one extracted row.

    :param items: JSON items, in the order in which ODP shall receive them.
    :param states: a CSV line of states for each.
    :param alone: whether they go out in a request of their own.
    """

    items: Sequence[bytes]
    states: Sequence[bytes]
    alone: bool = False


@dataclass
class Changes:
    """
    What is to be done about a chunk's records.

    :param uploads: what goes out, by upload path.
    :param unchanged: number of records that ODP has acknowledged as they are.
    :param uncertain: record key and entity id of orders with an event that is on its way or lost.
    """

    uploads: dict[str, list[Upload]] = field(default_factory=dict)
    unchanged: int = 0
    uncertain: list[tuple[str, str]] = field(default_factory=list)


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
        # An event that ODP refuses leaves the fate of the others in its request unknown: it had better have none.
        self._refused = refused_ids(ledger) if export.family == "events" else frozenset()

    def detect(self, outcome: Outcome) -> Changes:
        """
        Decide about the records of a chunk.

        :param outcome: the chunk, transformed.
        """
        records = outcome.records.with_columns(
            pl.Series("key_hash", [hash_text(key) for key in outcome.records["record_key"]], dtype=pl.String),
            pl.Series("payload_hash", [hash_text(content) for content in outcome.records["content"]], dtype=pl.String),
        )
        changed = self._changed(records)
        if outcome.orders is not None:
            # What ODP holds of an order is not known while one of its events is on its way.
            changed |= records["record_key"].is_in(list(EventClaims(self._ledger).open_keys(records["record_key"].to_list())))
        changes = Changes(unchanged=int((~changed).sum()))
        if outcome.orders is None:
            changes.uploads[self._export.path] = list(self._single_uploads(records.filter(changed), ""))
        elif outcome.lines is not None:
            self._detect_orders(records.filter(changed), outcome, outcome.orders.filter(changed), changes)
        return changes

    def _changed(self, records: pl.DataFrame) -> pl.Series:
        if self._resend or records.is_empty():
            return pl.repeat(True, records.height, dtype=pl.Boolean, eager=True)
        known = self._ledger.acknowledged(records["key_hash"].to_list())
        return (
            records.join(known, on="key_hash", how="left", maintain_order="left")
            .select(pl.col("payload_hash").ne_missing(pl.col("acknowledged_hash")))
            .to_series()
        )

    def _detect_orders(self, records: pl.DataFrame, outcome: Outcome, orders: pl.DataFrame, changes: Changes) -> None:
        claims = EventClaims(self._ledger).find(records["record_key"].to_list())
        steps = pl.Series(
            [next_step(key, action, claims).value for key, action in zip(records["record_key"], orders["action"], strict=True)],
            dtype=pl.String,
        )

        def chosen(step: Step) -> tuple[pl.DataFrame, pl.DataFrame]:
            return records.filter(steps == step.value), orders.filter(steps == step.value)

        uncertain, _ = chosen(Step.UNCERTAIN)
        changes.uncertain = list(uncertain.select("record_key", "entity_id").iter_rows())
        events, event_orders = chosen(Step.EVENT)
        uploads = list(self._single_uploads(events, event_orders["action"]))
        cancels, cancel_orders = chosen(Step.PURCHASE_THEN_CANCEL)
        if not cancels.is_empty():
            purchase_orders = cancel_orders.with_columns(pl.lit("purchase").alias("action"))
            purchases = cancels.drop("item", "content").hstack(self._transformer.encode(purchase_orders, outcome.lines))
            purchases = purchases.with_columns(pl.Series("payload_hash", [hash_text(text) for text in purchases["content"]]))
            pairs = zip(
                self._single_uploads(purchases, purchase_orders["action"], closes=False),
                self._single_uploads(cancels, cancel_orders["action"]),
                strict=True,
            )
            uploads += [Upload((*a.items, *b.items), (*a.states, *b.states), a.alone) for a, b in pairs]
        updates, update_orders = chosen(Step.UPDATE)
        items = self._transformer.encode_updates(update_orders).alias("item")
        changes.uploads = {
            self._export.path: uploads,
            ORDER_UPDATES_PATH: list(self._single_uploads(updates.with_columns(items), "")),
        }

    def _single_uploads(self, records: pl.DataFrame, actions: pl.Series | str, *, closes: bool = True) -> Iterator[Upload]:
        action = pl.lit(actions) if isinstance(actions, str) else pl.Series("action", actions, dtype=pl.String)
        state = pl.concat_str(
            _quoted("record_key"),
            "key_hash",
            "payload_hash",
            action,
            pl.lit("t" if closes else "f"),
            _quoted("entity_id"),
            separator=",",
        )
        for item, line, entity_id in records.select("item", state.alias("state"), "entity_id").iter_rows():
            yield Upload((item.encode(),), (line.encode() + b"\n",), entity_id in self._refused)


def _quoted(name: str) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), pl.col(name).str.replace_all('"', '""', literal=True), pl.lit('"'))
