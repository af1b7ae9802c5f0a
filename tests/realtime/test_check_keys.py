"""The command that compares the keys of Commerce's own feed, as ODP shows them, with those of the exports."""

from __future__ import annotations

import orjson
import pytest

from odp.check_keys import main
from odp.core.odp_schema import ensure_schema
from odp.core.records import Product
from odp.hooks.odp import OdpHook
from sandbox.odp.server import SandboxOdp
from tests.core.extraction import uid
from tests.realtime.conftest import Shop
from tests.realtime.test_operator import add_orders, add_product, deliver

EXPORTS = (
    *("warehouse_odp_export", "product_odp_export", "customer_odp_export"),
    *("user_profile_odp_export", "customer_to_user_mapping_odp_export", "order_odp_export"),
)


@pytest.fixture
def other_feed(shop: Shop, account: SandboxOdp) -> Shop:
    """A shop whose products, orders and people ODP has, by the keys of the exports; but not the latest product."""
    shop.execute(
        *(add_product(number) for number in (1, 0xABC)),
        *add_orders(1, 3),
        f"INSERT INTO UserProfile (Id, UserName, Email, ModifiedOn) VALUES ('{uid(1)}', 'ana', ' Ana@Example.com', now())",
    )
    shop.look()
    deliver("another feed")
    shop.execute(
        add_product(9),
        "UPDATE CustomerOrder SET Status = 'Cart' WHERE OrderNumber = 'W3'",  # which no feed sends
    )
    return shop


def test_each_export_says_what_odp_has(other_feed: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert tuple(line.partition(":")[0] for line in lines) == EXPORTS
    assert "product_odp_export: ODP has 2 of 3 by product_id" in lines
    assert "order_odp_export: ODP has 2 of 2 by order_id" in lines
    assert "user_profile_odp_export: ODP has 1 of 1 by email" in lines
    assert "warehouse_odp_export: no row of that time to look for" in lines


def test_a_feed_that_writes_ids_in_capital_letters(shop: Shop, account: SandboxOdp, capsys: pytest.CaptureFixture[str]) -> None:
    shop.execute(add_product(0xABC), add_product(0xDEF))
    client = OdpHook().get_client()
    ensure_schema(client, Product)
    assert (
        client.upload("/objects/products", orjson.dumps([{"product_id": str(uid(0xABC)).upper(), "name": "Bolt"}])).status == 202
    )
    main(["--rows", "5"])
    line = "product_odp_export: ODP has 0 of 2 by product_id, and 1 by the same in capital letters"
    assert line in capsys.readouterr().out.splitlines()


def test_an_odp_that_cannot_be_asked(shop: Shop, account: SandboxOdp, capsys: pytest.CaptureFixture[str]) -> None:
    shop.execute(add_product(1))
    account.faults(path="/v3/graphql", status=500, count=50)
    main([])
    assert "product_odp_export: ODP did not accept POST /graphql" in capsys.readouterr().out
