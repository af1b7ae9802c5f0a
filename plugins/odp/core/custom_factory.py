"""
Mode B of custom properties: values computed from the rows, as they stream by.

A team's function ``make_enricher(context)`` is called once for each part. What it returns is called once for each chunk of the
part's rows, with a polars frame, and returns a frame of more columns; or once for each row, with a mapping for a mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.columns import check
from odp.core.contract import ContractField, contract_fields
from odp.core.custom_functions import CustomFunction, guarded
from odp.core.custom_values import read_text, text_of, texts_of
from odp.core.exceptions import CustomPropertyError
from odp.core.fields import BOOLEAN, NUMBER, TIMESTAMP
from odp.core.order_lines import ITEM_PREFIX
from odp.core.records import OrderItem, Record
from odp.core.replica import LIST_SEPARATOR
from odp.core.rows import ENTITY


@dataclass(frozen=True)
class EnricherContext:
    """
    What a factory is told about the part its function will work on.

    :param export_id: id of the export's DAG.
    :param part: number of the part.
    :param from_: start of the run's window of ModifiedOn; ``None`` for none.
    :param to: end of the window, which is no longer part of it; ``None`` for none.
    :param columns: names of the columns that each row will have.
    """

    export_id: str
    part: int
    from_: datetime | None
    to: datetime | None
    columns: Sequence[str]


class Enricher:
    """
    What a factory made for one part.

    :param function: the factory.
    :param per_row: whether its function takes a row, instead of a chunk of them.
    :param contract: the contract of the run, with the custom fields.
    :param lists: columns that hold the values of an order's lines.
    :param part: number of the part.
    :param window: start and end of the run's window.
    :raises CustomFunctionError: if the factory raises an error.
    :raises CustomPropertyError: if it does not return a function.
    """

    def __init__(
        self,
        function: CustomFunction,
        *,
        per_row: bool,
        contract: type[Record],
        lists: Sequence[str],
        part: int,
        window: tuple[datetime | None, datetime | None],
    ) -> None:
        self._function = function
        self._per_row = per_row
        fields = contract_fields(contract)
        self._kinds = {field.name: field.kind.name for field in fields}
        self._typed = [pl.col(ENTITY), *map(_typed, fields), *map(_typed_list, lists)]
        columns = (ENTITY, *self._kinds, *lists)
        self._enrich: Callable[[Any], Any] = function(EnricherContext(function.export_id, part, *window, columns))
        if not callable(self._enrich):
            raise CustomPropertyError(
                f"{function.origin} returned a {type(self._enrich).__name__}, and not a function.",
                f"Return the function that takes a {'row' if per_row else 'chunk of rows'}.",
            )

    def values_of(self, texts: pl.DataFrame) -> pl.DataFrame:
        """
        Return the values for some rows: a column of text for each field that was given, as many rows as there are.

        :param texts: the rows, as normalised text.
        :raises CustomFunctionError: if the team's function raises an error.
        :raises CustomPropertyError: if it returns something else than it has to.
        """
        rows = texts.select(self._typed)
        return self._of_rows(rows) if self._per_row else self._of_chunk(rows)

    def _of_chunk(self, rows: pl.DataFrame) -> pl.DataFrame:
        returned = guarded(self._function, self._enrich, rows)
        origin = self._function.origin
        if not isinstance(returned, pl.DataFrame):
            raise CustomPropertyError(
                f"The function that {origin} made returned a {type(returned).__name__}, and not a polars frame.",
                'Return one, with as many rows; for one row at a time, set factory_calls to "row".',
            )
        if returned.columns and returned.height != rows.height:
            raise CustomPropertyError(
                f"The function that {origin} made returned {returned.height} rows for {rows.height}.",
                "Return one row for each, in the same order: join with how='left' and maintain_order='left'.",
            )
        self._function.refuse_undeclared(set(returned.columns))
        return pl.DataFrame([texts_of(column, self._kinds[column.name], origin) for column in returned])

    def _of_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns: dict[str, list[str | None]] = {name: [] for name in self._function.fields}
        for row in rows.iter_rows(named=True):
            returned = guarded(self._function, self._enrich, row)
            values = {} if returned is None else returned
            if not isinstance(values, Mapping):
                raise CustomPropertyError(
                    f"The function that {self._function.origin} made returned a {type(values).__name__} for a row.",
                    'Return a mapping of field to value; for a chunk of rows at a time, set factory_calls to "chunk".',
                )
            self._function.refuse_undeclared(set(values) - columns.keys())
            for name, texts in columns.items():
                texts.append(self._text(name, values.get(name)))
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        return frame.select(read_text(pl.col(name), self._kinds[name]) for name in columns)

    def _text(self, name: str, value: Any) -> str | None:
        try:
            return text_of(value)
        except TypeError as error:
            raise CustomPropertyError(f"The function that {self._function.origin} made {error}: field {name}.") from None


def _typed(field: ContractField) -> pl.Expr:
    """Return a field's values as what they are: numbers, truth values, times."""
    value = check(field).value
    # Seconds to microseconds: polars has no coarser time that covers the years 1 to 9999.
    return pl.from_epoch(value, time_unit="s").dt.replace_time_zone("UTC").alias(field.name) if field.kind is TIMESTAMP else value


def _typed_list(name: str) -> pl.Expr:
    kinds = {f"{ITEM_PREFIX}{field.name}": field.kind for field in contract_fields(OrderItem)}
    types = {NUMBER.name: pl.Float64, BOOLEAN.name: pl.Boolean}
    values = pl.col(name).str.split(LIST_SEPARATOR)
    return values.cast(pl.List(types.get(kinds[name].name, pl.String)), strict=False) if name in kinds else values
