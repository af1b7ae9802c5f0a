"""
Raw columns to rows: parsed, trimmed, numbered, told apart into those to send and those to skip, and hashed.

Nothing here checks or encodes a value. A row's hash says whether ODP has acknowledged it as it is, so that only what is new or
has changed goes on to ``odp.core.transform``.
"""

from __future__ import annotations

import codecs
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.columns import normalised, text_hash, text_number
from odp.core.contract import LIST, Column, contract_fields
from odp.core.exceptions import StagingError
from odp.core.order_status import Action, fold_status
from odp.core.records import Order, Record

ROW = "__row"
SKIP = "skip_reason"
ENTITY = "entity_id"
KEY = "record_key"
ACTION = "action"
SUPERSEDED = "superseded by a later row with the same key"

_TIMES_OF_ORDERS = ("purchased_at", "cancelled_at")
"""An order counts as the same without them: a cancelled order's time is that of its last modification."""

_DECIDING_ORDERS = ("order_status", "identifier_email", "identifier_business_user_id")
"""Besides its key and skip_reason, what decides whether an order is sent."""

_FIELD, _VALUE, _CLEARED = "\x1e", "\x1f", "\x00"


@dataclass(frozen=True)
class Rows:
    """
    The rows of one chunk.

    :param count: number of rows, skipped ones included.
    :param texts: the rows to send, as normalised text: the fields, the lists of orders, and ``__row`` (number in the chunk),
        ``entity_id``, ``record_key``, ``key_hash``, ``payload_hash``; for orders ``action``. Hashes are null without a key.
    :param skipped: number of the other rows by reason.
    :param statuses: for orders, number of rows by status and action.
    """

    count: int
    texts: pl.DataFrame
    skipped: Counter[str]
    statuses: Counter[tuple[str, str]]


