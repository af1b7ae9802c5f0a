"""The settings of all exports: the Airflow Variable ``odp_settings``, a JSON object."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from odp.core.exceptions import SettingsError

VARIABLE_NAME = "odp_settings"


class Settings(BaseModel):
    """What a team decides once for all its exports. Every setting has a default; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    email_mode: Literal["unique", "non_unique"] = Field(
        default="unique",
        description="Whether an e-mail address identifies one person in this ODP account (set by Optimizely on the ODP side).",
    )
    accept_shared_emails: bool = Field(
        default=False,
        description="Whether the preflight passes although people share e-mail addresses and email_mode is unique: ODP makes one "
        "person of those who share one.",
    )
    order_status: dict[str, Literal["purchase", "cancel", "none"]] = Field(
        default_factory=dict,
        description="Order status to ODP action; wins over Commerce's OrderStatusMapping and over the defaults.",
    )
    strict_mapping: bool = Field(
        default=False,
        description="Whether an OrderStatusMapping row without an ODP action stops a default status from being sent.",
    )
    max_reject_ratio: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of extracted rows that may be rejected before a run counts as failed.",
    )
    site_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address put before relative image and product paths; empty: the first active website's domain name.",
    )
    create_schema: bool = Field(
        default=True,
        description="Whether preflight and load create the objects, fields, identifiers and relations that ODP lacks.",
    )
    part_rows: int = Field(
        default=250_000, ge=1, description="Rows in one staged part; each part is one transform and one load task."
    )
    staging: str = Field(
        default="",
        description="Where files are staged between tasks, such as s3://bucket/odp or file:///shared/odp; "
        "empty: the folder odp_staging under AIRFLOW_HOME.",
    )
    visibility_delay_minutes: float = Field(
        default=15.0,
        ge=0.0,
        description="How long an event that ODP has acknowledged may stay invisible; only after it does 'not there' count.",
    )
    read_back_sample: int = Field(
        default=20, ge=0, le=1_000, description="Delivered records that reconcile reads back from ODP to compare; 0 is none."
    )
    staging_retention_days: int = Field(default=7, ge=1, description="Age at which maintenance removes staged files.")
    reject_retention_days: int = Field(default=90, ge=1, description="Age at which maintenance removes closed rejects.")
    run_retention_days: int = Field(default=730, ge=1, description="Age at which maintenance removes the history of runs.")
    statement_timeout_minutes: int = Field(
        default=120, ge=0, description="Longest time one query may run on the replica; 0 is no limit."
    )


def read_settings(value: str | dict[str, Any] | None) -> Settings:
    """
    Read the settings from the Variable's value.

    :param value: JSON text or a parsed object; ``None`` or empty for all defaults.
    :raises SettingsError: naming each setting that is wrong and why.
    """
    if value is None or value == "":
        return Settings()
    try:
        content = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise SettingsError(f"The Variable {VARIABLE_NAME} is not valid JSON: {error}.") from error
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors())
        raise SettingsError(
            f"The Variable {VARIABLE_NAME} holds wrong settings: {problems}. Known settings: {', '.join(Settings.model_fields)}."
        ) from error
