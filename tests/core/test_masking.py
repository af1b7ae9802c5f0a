"""Names of records without personal data."""

from __future__ import annotations

import pytest

from odp.core.masking import label, mask_addresses


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ana.ruiz@example.com", "a***@e***"),
        ("x@y", "x***@y***"),
        ("W00001234", "W00001234"),
        ("", ""),
        ("no profile for ana@example.com, nor for BO@EXAMPLE.ORG.", "no profile for a***@e***, nor for B***@E***."),
        ("größe.ärmel@bücher.example", "g***@b***"),
    ],
)
def test_addresses_are_masked_and_the_rest_stays(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked


@pytest.mark.parametrize(
    ("record_key", "entity_id", "name"),
    [
        ("W00001234", "3f2a", "W00001234"),
        ("ana@example.com", "3f2a", "3f2a"),
        ("ana@example.com", "ana@example.com", "a***@e***"),
    ],
    ids=["a key", "an address of a known entity", "an address alone"],
)
def test_a_record_is_named_without_its_address(record_key: str, entity_id: str, name: str) -> None:
    assert label(record_key, entity_id) == name
