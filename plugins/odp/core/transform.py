"""
Rows to records and rejects.

Each row of a part ends as exactly one of: a record (an item of an upload body), unchanged (ODP has acknowledged it as it is),
skipped (counted by reason: a guest, a cart, a status that is not sent), or rejected (kept with the reason, so that it can be
sent again once mended).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time
from pydantic import ValidationError

from odp.core.bodies import LARGEST_ITEM_BYTES
from odp.core.columns import check, cut_long_texts
from odp.core.contract import Column, ContractField, contract_fields
from odp.core.encode import kept_null, object_items, order_events, order_updates, profile_items
from odp.core.exports import Family
from odp.core.order_lines import ITEM_PREFIX, Lines, read_lines
from odp.core.order_status import Action
from odp.core.records import Order, Record
from odp.core.rows import ACTION, ENTITY, KEY, ROW, RowReader
from odp.core.user_event_items import is_in_table, user_event_items
from odp.core.user_events import UserEvent

_NOT_SENT = (ROW, KEY, ENTITY, "key_hash", "payload_hash")
"""Columns of the reader's own, which are no part of a rejected row."""

Choose = Callable[[pl.DataFrame], pl.Series]
"""Tells which of the rows to send (``odp.core.rows.Rows.texts``) are worth checking and encoding."""


@dataclass(frozen=True)
class Reject:
    """
    A row that cannot be sent.

    :param entity_id: Commerce's id of the entity, by which a later run reads it again.
    :param key: the record's key, as far as it is known.
    :param reason: what is wrong, in a sentence.
    :param row: the row's values as they were read.
    """

    entity_id: str
    key: str
    reason: str
    row: Mapping[str, Any]

    def as_json(self) -> bytes:
        """Return the reject as one line of JSON."""
        return orjson.dumps({"entity_id": self.entity_id, "key": self.key, "reason": self.reason, "row": self.row})


@dataclass
class Outcome:
    """
    What became of the rows of one chunk.

    :param rows: number of rows.
    :param records: the rows to send: ``record_key``, ``entity_id``, ``key_hash``, ``payload_hash`` and the JSON ``item``.
    :param orders: for orders, the text columns behind the records, in the same order.
    :param lines: for orders, their lines.
    :param actions: for user events, the action of each record, empty for none.
    :param unchanged: number of rows that were left out as not worth encoding.
    :param skipped: number of rows by reason.
    :param rejects: the rejected rows.
    :param cut: number of texts that were cut to ODP's limit.
    :param statuses: for orders, number of rows by status and action.
    """

    rows: int
    records: pl.DataFrame
    orders: pl.DataFrame | None = None
    lines: Lines | None = None
    actions: pl.Series | None = None
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    cut: int = 0
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def items(self) -> list[str]:
        """The JSON items, in the order of the rows."""
        return self.records["item"].to_list()


