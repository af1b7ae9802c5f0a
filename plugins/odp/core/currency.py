"""
Currencies: amounts of orders as they are, or converted by the order's ``ConversionRate``.

The mapping files convert by the placeholders ``convert_to`` and ``convert_by``; this module holds the setting and leaves
the column of the original currency out where nothing is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from odp.core.contract import Column

ORIGINAL_CURRENCY = "original_currency"


class CurrencyConversion(BaseModel):
    """Into which currency the amounts of orders are converted, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = Field(pattern=r"^[A-Za-z]{3}$", description="Code of the currency that all amounts are sent in, such as USD.")
    by: Literal["multiply", "divide"] = Field(
        description="What turns an amount in the order's currency into one in this currency: to multiply it by "
        "CustomerOrder.ConversionRate, or to divide it."
    )


def parameters(conversion: CurrencyConversion | None) -> dict[str, str]:
    """
    Return the values of the placeholders.

    :param conversion: the setting; ``None`` to convert nothing.
    """
    return {"convert_to": conversion.to.upper() if conversion else "", "convert_by": conversion.by if conversion else ""}


def without_unused(columns: Sequence[Column], conversion: CurrencyConversion | None) -> tuple[Column, ...]:
    """
    Leave out the column of the original currency, unless amounts are converted: no field of that name appears in ODP.

    :param columns: the columns of a mapping file.
    :param conversion: the setting.
    """
    return tuple(column for column in columns if conversion or column.name != ORIGINAL_CURRENCY)
