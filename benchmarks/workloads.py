"""What is exported in the benchmarks, and the budgets that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Workload:
    """
    One export of the benchmarks.

    :param name: its name in tables.
    :param export_id: the DAG.
    :param family: the API it uploads to.
    :param share: how many rows of it there are for each row that is asked for.
    :param seed: the seed scripts, with their rows for each row of the workload.
    """

    name: str
    export_id: str
    family: str
    share: float = 1.0
    seed: Mapping[str, float]

    def rows(self, size: int) -> int:
        """
        Return the rows of this workload in a benchmark of a size.

        :param size: rows that were asked for.
        """
        return max(1, int(size * self.share))


PROFILES = Workload(name="profiles", export_id="user_profile_odp_export", family="profiles", seed={"user_profiles": 1})
CUSTOMERS = Workload(name="customers", export_id="customer_odp_export", family="objects", seed={"customers": 1})
PRODUCTS = Workload(name="products", export_id="product_odp_export", family="objects", seed={"products": 1})
ORDERS = Workload(
    # As many lines as the others have rows.
    name="orders",
    export_id="order_odp_export",
    family="events",
    share=0.2,
    seed={"user_profiles": 0.25, "orders": 1},
)

WORKLOADS = {workload.name: workload for workload in (PROFILES, CUSTOMERS, PRODUCTS, ORDERS)}
