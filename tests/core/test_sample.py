"""Samples drawn out of many rows in one pass."""

from __future__ import annotations

from collections import Counter

import polars as pl  # noqa: TID253
import pytest

from odp.core.ledger import hash_text
from odp.core.records import Order, Warehouse
from odp.core.sample import Sample
from tests.core.staged import columns_of, csv_of, order, transformer_of, warehouse


def draw(size: int, seed: str, chunks: int = 5, rows: int = 40, unfit: frozenset[str] = frozenset()) -> list[str]:
    """Return the keys of a sample out of chunks of warehouses."""
    sample, transformer = Sample(size, seed), transformer_of(Warehouse)
    columns = columns_of(Warehouse)
    for chunk in range(chunks):
        keys = [f"w-{chunk * rows + at}" for at in range(rows)]
        content = csv_of([warehouse(key).get(column.name) for column in columns] for key in keys)

        def choose(texts: pl.DataFrame) -> pl.Series:
            return sample.choose(texts, ~texts["record_key"].is_in(list(unfit)))

        outcome = transformer.transform(content, transformer.superseded_rows(iter([content])), 0, choose)
        assert sample.keep(outcome, transformer).all()
        assert outcome.records.height <= size
    return [record.record_key for record in sample.records()]


def test_it_has_its_size_and_no_record_twice() -> None:
    drawn = draw(30, "a run")
    assert len(drawn) == len(set(drawn)) == 30


@pytest.mark.parametrize(("size", "rows"), [(0, 40), (500, 40)])
def test_it_has_all_or_none_where_its_size_says_so(size: int, rows: int) -> None:
    assert len(draw(size, "a run", chunks=2, rows=rows)) == min(size, 2 * rows)


def test_it_is_the_same_for_each_try_of_a_run_and_another_one_for_another_run() -> None:
    assert draw(20, "a run") == draw(20, "a run")
    assert set(draw(20, "a run")) != set(draw(20, "another run"))


def test_it_does_not_depend_on_how_the_rows_are_cut() -> None:
    assert set(draw(20, "a run", chunks=5, rows=40)) == set(draw(20, "a run", chunks=20, rows=10))


def test_every_row_may_be_drawn() -> None:
    """Two hundred samples of a tenth: no row is left out, and none is drawn much oftener than its share of 20."""
    counts = Counter(key for seed in range(200) for key in draw(4, str(seed), chunks=4, rows=10))
    assert len(counts) == 40
    assert max(counts.values()) < 45


def test_rows_that_are_no_candidates_are_never_drawn() -> None:
    unfit = frozenset(f"w-{at}" for at in range(0, 200, 2))
    assert not unfit & set(draw(100, "a run", unfit=unfit))


def test_of_orders_it_expects_the_header_and_of_cancelled_ones_their_existence() -> None:
    sample, transformer, columns = Sample(10, "a run"), transformer_of(Order), columns_of(Order)
    rows = [order("1", first_name="Ana"), order("2", order_status="CancellationRequested", first_name="Bo")]
    content = csv_of([row.get(column.name) for column in columns] for row in rows)
    outcome = transformer.transform(
        content,
        transformer.superseded_rows(iter([content])),
        0,
        lambda texts: sample.choose(texts, pl.repeat(True, texts.height, dtype=pl.Boolean, eager=True)),
    )
    sample.keep(outcome, transformer)
    expected = {record.record_key: record.item for record in sample.records()}
    assert expected["2"] == {"order_id": "2"}
    assert expected["1"] | {"order_id": "1", "first_name": "Ana", "total": 30.0} == expected["1"]
    assert {record.key_hash for record in sample.records()} == {hash_text("1"), hash_text("2")}
