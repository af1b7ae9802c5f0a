"""What a team may say about custom properties."""

from __future__ import annotations

from typing import Any

import pytest

from odp.core.custom_settings import CustomSettings, PropertySettings
from odp.core.exceptions import SettingsError
from odp.core.settings import read_settings


def custom(**settings: Any) -> CustomSettings:
    read = read_settings({"exports": {"product_odp_export": {"custom": settings}}})
    return read.for_export("product_odp_export").custom


def test_without_them_nothing_is_used() -> None:
    assert not custom().are_used
    assert not read_settings(None).for_export("order_odp_export").custom.are_used


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("*", {"*": PropertySettings()}),
        (["HazardClass", " Is Heavy "], {"HazardClass": PropertySettings(), "Is Heavy": PropertySettings()}),
        ({"ecoScore": "number"}, {"ecoScore": PropertySettings(type="number")}),
        ({"*": "string", "Notes": None}, {"*": PropertySettings(), "Notes": None}),
        ({"IsB2B": {"type": "boolean", "field": "is_b2b"}}, {"IsB2B": PropertySettings(type="boolean", field="is_b2b")}),
    ],
)
def test_properties_are_a_list_or_names_with_types(given: Any, read: dict[str, Any]) -> None:
    assert custom(properties=given).properties == read


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"properties": {"ecoScore": "decimal"}}, "'string', 'number', 'boolean' or 'timestamp'"),
        ({"properties": {"*": {"field": "x"}}}, "cannot share the field x"),
        ({"properties": [""]}, "a name that is empty"),
        ({"properties": {"a": {"field": "Bad Name"}}}, "field"),
        ({"prefix": "X-"}, "prefix"),
        ({"preload": "../../etc/passwd.sql"}, "preload"),
        ({"preload": "os.system"}, "preload"),
        ({"factory": "a/b.py:f"}, "factory"),
        ({"factory": "products.sql"}, "factory"),
        ({"factory_calls": "batch"}, "factory_calls"),
        ({"missing": "blank"}, "missing"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=r"exports\.product_odp_export\.custom") as error:
        custom(**settings)
    assert named in str(error.value)
