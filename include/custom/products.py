"""
Mode B of custom properties, a chunk of rows at a time: what a sale takes off a product's price.

To use it::

    {"exports": {"product_odp_export": {"custom": {"factory": "products.py:make_enricher"}}}}

Working on whole columns, it costs about a microsecond a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from odp.core.custom_factory import EnricherContext

if TYPE_CHECKING:
    import polars as pl

FIELDS = {"sale_percent": "number", "price_band": "string"}
"""Each field that the functions of this file give, and its type: string, number, boolean or timestamp."""


def make_enricher(context: EnricherContext) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """
    Make the function for one part of the rows. What takes long, such as reading a price list, belongs here.

    :param context: the export, the part, the run's window, and the columns that rows have.
    """
    import polars as pl

    sale = pl.col("sale_price") / pl.col("price")
    band = pl.when(pl.col("price") < 10).then(pl.lit("low")).when(pl.col("price") < 100).then(pl.lit("medium"))

    def enrich(rows: pl.DataFrame) -> pl.DataFrame:
        """
        Return more columns, one row for each row given and in the same order; null where there is no value.

        :param rows: the rows as they would be sent, with the values of CustomProperty and Mode A.
        """
        return rows.select(
            pl.when(pl.col("price") > 0).then((100 - 100 * sale).round(1)).alias("sale_percent"),
            pl.when(pl.col("price").is_not_null()).then(band.otherwise(pl.lit("high"))).alias("price_band"),
        )

    return enrich
