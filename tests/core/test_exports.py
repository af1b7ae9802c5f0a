"""The registry of exports."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from odp.core.commerce import READS
from odp.core.contract import contract_fields
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, USER_PROFILES, Export, get_export
from odp.core.records import ProfileByEmail, ProfileByUserId
from odp.core.settings import Settings
from sandbox.world import PROJECT

TABLE = {
    "product_odp_export": ("ProductOdpExport", "products.sql", "/objects/products", ("product_id",)),
    "warehouse_odp_export": ("WarehouseOdpExport", "warehouses.sql", "/objects/warehouses", ("warehouse_id",)),
    "order_odp_export": ("OrderOdpExport", "orders.sql", "/events", ("order_id",)),
    "customer_odp_export": ("CustomerOdpExport", "customers.sql", "/objects/businesses", ("business_id",)),
    "user_profile_odp_export": ("UserProfileOdpExport", "user_profiles.sql", "/profiles", ("email",)),
    "customer_to_user_mapping_odp_export": (
        "CustomerToUserMappingOdpExport",
        "customer_user_profiles.sql",
        "/objects/business_users",
        ("business_id", "user_id"),
    ),
}
ANY_EXPORT = pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)


def test_the_six_post_processors_have_their_dag_file_target_and_key() -> None:
    assert {
        export.dag_id: (export.post_processor, export.sql, export.path, export.contract_for(Settings()).key) for export in EXPORTS
    } == TABLE


def test_what_others_refer_to_comes_first() -> None:
    order = [export.dag_id for export in EXPORTS]
    for first, later in (
        ("warehouse_odp_export", "product_odp_export"),
        ("product_odp_export", "order_odp_export"),
        ("customer_odp_export", "customer_to_user_mapping_odp_export"),
        ("user_profile_odp_export", "customer_to_user_mapping_odp_export"),
        ("customer_to_user_mapping_odp_export", "order_odp_export"),
    ):
        assert order.index(first) < order.index(later)


@ANY_EXPORT
def test_an_export_has_what_it_names(export: Export) -> None:
    for file in (export.sql, *export.lookups.values()):
        assert (PROJECT / "include" / "sql" / file).is_file()
        assert READS[file]
    assert export.summary.endswith(".")
    assert export.title.startswith("ODP ")
    assert get_export(export.dag_id) is export


def test_only_orders_are_read_with_the_status_mapping() -> None:
    assert {export.dag_id for export in EXPORTS if export.lookups} == {"order_odp_export"}
    assert ORDERS.lookups == {"order_status_mapping": "order_status_mapping.sql", "order_history": "order_history.sql"}


@ANY_EXPORT
def test_standard_fields_and_key_are_fields_of_the_contract_in_every_mode(export: Export) -> None:
    for settings in (Settings(), Settings(email_mode="non_unique")):
        contract = export.contract_for(settings)
        assert set(contract.key) <= {field.name for field in contract_fields(contract) if field.required}


def test_the_e_mail_mode_decides_the_contract_of_profiles_alone() -> None:
    assert USER_PROFILES.contract_for(Settings()) is ProfileByEmail
    assert USER_PROFILES.contract_for(Settings(email_mode="non_unique")) is ProfileByUserId
    assert PRODUCTS.contract_for(Settings(email_mode="non_unique")) is PRODUCTS.contract


def test_an_unknown_export_is_an_error_and_an_entry_cannot_be_changed() -> None:
    with pytest.raises((KeyError, StopIteration)):
        get_export("products")
    with pytest.raises(FrozenInstanceError):
        PRODUCTS.dag_id = "other"  # type: ignore[misc]