class RowReader:
    """
    Reads chunks of CSV.

    :param contract: the contract of the run, with the columns added in SQL.
    :param columns: the columns of the CSV, in order.
    :param actions: for orders, folded status to action.
    """

    def __init__(
        self, contract: type[Record], columns: Sequence[Column], actions: Mapping[str, Action | None] | None = None
    ) -> None:
        self._contract = contract
        self._names = [column.name for column in columns]
        self._actions = actions or {}
        self._fields = contract_fields(contract)
        self._is_orders = issubclass(contract, Order)
        self._deciding = (*contract.key, SKIP, *(_DECIDING_ORDERS if self._is_orders else ()))
        self.lists = [column.name for column in columns if column.kind == LIST]
        # Made once: to build an expression takes Python longer than polars takes for a column of a chunk.
        self._normalised = normalised(self._names, self._fields, but_not=self.lists)
        self._absent = {
            name: pl.lit(None, dtype=pl.String).alias(name)
            for name in (*(field.name for field in self._fields), SKIP, ENTITY)
            if name not in self._names
        }
        self._identified = (
            pl.coalesce(ENTITY, KEY).alias(ENTITY),
            text_hash(pl.col(KEY)).alias("key_hash"),
            self.payload_hash().alias("payload_hash"),
        )

    def parse(self, chunk: bytes, names: Sequence[str] | None = None) -> pl.DataFrame:
        """
        Parse a chunk of CSV into columns of text.

        :param chunk: CSV records without header.
        :param names: only these columns; all by default.
        :raises StagingError: if the chunk has another number of columns than were extracted.
        """
        # polars drops a byte order mark at the start. With one put there, a first value that begins with U+FEFF stays whole.
        source = io.BytesIO(codecs.BOM_UTF8 + chunk)
        wanted = self._names if names is None else [name for name in self._names if name in names]
        positions = None if names is None else [self._names.index(name) for name in wanted]
        try:
            frame = pl.read_csv(source, has_header=False, infer_schema=False, raise_if_empty=False, columns=positions)
        except pl.exceptions.OutOfBoundsError as error:
            raise StagingError(f"A staged part lacks columns that were extracted: {error}.") from error
        if frame.width != len(wanted):
            raise StagingError(f"A staged part has {frame.width} columns where {len(wanted)} were extracted.")
        frame.columns = wanted
        return frame

    def superseded(self, chunks: Iterable[bytes]) -> pl.Series:
        """
        Mark, over a whole part, the rows that a later row with the same key replaces.

        Two rows of one key would race each other through parallel requests. Rows come in order of ModifiedOn, so the last
        one is what ODP shall end up with.

        :param chunks: the part's chunks of CSV.
        :return: for each row of the part, whether a later row with the same key makes it superfluous.
        """
        # A number a row, as the keys themselves of a whole part would need ten times the memory.
        sent_key = pl.when(pl.col(SKIP).is_null()).then(pl.concat_str(self._contract.key, separator=_VALUE))
        numbers = [self._decide(self.parse(chunk, self._deciding)).select(text_number(sent_key)) for chunk in chunks]
        if not numbers:
            return pl.Series(dtype=pl.Boolean)
        return pl.concat(numbers).select(pl.all().is_not_null() & ~pl.all().is_last_distinct()).to_series()

    def skipped_keys(self, chunk: bytes) -> pl.Series:
        """
        Return the hashes of the keys of rows that are not sent, as far as they have a key.

        :param chunk: CSV records without header.
        """
        skipped = self._decide(self.parse(chunk, self._deciding)).filter(pl.col(SKIP).is_not_null())
        return skipped.select(text_hash(self._key())).to_series().drop_nulls()

    def read(
        self,
        chunk: bytes,
        superseded: pl.Series,
        offset: int,
        add_custom: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    ) -> Rows:
        """
        Read one chunk.

        :param chunk: CSV records without header.
        :param superseded: for each row of the part, whether a later row replaces it (:meth:`superseded`).
        :param offset: number of the part's rows before this chunk.
        :param add_custom: adds the custom values of the part to rows that are sent, if there are any (``odp.core.custom_merge``).
        """
        frame = self._decide(self.parse(chunk))
        replaced = superseded.slice(offset, frame.height)
        if replaced.any():
            reason = pl.coalesce(SKIP, pl.when(replaced).then(pl.lit(SUPERSEDED)))
            frame = frame.with_columns(reason.alias(SKIP))
        frame = frame.with_row_index(ROW)
        is_sent = frame[SKIP].is_null()
        sent, skipped = frame, Counter[str]()
        if not is_sent.all():
            sent = frame.filter(is_sent)
            skipped.update(dict(frame.filter(~is_sent).group_by(SKIP).len().iter_rows()))
        texts = sent.lazy().drop(SKIP).with_columns(self._key().alias(KEY))
        if add_custom:
            texts = add_custom(texts.collect()).lazy()
        return Rows(
            count=frame.height,
            texts=texts.with_columns(self._identified).collect(),
            skipped=skipped,
            statuses=self._count_statuses(frame) if self._is_orders else Counter(),
        )

    def payload_hash(self, action: pl.Expr | None = None) -> pl.Expr:
        """
        Return the hash of what a row says: its fields by name, without those that are not given.

        :param action: for orders, the action to be hashed; by default that of the row.
        """
        names = [field.name for field in self._fields if field.name not in _TIMES_OF_ORDERS and field.name != "order_status"]
        # A field that clears what ODP has says so where it has no value.
        cleared = {name: pl.col(name).fill_null(_CLEARED) for name in self._contract.cleared}
        said = [_named(name, cleared.get(name, pl.col(name))) for name in (*names, *self.lists)]
        if self._is_orders:
            said.append(_named(ACTION, pl.col(ACTION) if action is None else action))
        return text_hash(pl.concat_str(said, ignore_nulls=True))

    def _key(self) -> pl.Expr:
        return pl.concat_str(self._contract.key, separator=" ")

    def _decide(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Normalise the columns, and give each row that is not sent its reason."""
        wanted = self._absent if frame.width == len(self._names) else [n for n in (*self._deciding, ENTITY) if n in self._absent]
        texts = frame.select(*(self._normalised[name] for name in frame.columns), *(self._absent[name] for name in wanted))
        return self._decide_action(texts) if self._is_orders else texts

    def _decide_action(self, frame: pl.DataFrame) -> pl.DataFrame:
        statuses = frame["order_status"].unique().to_list()
        actions = {status: self._actions.get(fold_status(status)) for status in statuses}
        action = pl.col("order_status").replace_strict(
            list(actions), list(actions.values()), default=None, return_dtype=pl.String
        )
        return frame.with_columns(action.alias(ACTION)).with_columns(
            pl.coalesce(
                SKIP,
                pl.when(pl.col(ACTION).is_null()).then(
                    pl.format("status {} is not sent", pl.col("order_status").fill_null("(empty)"))
                ),
                pl.when(pl.col("identifier_email").is_null() & pl.col("identifier_business_user_id").is_null()).then(
                    pl.lit("nobody to attribute the order to")
                ),
            ).alias(SKIP)
        )

    @staticmethod
    def _count_statuses(frame: pl.DataFrame) -> Counter[tuple[str, str]]:
        counts = frame.group_by(pl.col("order_status").fill_null(""), pl.col(ACTION).fill_null("not sent")).len()
        return Counter({(status, action): count for status, action, count in counts.iter_rows()})


def _named(name: str, value: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{_FIELD}{name}{_VALUE}"), value)
