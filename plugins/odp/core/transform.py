"""
Raw columns to records, skipped rows and rejects.

Each row of a part ends as exactly one of: a record (an item of an upload body), skipped (counted by reason: a guest, a cart,
a status that is not sent), or rejected (kept with the reason, so that it can be sent again once mended).
"""

from __future__ import annotations

import codecs
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time
from pydantic import ValidationError

from odp.core.bodies import LARGEST_ITEM_BYTES
from odp.core.columns import check, cut_long_texts, missing_as_null, normalise
from odp.core.contract import LIST, Column, ContractField, contract_fields
from odp.core.encode import object_items, order_events, order_updates, profile_items
from odp.core.exceptions import StagingError
from odp.core.exports import Family
from odp.core.order_lines import ITEM_PREFIX, Lines, read_lines
from odp.core.order_status import Action, fold_status
from odp.core.records import Order, Record

ROW = "__row"
SKIP = "skip_reason"
ENTITY = "entity_id"
SUPERSEDED = "superseded by a later row with the same key"


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
    :param records: the rows that can be sent: ``record_key``, ``entity_id``, the JSON ``item``, and ``content``, the text
        that says whether the record has changed.
    :param orders: for orders, the typed columns behind the records, in the same order.
    :param lines: for orders, their lines.
    :param skipped: number of rows by reason.
    :param rejects: the rejected rows.
    :param cut: number of texts that were cut to ODP's limit.
    :param statuses: for orders, number of rows by status and action.
    """

    rows: int
    records: pl.DataFrame
    orders: pl.DataFrame | None = None
    lines: Lines | None = None
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
        self._columns = columns
        self._actions = actions or {}
        self._fields = contract_fields(contract)
        self._sent = [f.name for f in self._fields if f.name not in contract.envelope]
        self._is_orders = issubclass(contract, Order)
        self._lists = [column.name for column in columns if column.kind == LIST]

    def read(self, chunk: bytes) -> pl.DataFrame:
        """
        Parse a chunk of CSV into columns of text.

        :param chunk: CSV records without header.
        """
        names = [column.name for column in self._columns]
        # polars drops a byte order mark at the start. With one put there, a first value that begins with U+FEFF stays whole.
        source = io.BytesIO(codecs.BOM_UTF8 + chunk)
        frame = pl.read_csv(source, has_header=False, infer_schema=False, raise_if_empty=False)
        if frame.width != len(names):
            raise StagingError(f"A staged part has {frame.width} columns where {len(names)} were extracted.")
        frame.columns = names
        return frame

    def superseded_rows(self, chunks: Iterator[bytes]) -> pl.Series:
        """
        Mark, over a whole part, the rows that a later row with the same key replaces.

        Two rows of one key would race each other through parallel requests. Rows come in order of ModifiedOn, so the last
        one is what ODP shall end up with.

        :param chunks: the part's chunks of CSV.
        :return: for each row of the part, whether a later row with the same key makes it superfluous.
        """
        parts, sendable = self._contract.key, pl.col(SKIP).is_null().alias("sendable")
        keys = [self._decide(self.read(chunk)).select(sendable, *parts) for chunk in chunks]
        if not keys:
            return pl.Series(dtype=pl.Boolean)
        has_key = pl.all_horizontal(pl.col(parts).is_not_null())
        return (
            pl.concat(keys).select(pl.col("sendable") & has_key & ~pl.struct("sendable", *parts).is_last_distinct()).to_series()
        )

    def transform(self, chunk: bytes, superseded: pl.Series, offset: int) -> Outcome:
        """
        Turn one chunk into items, skipped rows and rejects.

        :param chunk: CSV records without header.
        :param superseded: for each row of the part, whether a later row replaces it (:meth:`superseded_rows`).
        :param offset: number of the part's rows before this chunk.
        """
        frame = self._decide(self.read(chunk))
        rows = frame.height
        frame = frame.with_columns(
            pl.when(pl.col(SKIP).is_null() & superseded.slice(offset, rows))
            .then(pl.lit(SUPERSEDED))
            .otherwise(pl.col(SKIP))
            .alias(SKIP)
        )
        skipped = frame.filter(pl.col(SKIP).is_not_null())
        sendable, cut = cut_long_texts(frame.filter(pl.col(SKIP).is_null()), self._fields)
        lines = read_lines(sendable, self._lists) if self._is_orders else None
        good, bad = self._check(sendable, lines)
        records = good.select(self._key().alias("record_key"), pl.coalesce(ENTITY, self._key()).alias("entity_id")).hstack(
            self.encode(good, lines)
        )
        fits = records["item"].str.len_bytes() <= LARGEST_ITEM_BYTES
        return Outcome(
            rows=rows,
            records=records.filter(fits),
            orders=good.filter(fits) if self._is_orders else None,
            lines=lines,
            skipped=Counter(dict(skipped.group_by(SKIP).len().iter_rows())),
            rejects=[self._explain(row, lines) for row in bad.iter_rows(named=True)] + _too_large(records.filter(~fits)),
            cut=cut,
            statuses=self._count_statuses(frame) if self._is_orders else Counter(),
        )

    def encode(self, frame: pl.DataFrame, lines: Lines | None) -> pl.DataFrame:
        """
        Encode typed columns as JSON items.

        :param frame: typed columns; for orders with the ``action`` whose event is wanted.
        :param lines: for orders, their lines.
        :return: columns ``item`` and ``content``.
        """
        if lines is not None:
            items = lines.encoded(frame.select(ROW, "action"))
            return order_events(frame.join(items, on=ROW, how="left", maintain_order="left"), self._sent)
        encode = profile_items if self._family == "profiles" else object_items
        return frame.select(encode(self._sent).alias("item")).with_columns(pl.col("item").alias("content"))

    def encode_updates(self, orders: pl.DataFrame) -> pl.Series:
        """Encode typed columns of orders as rows of the ``orders`` object."""
        return order_updates(orders, self._sent)

    @staticmethod
    def _count_statuses(frame: pl.DataFrame) -> Counter[tuple[str, str]]:
        counts = frame.group_by(pl.col("order_status").fill_null(""), pl.col("action").fill_null("not sent")).len()
        return Counter({(status, action): count for status, action, count in counts.iter_rows()})

    def _key(self) -> pl.Expr:
        return pl.concat_str(self._contract.key, separator=" ").alias("key")

    def _decide(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Normalise the columns, number the rows, and give each row that is not sent its reason."""
        texts = normalise(frame.drop(self._lists), self._fields).with_columns(frame.select(self._lists))
        texts = missing_as_null(texts, self._fields).with_row_index(ROW)
        steering = [name for name in (SKIP, ENTITY) if name not in texts.columns]
        texts = texts.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in steering)
        return self._decide_action(texts) if self._is_orders else texts

    def _decide_action(self, frame: pl.DataFrame) -> pl.DataFrame:
        statuses = frame["order_status"].unique().to_list()
        actions = {status: self._actions.get(fold_status(status)) for status in statuses}
        action = pl.col("order_status").replace_strict(
            list(actions), list(actions.values()), default=None, return_dtype=pl.String
        )
        return frame.with_columns(action.alias("action")).with_columns(
            pl.coalesce(
                SKIP,
                pl.when(pl.col("action").is_null()).then(
                    pl.format("status {} is not sent", pl.col("order_status").fill_null("(empty)"))
                ),
                pl.when(pl.col("identifier_email").is_null() & pl.col("identifier_business_user_id").is_null()).then(
                    pl.lit("nobody to attribute the order to")
                ),
            ).alias(SKIP)
        )

    def _check(self, frame: pl.DataFrame, lines: Lines | None) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Split rows into those the contract accepts, typed, and those it does not, as text."""
        checks = [check(f) for f in self._fields]
        valid = frame.select(pl.all_horizontal([c.valid for c in checks])).to_series()
        if lines is not None:
            valid &= ~frame[ROW].is_in(lines.rejected_rows.implode())
        return frame.filter(valid).with_columns(c.value for c in checks), frame.filter(~valid)

    def _explain(self, row: Mapping[str, Any], lines: Lines | None) -> Reject:
        """Ask pydantic what is wrong with a row."""
        values = {f.name: row[f.name] for f in self._fields}
        key = " ".join(str(row[name]) for name in self._contract.key if row[name] is not None) or "(no key)"
        entity = row[ENTITY] or key
        kept = {name: value for name, value in row.items() if name not in (ROW, SKIP, ENTITY) and value is not None}
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
    return f"{where} {problem['msg']}"