class Transformer:
    """
    Turns chunks of CSV into items.

    :param contract: the contract of the run, with the columns added in SQL.
    :param family: the API the items are for.
    :param columns: the columns of the CSV, in order.
    :param actions: for orders, folded status to action.
    """

    def __init__(
        self,
        contract: type[Record],
        family: Family,
        columns: Sequence[Column],
        actions: Mapping[str, Action | None] | None = None,
    ) -> None:
        self._contract = contract
        self._family = family
        self._reader = RowReader(contract, columns, actions)
        self._fields = contract_fields(contract)
        self._checks = [check(f) for f in self._fields]
        others = (f.name for f in self._fields if f.name not in contract.key)
        sent = [name for name in (*contract.key, *others) if name not in contract.envelope]
        self._sent = [kept_null(name) if name in contract.cleared else name for name in sent]
        self._is_orders = issubclass(contract, Order)
        self._is_user_events = issubclass(contract, UserEvent)

    def superseded_rows(self, chunks: Iterable[bytes]) -> pl.Series:
        """
        Mark, over a whole part, the rows that a later row with the same key replaces.

        :param chunks: the part's chunks of CSV.
        """
        return self._reader.superseded(chunks)

    def skipped_keys(self, chunk: bytes) -> pl.Series:
        """
        Return the hashes of the keys of rows that are not sent, as far as they have a key.

        :param chunk: CSV records without header.
        """
        return self._reader.skipped_keys(chunk)

    def transform(
        self,
        chunk: bytes,
        superseded: pl.Series,
        offset: int,
        choose: Choose | None = None,
        add_custom: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    ) -> Outcome:
        """
        Turn one chunk into items, skipped rows and rejects.

        :param chunk: CSV records without header.
        :param superseded: for each row of the part, whether a later row replaces it (:meth:`superseded_rows`).
        :param offset: number of the part's rows before this chunk.
        :param choose: tells which rows to send are new or changed; all by default.
        :param add_custom: adds the custom values of the part to rows, if there are any (``odp.core.custom_merge``).
        """
        rows = self._reader.read(chunk, superseded, offset, add_custom)
        chosen = rows.texts if choose is None else _where(rows.texts, choose(rows.texts))
        texts, cut = cut_long_texts(chosen, self._fields)
        lines = read_lines(texts, self._reader.lists) if self._is_orders else None
        valid = self._valid(texts, lines)
        good, bad = _where(texts, valid), _where(texts, ~valid)
        records = good.select(KEY, ENTITY, "key_hash", "payload_hash", self.encode(good, lines).alias("item"))
        fits = records["item"].str.len_bytes() <= LARGEST_ITEM_BYTES
        return Outcome(
            rows=rows.count,
            records=_where(records, fits),
            orders=_where(good, fits) if self._is_orders else None,
            lines=lines,
            actions=_where(good, fits)[ACTION].fill_null("") if self._is_user_events else None,
            unchanged=rows.texts.height - chosen.height,
            skipped=rows.skipped,
            rejects=[self._explain(row, lines) for row in bad.iter_rows(named=True)] + _too_large(records.filter(~fits)),
            cut=cut,
            statuses=rows.statuses,
        )

    def encode(self, texts: pl.DataFrame, lines: Lines | None) -> pl.Series:
        """
        Encode valid rows as JSON items.

        :param texts: text columns; for orders with the ``action`` whose event is wanted.
        :param lines: for orders, their lines.
        """
        frame = self._typed(texts)
        if lines is not None:
            items = lines.encoded(frame.select(ROW, "action"))
            return order_events(frame.join(items, on=ROW, how="left", maintain_order="left"), self._sent)
        if self._is_user_events:
            return frame.select(user_event_items(self._sent, self._contract.key)).to_series()
        encode = profile_items if self._family == "profiles" else object_items
        return frame.select(encode(self._sent)).to_series()

    def encode_updates(self, orders: pl.DataFrame) -> pl.Series:
        """Encode text columns of valid orders as rows of the ``orders`` object."""
        return order_updates(self._typed(orders), self._sent)

    def hashes_as(self, orders: pl.DataFrame, action: Action) -> pl.Series:
        """
        Return the payload hashes that orders would have under another action.

        :param orders: text columns of orders.
        :param action: the action.
        """
        return orders.select(self._reader.payload_hash(pl.lit(action))).to_series()

    def _typed(self, texts: pl.DataFrame) -> pl.DataFrame:
        return texts.with_columns(c.value for c in self._checks)

    def _valid(self, texts: pl.DataFrame, lines: Lines | None) -> pl.Series:
        """Tell which rows the contract accepts."""
        rules = [is_in_table()] if self._is_user_events else []
        valid = texts.select(pl.all_horizontal([c.valid for c in self._checks] + rules)).to_series()
        return valid if lines is None else valid & ~texts[ROW].is_in(lines.rejected_rows.implode())

    def _explain(self, row: Mapping[str, Any], lines: Lines | None) -> Reject:
        """Ask pydantic what is wrong with a row."""
        values = {f.name: row[f.name] for f in self._fields}
        key = " ".join(str(row[name]) for name in self._contract.key if row[name] is not None) or "(no key)"
        entity = row[ENTITY] or key
        kept = {name: value for name, value in row.items() if name not in _NOT_SENT and value is not None}
        if lines is not None:
            if lines.differ_in_length(row[ROW]):
                return Reject(entity, key, "The item columns do not hold the same number of values.", kept)
            values["items"] = lines.rows_of(row[ROW])
            kept = {name: value for name, value in kept.items() if not name.startswith(ITEM_PREFIX)} | {"items": values["items"]}
        try:
            self._contract.model_validate(values)
        except ValidationError as error:
            reason = "; ".join(_sentence(problem, self._fields) for problem in error.errors())
        else:
            raise AssertionError(f"pydantic accepts row {key} that the column checks refuse")
        return Reject(entity, key, reason, kept)


def _where(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """Filter a frame, without a copy where every row is kept."""
    return frame if mask.all() else frame.filter(mask)


def _too_large(records: pl.DataFrame) -> list[Reject]:
    reason = "The record is larger than the 10 MB that ODP takes in one request."
    return [
        Reject(entity, key, reason, {"bytes": len(item)})
        for key, entity, item in records["record_key", "entity_id", "item"].iter_rows()
    ]


def _sentence(problem: Any, fields: Sequence[ContractField]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["input"] is None:
        source = next((f.source for f in fields if f.name == where), "")
        return f"{where} is required" + (f" (from {source})" if source else "")
    return f"{where} {problem['msg']}".lstrip()
