"""Masking personal data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odp.core.exports import EXPORTS
from odp.core.personal_data import MASK, holds_personal_data, mask_payload, mask_text

GUID = "0f0e8a52-7a0c-4d0e-9a53-5f2f0d6b8c11"


def test_only_products_are_not_about_people() -> None:
    assert [export.dag_id for export in EXPORTS if not holds_personal_data(export.contract)] == ["product_odp_export"]


def test_texts_are_masked_and_the_form_stays() -> None:
    payload = {
        "identifiers": {"email": "ana@x.org", "business_user_id": GUID},
        "attributes": {"first_name": "Ana", "is_active": True, "created_at": 1690000000, "note": None, "empty": ""},
        "items": [{"product_id": "P-1", "price": 2.5, "engraving": "for Ana"}],
        "country": "ES",
    }
    assert mask_payload(payload) == {
        "identifiers": {"email": f"{MASK} (9 characters)", "business_user_id": GUID},
        "attributes": {
            "first_name": f"{MASK} (3 characters)",
            "is_active": True,
            "created_at": 1690000000,
            "note": None,
            "empty": "",
        },
        "items": [{"product_id": "P-1", "price": 2.5, "engraving": f"{MASK} (7 characters)"}],
        "country": "ES",
    }
    assert payload["identifiers"] == {"email": "ana@x.org", "business_user_id": GUID}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ana.b@x.org", MASK),
        ("email must be an e-mail address such as ana@example.com", "email must be an e-mail address such as ana@example.com"),
        ("ODP answered 400: 'bob@x.org' is taken", f"ODP answered 400: '{MASK}' is taken"),
        ("W00001234", "W00001234"),
    ],
)
def test_addresses_in_a_sentence(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_what_a_payload_holds_is_masked_in_the_sentence_that_quotes_it() -> None:
    payload = {"phone": "+34 600 123", "names": ["Ana", "Ana María"], "country": "ES", "business_user_id": GUID}
    sentence = f"phone +34 600 123 of Ana María ({GUID}, ES) is odd"
    assert mask_text(sentence, payload) == f"phone {MASK} of {MASK} ({GUID}, ES) is odd"


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1).map(lambda name: f"x_{name}"), inner),
    max_leaves=10,
)


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) and value else []


@given(_JSON)
def test_no_text_of_an_unknown_field_stays(payload: Any) -> None:
    assert all(text.startswith(MASK) for text in texts(mask_payload(payload)))
    assert len(texts(mask_payload(payload))) == len(texts(payload))
