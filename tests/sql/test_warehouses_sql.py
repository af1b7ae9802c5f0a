"""warehouses.sql: one row per warehouse."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.sql.replica import NOW, Replica


def test_every_field(replica: Replica) -> None:
    warehouse = replica.add(
        "Warehouse",
        Name="MAIN",
        Description="Main warehouse",
        ContactName="Ana Ruiz",
        ShipSite="M1",
        Address1="1 Main St",
        Address2="Dock 4",
        City="Springfield",
        State="IL",
        PostalCode="62701",
        CountryId=replica.add("Country", IsoCode2="US"),
        Phone="555-0100",
        Hours="8-5",
        Latitude=Decimal("39.799017"),
        Longitude=Decimal("-89.643957"),
        IsDefault=True,
        AllowPickup=False,
    )

    assert replica.row("warehouses.sql") == {
        "warehouse_id": warehouse,
        "name": "MAIN",
        "description": "Main warehouse",
        "contact_name": "Ana Ruiz",
        "ship_site": "M1",
        "street1": "1 Main St",
        "street2": "Dock 4",
        "city": "Springfield",
        "state": "IL",
        "zip": "62701",
        "country": "US",
        "phone": "555-0100",
        "hours": "8-5",
        "latitude": Decimal("39.799017"),
        "longitude": Decimal("-89.643957"),
        "is_default": True,
        "allow_pickup": False,
        "is_active": True,
    }


@pytest.mark.parametrize(
    ("latitude", "longitude", "sent"),
    [(0, 0, (None, None)), (0, 9, (0, 9)), (51, 0, (51, 0)), (None, 0, (None, 0)), (None, None, (None, None))],
)
def test_a_position_of_zero_and_zero_is_none(
    replica: Replica, latitude: int | None, longitude: int | None, sent: tuple[int | None, int | None]
) -> None:
    replica.add("Warehouse", Latitude=latitude, Longitude=longitude)

    row = replica.row("warehouses.sql")

    assert (row["latitude"], row["longitude"]) == sent


@pytest.mark.parametrize(("days", "active"), [(None, True), (1, True), (0, False), (-1, False)])
def test_is_active_until_deactivated(replica: Replica, days: int | None, active: bool) -> None:
    replica.add("Warehouse", DeactivateOn=None if days is None else NOW + timedelta(days=days))

    assert replica.row("warehouses.sql")["is_active"] is active
