"""
The exports, as data. Adding one is an entry here, a mapping file, a contract and a test.

An entry says only what differs between exports; ``odp.factory`` turns each into a DAG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from odp.core.commerce import READS
from odp.core.records import (
    Business,
    BusinessUser,
    Order,
    Product,
    Profile,
    ProfileByEmail,
    ProfileByUserId,
    Record,
    Warehouse,
)
from odp.core.settings import Settings
from odp.core.user_events import UserEvent

Family = Literal["profiles", "objects", "events"]
"""The API of ODP an export uploads to: each has its own path, limits and item form."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """
    One export of Commerce data to ODP.

    :param dag_id: id of its DAG.
    :param post_processor: the Commerce post processor whose job it replaces; empty for an export that Commerce has no job for.
    :param title: name of Commerce's job, shown as the DAG's display name.
    :param summary: what a row is and why it is sent, in a sentence.
    :param sql: its mapping file in ``include/sql``.
    :param lookups: queries beside it that are read in the same snapshot, by name: what becomes of each order status, and the
        second source of orders.
    :param family: the API it uploads to.
    :param contract: what its records must be.
    :param selects_by: the times that a run's window is about, in words.
    :param schedule: cron expression of the daily run, in UTC; ``None`` for an export that runs by hand, or when
        ``include/schedules.json`` says.
    :param tags: tags of its DAG.
    """

    dag_id: str
    title: str
    summary: str
    sql: str
    family: Family
    contract: type[Record]
    post_processor: str = ""
    lookups: Mapping[str, str] = field(default_factory=dict)
    # Midnight, so that a data interval is a calendar day and `--from-date D --to-date D` backfills exactly that day.
    schedule: str | None = "0 0 * * *"
    selects_by: str = "`ModifiedOn` of the row or of rows that belong to it"
    tags: tuple[str, ...] = ("odp", "commerce")

    @property
    def path(self) -> str:
        """Path of the upload endpoint under ``/v3``."""
        return f"/objects/{self.contract.object_name}" if self.family == "objects" else f"/{self.family}"

    @property
    def targets(self) -> tuple[str, ...]:
        """Paths under ``/v3`` of all that it writes: an order that changed after its event becomes a row of the orders object."""
        return (self.path, f"/objects/{self.contract.object_name}") if self.contract is Order else (self.path,)

    @property
    def tables(self) -> tuple[str, ...]:
        """Commerce's names of the tables it reads."""
        return tuple(dict.fromkeys(table for file in (self.sql, *self.lookups.values()) for table in READS[file]))

    def contract_for(self, settings: Settings) -> type[Record]:
        """
        Return the contract under a team's settings.

        :param settings: the e-mail mode decides which identifier a profile must have.
        """
        if self.contract is Profile:
            return ProfileByEmail if settings.email_mode == "unique" else ProfileByUserId
        return self.contract


PRODUCTS = Export(
    dag_id="product_odp_export",
    post_processor="ProductOdpExport",
    title="ODP Product Export",
    summary="Products, with brand, main category, price, image and page address. Discontinued ones are sent as not active.",
    sql="products.sql",
    family="objects",
    contract=Product,
)

WAREHOUSES = Export(
    dag_id="warehouse_odp_export",
    post_processor="WarehouseOdpExport",
    title="ODP Warehouse Export",
    summary="Warehouses, with address and position.",
    sql="warehouses.sql",
    family="objects",
    contract=Warehouse,
)

ORDERS = Export(
    dag_id="order_odp_export",
    post_processor="OrderOdpExport",
    title="ODP Order Export",
    summary="Orders as purchase and cancel events, decided by order status. Carts, quotes and saved lists never go out.",
    sql="orders.sql",
    lookups={"order_status_mapping": "order_status_mapping.sql", "order_history": "order_history.sql"},
    family="events",
    contract=Order,
)

CUSTOMERS = Export(
    dag_id="customer_odp_export",
    post_processor="CustomerOdpExport",
    title="ODP Customer Export",
    summary="Commerce customers: accounts (bill-to and ship-to), not people. Guest accounts are left out.",
    sql="customers.sql",
    family="objects",
    contract=Business,
)

USER_PROFILES = Export(
    dag_id="user_profile_odp_export",
    post_processor="UserProfileOdpExport",
    title="ODP User Profile Export",
    summary="People who log in to the storefront, as ODP customer profiles. Guests are left out.",
    sql="user_profiles.sql",
    family="profiles",
    contract=Profile,
)

CUSTOMER_USER_PROFILES = Export(
    dag_id="customer_to_user_mapping_odp_export",
    post_processor="CustomerToUserMappingOdpExport",
    title="ODP Customer To User Mapping Export",
    summary="Which person may buy for which account.",
    sql="customer_user_profiles.sql",
    family="objects",
    contract=BusinessUser,
)

EXPORTS: tuple[Export, ...] = (WAREHOUSES, PRODUCTS, CUSTOMERS, USER_PROFILES, CUSTOMER_USER_PROFILES, ORDERS)
"""The six historical exports, in the order of a first load: what others refer to comes before them."""

USER_EVENTS = Export(
    dag_id="user_event_odp_export",
    title="ODP User Event Export",
    summary="What people did in the past: registrations, logins and storefront events, each once. Off until `user_events` says.",
    sql="user_events.sql",
    family="events",
    contract=UserEvent,
    schedule=None,
    selects_by="the time of the event: `CreatedOn`, `LastLoginOn` or `OccurredOn`",
)

OPTIONAL_EXPORTS: tuple[Export, ...] = (USER_EVENTS,)
"""Exports that a team switches on: no part of a first load, of the preflight or of the weekly comparison."""


def get_export(dag_id: str) -> Export:
    """
    Look an export up by the id of its DAG.

    :param dag_id: such as ``product_odp_export``.
    :raises KeyError: if there is none.
    """
    return {export.dag_id: export for export in (*EXPORTS, *OPTIONAL_EXPORTS)}[dag_id]
