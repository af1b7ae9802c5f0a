"""The kinds of field, as pydantic reads them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from odp.core.fields import (
    FIRST_SECOND,
    KINDS,
    LAST_SECOND,
    Boolean,
    Email,
    Identifier,
    Number,
    Text,
    Timestamp,
    read_from,
    required_from,
)


def read(annotation: Any, value: Any) -> Any:
    return TypeAdapter(annotation).validate_python(value)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Text, "Bolt\n🙂", "Bolt\n🙂"),
        (Text, "", ""),
        (Identifier, "a b", "a b"),
        (Identifier, "🙂" * 1024, "🙂" * 1024),
        (Email, "ana+b@example.com", "ana+b@example.com"),
        (Number, "-0012.500", -12.5),
        (Number, "1e-5", 0.00001),
        (Boolean, "t", True),
        (Boolean, "f", False),
        (Boolean, "1", True),
        (Boolean, "0", False),
        (Timestamp, "-1", -1),
        (Timestamp, str(LAST_SECOND), LAST_SECOND),
    ],
)
def test_a_good_text_becomes_its_value(annotation: Any, text: str, value: Any) -> None:
    assert read(annotation, text) == value
    assert type(read(annotation, text)) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "requirement"),
    [
        (Identifier, "", "must be text of 1 to 1024 characters"),
        (Identifier, "x" * 1025, "must be text of 1 to 1024 characters"),
        (Email, "nobody", "must be an e-mail address such as ana@example.com"),
        (Number, "NaN", "must be a finite number"),
        (Number, "1e400", "must be a finite number"),
        (Number, "1,5", "must be a finite number"),
        (Boolean, "yes", "must be true or false"),
        (Timestamp, "1700000000000", "must be a time between the years 1 and 9999, in whole epoch seconds"),
        (Timestamp, "1700000000.5", "must be a time between the years 1 and 9999, in whole epoch seconds"),
    ],
)
def test_a_bad_text_is_told_what_it_must_be(annotation: Any, text: str, requirement: str) -> None:
    with pytest.raises(ValidationError) as error:
        read(annotation, text)
    assert [problem["msg"] for problem in error.value.errors()] == [requirement]


@pytest.mark.parametrize("annotation", [Text, Identifier, Email, Number, Boolean, Timestamp])
@pytest.mark.parametrize("value", [1, 1.5, True, b"1", ["1"]])
def test_only_text_is_read(annotation: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        read(annotation, value)


def test_the_bounds_of_time_are_the_first_and_last_second_commerce_can_store() -> None:
    assert datetime(1, 1, 1, tzinfo=timezone.utc).timestamp() == FIRST_SECOND
    assert datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp() == LAST_SECOND


def test_kinds_have_the_types_of_odps_schema_api() -> None:
    assert {name: kind.odp_type for name, kind in KINDS.items()} == {
        "text": "string",
        "identifier": "string",
        "email": "string",
        "number": "number",
        "boolean": "boolean",
        "timestamp": "timestamp",
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_pattern_has_no_anchors_of_its_own(kind: Any) -> None:
    assert re.compile(kind.pattern)
    assert not kind.pattern.startswith("^")
    assert not kind.pattern.endswith("$")


def test_a_field_knows_where_it_is_read_from() -> None:
    class Thing(BaseModel):
        thing_id: Identifier = required_from("Thing.Id")
        name: Text | None = read_from("Thing.Name")

    assert Thing.model_fields["thing_id"].is_required()
    assert not Thing.model_fields["name"].is_required()
    assert Thing.model_fields["name"].json_schema_extra == {"source": "Thing.Name"}
    assert Thing.model_validate({"thing_id": "1", "name": None}).name is None
