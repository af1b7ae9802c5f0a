"""Custom values, merged into the rows of a part: the table CustomProperty, then Mode A, then Mode B; the later one wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.contract import LIST, Column
from odp.core.custom_factory import Enricher
from odp.core.custom_functions import CustomFunction, load_function
from odp.core.custom_plan import CustomPlan
from odp.core.custom_preload import PreloadFilter, ask_preload, read_staged_values
from odp.core.custom_properties import ID
from odp.core.custom_queries import entity_ids
from odp.core.exceptions import CustomPropertyError
from odp.core.exports import Export
from odp.core.records import Record
from odp.core.rows import ENTITY, RowReader
from odp.core.staging import Staging
from odp.core.window import Window

Merge = Callable[[pl.DataFrame], pl.DataFrame]
"""Adds custom values to the rows of a chunk, given and returned as normalised text."""


class CustomValues:
    """
    The custom values of a run.

    :param export: the export.
    :param plan: its custom fields.
    :param contract: the contract of the run, with the custom fields.
    :param columns: the columns that were extracted.
    :param window: the run's window.
    :raises CustomPropertyError: if a team's file is no longer what it was when the rows were read.
    """

    def __init__(
        self, export: Export, plan: CustomPlan, contract: type[Record], columns: Sequence[Column], window: Window
    ) -> None:
        self._plan = plan
        self._contract = contract
        self._columns = columns
        self._window = window
        self._preload = self._load(plan.preload, export) if plan.preload else None
        self._factory = self._load(plan.factory, export) if plan.factory else None

    def of_part(self, part: Mapping[str, Any], staging: Staging) -> Merge:
        """
        Return what merges the values of a part.

        :param part: the part, as extract listed it.
        :param staging: the run's folder.
        :raises CustomFunctionError: if a team's function raises an error.
        :raises CustomPropertyError: if a team's query or function gives something that cannot be sent.
        """
        number = part["part"]
        by_entity = [read_staged_values(staged, number, self._plan.kinds, staging) for staged in self._plan.staged]
        if self._preload:
            reader = RowReader(self._contract, self._columns)
            ids = entity_ids(reader, part["file"], staging)
            values = ask_preload(self._preload, PreloadFilter(ids, self._window.start, self._window.end), self._plan.kinds)
            by_entity += [] if values is None else [values]
        enricher = self._enricher(self._factory, number) if self._factory else None

        def merge(texts: pl.DataFrame) -> pl.DataFrame:
            for values in by_entity:
                texts = _put(texts, texts.select(pl.col(ENTITY).alias(ID)).join(values, on=ID, how="left", maintain_order="left"))
            return _put(texts, enricher.values_of(texts)) if enricher and texts.height else texts

        return merge

    def _load(self, name: str, export: Export) -> CustomFunction:
        function = load_function(name, export.dag_id)
        if new := sorted(function.fields.keys() - self._plan.kinds.keys()):
            raise CustomPropertyError(
                f"{function.origin} declares {', '.join(new)}, which it did not when the rows were read.",
                "Clear the extract task of this run to read them again.",
            )
        return function

    def _enricher(self, factory: CustomFunction, part: int) -> Enricher:
        return Enricher(
            factory,
            per_row=self._plan.factory_calls == "row",
            contract=self._contract,
            lists=[column.name for column in self._columns if column.kind == LIST],
            part=part,
            window=(self._window.start, self._window.end),
        )


def _put(texts: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Put values into their columns, where there are any."""
    names = [name for name in values.columns if name != ID]
    if not names:
        return texts
    both = texts.select(names).hstack(values.select(pl.col(name).alias(f"{name}\0") for name in names))
    return texts.with_columns(both.select(pl.coalesce(f"{name}\0", name).alias(name) for name in names))
