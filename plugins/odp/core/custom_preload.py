"""
Mode A of custom properties: values by entity, for a whole part at a time, before its rows are read.

A team's function ``preload(filter)`` returns entity id to field to value; a query gives the same as rows that extract has staged.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.custom_functions import CustomFunction
from odp.core.custom_plan import StagedColumns
from odp.core.custom_properties import ID
from odp.core.custom_values import read_text, text_of
from odp.core.exceptions import CustomPropertyError
from odp.core.fields import TEXT
from odp.core.staging import Staging, read_frames

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreloadFilter:
    """
    Which entities a preload is asked about.

    :param ids: Commerce's ids of the entities, as text in lower case. All that the part has, none besides.
    :param from_: start of the run's window of ModifiedOn; ``None`` for none.
    :param to: end of the window, which is no longer part of it; ``None`` for none.
    """

    ids: Sequence[str]
    from_: datetime | None
    to: datetime | None


def ask_preload(function: CustomFunction, wanted: PreloadFilter, kinds: Mapping[str, str]) -> pl.DataFrame | None:
    """
    Ask a team's function for the values of some entities.

    :param function: the function.
    :param wanted: which entities.
    :param kinds: kind of each field.
    :return: ``id`` and a column of text for each field that it may give; ``None`` if it says that it is off.
    :raises CustomFunctionError: if it raises an error.
    :raises CustomPropertyError: if it returns something else than values by field by entity.
    """
    returned = function(wanted)
    if returned is None:
        return None
    if not isinstance(returned, Mapping):
        raise _wrong(function, f"returned a {type(returned).__name__}")
    columns: dict[str, list[str | None]] = {name: [] for name in sorted(function.fields)}
    known, ids = set(wanted.ids), []
    for entity, values in returned.items():
        entity_id = str(entity).strip().lower()
        if entity_id not in known:
            continue
        if not isinstance(values, Mapping):
            raise _wrong(function, f"returned a {type(values).__name__} for entity {entity_id}")
        function.refuse_undeclared(set(values) - columns.keys())
        ids.append(entity_id)
        for name, texts in columns.items():
            try:
                texts.append(text_of(values.get(name)))
            except TypeError as error:
                raise _wrong(function, f"{error}: field {name} of entity {entity_id}") from None
    if unknown := len(returned) - len(ids):
        log.info("%s: %s entities that it was not asked about are left out", function.origin, unknown)
    frame = pl.DataFrame({ID: ids, **columns}, schema=dict.fromkeys((ID, *columns), pl.String))
    return _unique(frame.with_columns(read_text(pl.col(name), kinds[name]).alias(name) for name in columns), function.origin)


def read_staged_values(staged: StagedColumns, part: int, kinds: Mapping[str, str], staging: Staging) -> pl.DataFrame:
    """
    Read what a query gave for a part.

    :param staged: the query's columns.
    :param part: number of the part.
    :param kinds: kind of each field.
    :param staging: the run's folder.
    :return: ``id`` and a column of text for each field.
    :raises CustomPropertyError: if the query gave several rows for one entity.
    """
    schema = dict.fromkeys((ID, *(name for name, _ in staged.columns)), pl.String)
    frames = [pl.DataFrame(schema=schema)]
    with staging.read(staged.file_of(part)) as file:
        for block in read_frames(file):
            frames.append(pl.read_csv(io.BytesIO(block), has_header=False, schema=schema, raise_if_empty=False))
    # What PostgreSQL knows to be no text is written as contracts read it.
    texts = [name for name, kind in staged.columns if kind == TEXT.name]
    values = pl.concat(frames).with_columns(read_text(pl.col(name), kinds[name]).alias(name) for name in texts)
    return _unique(values, staged.origin)


def _unique(values: pl.DataFrame, origin: str) -> pl.DataFrame:
    repeated = values.filter(pl.col(ID).is_duplicated())[ID]
    if not repeated.is_empty():
        raise CustomPropertyError(
            f"{origin} gives several rows for one entity, such as {repeated[0]}.", "Aggregate them: one row for each entity."
        )
    return values


def _wrong(function: CustomFunction, what: str) -> CustomPropertyError:
    return CustomPropertyError(
        f"The values that {function.origin} preloads cannot be read: it {what}.",
        "Return a mapping: entity id to a mapping of field to value; or None to be off.",
    )
