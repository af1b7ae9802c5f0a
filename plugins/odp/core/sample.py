"""A random sample of what ODP has acknowledged, compared with what ODP holds, field by field."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.client import OdpClient
from odp.core.exports import Export
from odp.core.masking import label, mask_addresses
from odp.core.read_back import read_back
from odp.core.rows import ENTITY, KEY
from odp.core.transform import Outcome, Transformer

_EXAMPLES = 10


@dataclass(frozen=True)
class Sampled:
    """
    A record of the sample.

    :param record_key: its key.
    :param entity_id: Commerce's id of the entity.
    :param key_hash: hash of the key.
    :param item: what ODP is expected to hold, as it was sent.
    """

    record_key: str
    entity_id: str
    key_hash: str
    item: Any


@dataclass
class SampleResult:
    """
    What ODP holds of the sample.

    :param summary: counts (``checked``, ``same``, ``not_visible``, ``different``), ``examples`` without personal data, and a
        ``note`` where ODP could not be asked.
    :param not_visible: the records that ODP does not show.
    """

    summary: dict[str, Any]
    not_visible: list[Sampled] = field(default_factory=list)


class Sample:
    """
    Draws a sample out of any number of rows, in one pass and flat memory: the rows with the lowest random numbers.

    :param size: how many records.
    :param seed: such as the run's id: the same sample for each try of a run, another one for each run.
    """

    def __init__(self, size: int, seed: str) -> None:
        self._size = size
        self._seed = zlib.crc32(seed.encode())
        self._drawn = pl.DataFrame(schema={"key_hash": pl.String, "draw": pl.UInt64})
        self._kept: pl.DataFrame | None = None

    def choose(self, rows: pl.DataFrame, candidates: pl.Series) -> pl.Series:
        """
        Tell which rows of a chunk belong to the sample so far.

        :param rows: rows with ``key_hash``.
        :param candidates: which of them may be drawn at all.
        """
        if not self._size:
            return pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True)
        drawn = rows.select("key_hash", pl.col("key_hash").hash(self._seed).alias("draw")).filter(candidates)
        if self._kept is not None and self._kept.height == self._size:
            drawn = drawn.filter(pl.col("draw") < self._kept["draw"].max())
        self._drawn = drawn.bottom_k(self._size, by="draw")
        return rows["key_hash"].is_in(self._drawn["key_hash"].implode()).fill_null(value=False)

    def keep(self, outcome: Outcome, transformer: Transformer) -> pl.Series:
        """
        Keep the chosen rows of a chunk.

        :param outcome: the chunk, transformed.
        :param transformer: transformed it.
        :return: which of the outcome's records belong to the sample.
        """
        sampled = outcome.records["key_hash"].is_in(self._drawn["key_hash"].implode())
        records = outcome.records.filter(sampled).with_columns(pl.lit("").alias("action"))
        if outcome.orders is not None:
            orders = outcome.orders.filter(sampled)
            records = records.with_columns(orders["action"], transformer.encode_updates(orders).alias("item"))
        records = records.join(self._drawn, on="key_hash").select("draw", KEY, ENTITY, "key_hash", "action", "item")
        together = records if self._kept is None else pl.concat([self._kept, records])
        self._kept = together.bottom_k(self._size, by="draw")
        return sampled

    def records(self) -> list[Sampled]:
        """Return the sample."""
        if self._kept is None:
            return []
        return [
            Sampled(key, entity, key_hash, _expected(orjson.loads(item), action))
            for _, key, entity, key_hash, action, item in self._kept.iter_rows()
        ]


def _expected(item: dict[str, Any], action: str) -> dict[str, Any]:
    # A cancel changes the amounts of its order and nothing else: of its other fields ODP holds what the purchase said.
    return {"order_id": item["order_id"]} if action == "cancel" else item


def read_sample_back(
    client: OdpClient, export: Export, records: Sequence[Sampled], overdue: Callable[[Iterable[str]], Collection[str]]
) -> SampleResult:
    """
    Read a sample back from ODP and compare it, field by field.

    :param client: the account; reads need its private key.
    :param export: what was sent.
    :param records: the sample.
    :param overdue: tells, by hashes of keys, which records ODP should show by now; the others may stay invisible.
    """
    # By number, because a record's key may be an e-mail address.
    found = read_back(client, export, [(str(at), record.item) for at, record in enumerate(records)])
    names = [label(record.record_key, record.entity_id) for record in records]
    unseen = {} if found.note else {records[int(at)].key_hash: int(at) for at in found.not_visible}
    not_visible = [unseen[key_hash] for key_hash in overdue(unseen)] if unseen else []
    different = [(int(at), fields) for at, _, fields in (line.partition(": ") for line in found.different)]
    examples = [f"{names[at]}: not in ODP" for at in not_visible] + [f"{names[at]}: other {fields}" for at, fields in different]
    return SampleResult(
        {
            "checked": found.same + len(not_visible) + len(different),
            "same": found.same,
            "not_visible": len(not_visible),
            "different": len(different),
            "examples": examples[:_EXAMPLES],
            "note": mask_addresses(found.note),
        },
        [records[at] for at in not_visible],
    )
