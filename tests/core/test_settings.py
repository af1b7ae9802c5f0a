"""The settings of all exports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from odp.core.exceptions import CannotSucceedError, SettingsError
from odp.core.settings import Settings, read_settings

ALL = {
    "email_mode": "non_unique",
    "order_status": {"Processing": "purchase", "Void": "cancel", "Quote": "none"},
    "strict_mapping": True,
    "max_reject_ratio": 0.25,
    "site_url": "https://shop.example.com",
    "create_schema": False,
    "part_rows": 1_000,
    "staging": "s3://bucket/odp",
    "statement_timeout_minutes": 5,
}


@pytest.mark.parametrize("nothing", [None, "", "{}", {}])
def test_without_a_value_all_settings_have_their_defaults(nothing: Any) -> None:
    assert read_settings(nothing) == Settings()


def test_the_defaults_are_the_careful_ones() -> None:
    settings = Settings()
    assert settings.email_mode == "unique"
    assert settings.max_reject_ratio == 0
    assert settings.part_rows == 250_000
    assert settings.create_schema
    assert not settings.strict_mapping


@pytest.mark.parametrize("form", [json.dumps, dict])
def test_json_text_and_a_parsed_object_are_read_alike(form: Any) -> None:
    settings = read_settings(form(ALL))
    assert settings.model_dump(exclude_unset=True) == ALL


@pytest.mark.parametrize("text", ["{", "email_mode: unique", "{'email_mode': 'unique'}", "  "])
def test_text_that_is_not_json_is_refused_by_the_variables_name(text: str) -> None:
    with pytest.raises(SettingsError, match="The Variable odp_settings is not valid JSON"):
        read_settings(text)


@pytest.mark.parametrize("content", ["[]", "5", '"unique"', "null"])
def test_json_that_is_no_object_is_refused(content: str) -> None:
    with pytest.raises(SettingsError, match="holds wrong settings: value: "):
        read_settings(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email_mode", "Unique"),
        ("email_mode", None),
        ("order_status", {"Processing": "Purchase"}),
        ("order_status", {"Processing": None}),
        ("order_status", ["Processing"]),
        ("max_reject_ratio", -0.01),
        ("max_reject_ratio", 1.01),
        ("max_reject_ratio", "many"),
        ("site_url", "shop.example.com"),
        ("site_url", "ftp://shop.example.com"),
        ("site_url", "https://shop example.com"),
        ("part_rows", 0),
        ("part_rows", 1.5),
        ("statement_timeout_minutes", -1),
        ("strict_mapping", "perhaps"),
        ("create_schema", 2),
    ],
)
def test_a_wrong_value_is_named_by_its_setting(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({name: value})
    assert f"holds wrong settings: {name}" in str(error.value)


def test_an_unknown_setting_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"emailMode": "unique"})
    assert "emailMode: " in str(error.value)
    assert f"Known settings: {', '.join(Settings.model_fields)}." in str(error.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"part_rows": 0, "email_mode": "x", "order_status": {"Void": "refund"}})
    for name in ("part_rows", "email_mode", "order_status.Void"):
        assert f"{name}: " in str(error.value)


@pytest.mark.parametrize("ratio", [0, 0.0, 1, 0.05])
def test_the_bounds_of_a_ratio_are_allowed(ratio: float) -> None:
    assert read_settings({"max_reject_ratio": ratio}).max_reject_ratio == ratio


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings().part_rows = 5  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_no_retry_can_mend_a_wrong_setting() -> None:
    assert issubclass(SettingsError, CannotSucceedError)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"condition": "sometimes", "to": "a@example.com"}, "notify.0.condition"),
        ({"condition": "failure"}, "an e-mail needs at least one address in 'to'"),
        ({"condition": "failure", "to": "the team"}, "an e-mail needs at least one address in 'to'"),
        ({"condition": "failure", "notifier": "a.B", "to": "a@example.com"}, "'to' and 'connection' are for email"),
        ({"condition": "failure", "notifier": "no path"}, "notify.0.notifier"),
    ],
)
def test_a_wrong_receiver_is_refused(entry: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        read_settings({"notify": [entry]})


BUCKET = {"bucket": "zaius-incoming", "tracker_id": "pubKEY123"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"exports": {"order_odp_export": {"transport": "csv"}}}, "the transport of order_odp_export is csv, so csv has to name"),
        ({"exports": {"order_odp_export": {"transport": "ftp"}}}, "exports.order_odp_export.transport"),
        ({"csv": {"bucket": "zaius-incoming"}}, "csv.tracker_id"),
        ({"csv": {**BUCKET, "tracker_id": "pubKEY123.secret"}}, "csv.tracker_id"),
        ({"csv": {**BUCKET, "tracker_id": "a/b"}}, "csv.tracker_id"),
        ({"csv": {**BUCKET, "bucket": ""}}, "csv.bucket"),
        ({"csv": {**BUCKET, "files_of_events": 0}}, "csv.files_of_events"),
        ({"user_events": ["logout"]}, "user_events.0"),
    ],
)
def test_a_wrong_transport_bucket_or_source_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(settings)
    assert problem in str(error.value)
    assert "secret" not in str(error.value)


def test_exports_go_by_rest_unless_they_are_told_otherwise() -> None:
    settings = read_settings({"csv": BUCKET, "exports": {"product_odp_export": {"transport": "csv"}}})
    assert settings.for_export("product_odp_export").transport == "csv"
    assert settings.for_export("order_odp_export").transport == "rest"


def test_the_optional_export_may_have_settings_of_its_own() -> None:
    assert read_settings({"exports": {"user_event_odp_export": {"look_back_days": 2}}}).user_events == ()


def test_one_export_may_differ() -> None:
    everybody = [{"condition": "failure", "to": "all@example.com"}]
    settings = read_settings({"notify": everybody, "exports": {"order_odp_export": {"notify": [], "look_back_days": 2}}})
    orders, products = settings.for_export("order_odp_export"), settings.for_export("product_odp_export")
    assert (orders.notify, orders.look_back_days) == ((), 2)
    assert ([one.to for one in products.notify or ()], products.look_back_days) == ([("all@example.com",)], None)
