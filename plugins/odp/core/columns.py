"""
A contract's checks as polars expressions: whole columns at a time.

Both readers of a contract, pydantic and these expressions, see the same text (``normalise``), accept the same values and
produce the same results; a property test holds them together. Only rows that fail here meet pydantic, for its message.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time
import polars_hash  # noqa: F401 - adds Expr.chash

from odp.core.contract import ContractField
from odp.core.fields import (
    BOOLEAN,
    EMAIL,
    FIRST_SECOND,
    IDENTIFIER,
    LAST_SECOND,
    MAX_TEXT,
    NUMBER,
    TEXT,
    TIMESTAMP,
    TRUE_WORDS,
    Kind,
)
from odp.core.ledger import HASH_DIGITS


def normalised(names: Iterable[str], fields: Iterable[ContractField], but_not: Container[str] = ()) -> dict[str, pl.Expr]:
    """
    Return the expressions that trim text, turn empty text into "not given", and lower-case e-mail identifiers.

    :param names: names of columns of text as they came from CSV.
    :param fields: the contract's fields; columns of other names are trimmed as text.
    :param but_not: columns to leave as they are.
    :return: an expression for each name.
    """
    emails = {field.name for field in fields if field.kind is EMAIL}

    def normal(name: str) -> pl.Expr:
        text = pl.col(name)
        if name in but_not:
            return text
        text = text.str.strip_chars()
        return (text.str.to_lowercase() if name in emails else text).replace("", None)

    return {name: normal(name) for name in names}


def normalise(frame: pl.DataFrame, fields: Iterable[ContractField]) -> pl.DataFrame:
    """
    Normalise all columns (:func:`normalised`).

    :param frame: columns of text as they came from CSV.
    :param fields: the contract's fields.
    """
    return frame.with_columns(normalised(frame.columns, fields).values())


def cut_long_texts(frame: pl.DataFrame, fields: Iterable[ContractField]) -> tuple[pl.DataFrame, int]:
    """
    Cut text that ODP would not hold.

    :param frame: normalised columns.
    :param fields: the contract's fields; only those of kind text are cut.
    :return: the frame, and how many values were cut.
    """
    names = [field.name for field in fields if field.kind is TEXT and field.name in frame.columns]
    long = frame.select(pl.col(name).str.len_chars() > MAX_TEXT for name in names)
    counts = long.sum().row(0) if names else ()
    affected = [name for name, count in zip(names, counts, strict=True) if count]
    if not affected:
        return frame, 0
    # Cutting can leave a space at the new end, which no trimmed text has.
    return frame.with_columns(pl.col(affected).str.head(MAX_TEXT).str.strip_chars_end()), sum(filter(None, counts))


@dataclass(frozen=True)
class Check:
    """
    The two expressions of a field.

    :param value: the typed value.
    :param valid: whether the text is acceptable, never null.
    """

    value: pl.Expr
    valid: pl.Expr


def check(field: ContractField) -> Check:
    """Return the expressions that read and check a field's column."""
    text = pl.col(field.name)
    value, matches = _read(field.kind, text)
    valid = text.is_not_null() & matches if field.required else text.is_null() | matches
    return Check(value.alias(field.name), valid.fill_null(value=False))


def _read(kind: Kind, text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    whole = f"^(?:{kind.pattern})$"
    if kind is TEXT:
        return text, text.str.len_chars() <= MAX_TEXT
    if kind is IDENTIFIER:
        return text, text.str.len_chars().is_between(1, MAX_TEXT)
    if kind is NUMBER:
        number = text.cast(pl.Float64, strict=False)
        return number, text.str.contains(whole) & number.is_finite()
    if kind is BOOLEAN:
        return text.is_in(TRUE_WORDS), text.str.contains(whole)
    if kind is TIMESTAMP:
        second = text.cast(pl.Int64, strict=False)
        return second, text.str.contains(whole) & second.is_between(FIRST_SECOND, LAST_SECOND)
    return text, text.str.contains(whole)


def missing_as_null(frame: pl.DataFrame, fields: Sequence[ContractField]) -> pl.DataFrame:
    """Add a column without values for each field that the mapping file does not select."""
    absent = [field.name for field in fields if field.name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)


def text_hash(text: pl.Expr) -> pl.Expr:
    """Return the hashes of texts, as :func:`odp.core.ledger.hash_text` makes them."""
    return text.chash.sha2_256().str.head(HASH_DIGITS)  # type: ignore[attr-defined]


def text_number(text: pl.Expr) -> pl.Expr:
    """Return 128-bit numbers by which texts are told apart inside of a process; null for null."""
    return text.nchash.xxh3_128()  # type: ignore[attr-defined]
