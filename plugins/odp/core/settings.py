"""The settings of all exports: the Airflow Variable ``odp_settings``, a JSON object."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from odp.core.currency import CurrencyConversion
from odp.core.custom_settings import CustomSettings
from odp.core.exceptions import SettingsError

VARIABLE_NAME = "odp_settings"

Transport = Literal["rest", "csv"]
"""How an export sends: to ODP's REST API, or as CSV files into the bucket that ODP imports from."""

EMAIL = "email"
"""The notifier that needs no import path: Airflow's SmtpNotifier."""


class Notification(BaseModel):
    """Who is told about which runs, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: Literal["failure", "success", "rejects", "always", "deadline"] = Field(
        description="failure: the run failed or missed its deadline; deadline: it missed its deadline; success; "
        "rejects: rows were rejected, however the run ended; always."
    )
    notifier: str = Field(
        default=EMAIL,
        pattern=r"^(email|[A-Za-z_]\w*(\.[A-Za-z_]\w*)+)$",
        description="email, or the import path of any Airflow notifier class.",
    )
    to: tuple[str, ...] = Field(default=(), description="For email: one address, or a list of them.")
    connection: str = Field(default="smtp_default", description="For email: id of the SMTP connection.")
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="More arguments of the notifier; templates in them may use odp.subject, odp.text and odp.html.",
    )

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_an_address(self) -> Notification:
        if self.notifier == EMAIL and not all("@" in address for address in self.to or ("",)):
            raise ValueError("an e-mail needs at least one address in 'to'")
        if self.notifier != EMAIL and self.model_fields_set & {"to", "connection"}:
            raise ValueError("'to' and 'connection' are for email; give a notifier class what it needs in 'arguments'")
        return self


class CsvImport(BaseModel):
    """The bucket that ODP imports CSV files from. Its names are in ODP's integrations, on the tile of AWS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket: str = Field(min_length=1, description="Name of the bucket, such as zaius-incoming.")
    tracker_id: str = Field(
        pattern=r"^[^/\s.]+$",
        description="The account's tracker id, which is the public part of its API key: the folder that ODP looks into.",
    )
    aws_conn_id: str = Field(default="aws_default", description="Airflow connection with the access keys of the bucket.")
    region_name: str | None = Field(default=None, description="AWS region of the bucket; empty: that of the connection.")
    import_hours: float = Field(
        default=24.0,
        ge=0.0,
        description="How long ODP may take to import a file; only after it do events that ODP does not show count as lost.",
    )
    follow_minutes: float = Field(
        default=5.0, ge=0.0, description="How long reconcile waits for ODP to show the sample of what was uploaded."
    )
    files_of_events: int = Field(
        default=32,
        ge=1,
        le=500,
        description="Most files of events of a part; events with rarer sets of columns go to the REST API.",
    )


class ExportSettings(BaseModel):
    """What one export does differently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    look_back_days: int | None = Field(
        default=None, ge=1, description="LookBackDays of scheduled runs; without it they export their data interval."
    )
    realtime: bool = Field(default=True, description="Whether odp_realtime sends its changes.")
    notify: tuple[Notification, ...] | None = Field(default=None, description="Instead of the notify list for all exports.")
    custom: CustomSettings = Field(
        default_factory=CustomSettings, description="Custom properties: fields that the standard mapping does not have."
    )
    transport: Transport = Field(
        default="rest", description="How the export's own DAG sends: rest, to ODP's API; csv, as files in the bucket csv names."
    )


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
    websites: tuple[str, ...] = Field(
        default=(),
        description="Names of the websites that are sent: their orders, the products of their categories, the people assigned to "
        "them or to none, and all of what belongs to no website; empty: all websites.",
    )
    accounts: dict[str, str] = Field(
        default_factory=dict,
        description="Several ODP accounts: name of a website to the id of the connection that leads to its account. "
        "Empty: everything goes to the account of the connection odp_default.",
    )
    convert_currency: CurrencyConversion | None = Field(
        default=None,
        description="Into which currency the amounts of orders are converted by their ConversionRate; without it they are "
        "sent in the order's own currency.",
    )
    order_history: bool = Field(
        default=False,
        description="Whether orders that only OrderHistory has, such as orders by phone, are sent as well.",
    )
    create_schema: bool = Field(
        default=True,
        description="Whether preflight and load create the objects, fields, identifiers and relations that ODP lacks.",
    )
    window_mode: Literal["data_interval", "since_last_success"] = Field(
        default="data_interval",
        description="What scheduled runs export: their data interval, or everything modified since the export last succeeded.",
    )
    overlap_minutes: float = Field(
        default=15.0,
        ge=0.0,
        description="How far since_last_success and odp_realtime go back into what is covered, for rows that reach the replica "
        "late.",
    )
    part_rows: int = Field(
        default=250_000, ge=1, description="Most rows in one staged part; each part is one transform and one load task."
    )
    part_megabytes: int = Field(
        default=100, ge=1, description="Most megabytes of rows, as CSV, in one staged part: wide rows make parts of fewer rows."
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
    consistency_sample: int = Field(
        default=100, ge=0, le=10_000, description="Records of each export that odp_consistency reads back from ODP; 0 is none."
    )
    consistency_repair: bool = Field(
        default=False,
        description="Whether odp_consistency sends what is missing or changed; a run's Repair wins.",
    )
    consistency_deactivate: bool = Field(
        default=False,
        description="Whether odp_consistency marks what the source no longer has; a run's Deactivate wins.",
    )
    max_difference_ratio: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of a source's rows that may be missing or changed in ODP before odp_consistency fails.",
    )
    max_deactivate_ratio: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        description="Share of an export's records that may be marked as not active at once.",
    )
    realtime_poll_seconds: float = Field(
        default=2.0,
        gt=0.0,
        le=3_600.0,
        description="How often odp_realtime looks for changes in the replica, unless the replica tells it at once.",
    )
    realtime_batch_size: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Changed entities of an export that one run of odp_realtime takes at most.",
    )
    realtime_retention_days: int = Field(
        default=30, ge=1, description="Age at which maintenance removes the history of odp_realtime's runs."
    )
    staging_retention_days: int = Field(default=7, ge=1, description="Age at which maintenance removes staged files.")
    reject_retention_days: int = Field(default=90, ge=1, description="Age at which maintenance removes closed rejects.")
    run_retention_days: int = Field(default=730, ge=1, description="Age at which maintenance removes the history of runs.")
    statement_timeout_minutes: int = Field(
        default=120, ge=0, description="Longest time one query may run on the replica; 0 is no limit."
    )
    user_events: tuple[Literal["register", "login", "storefront"], ...] = Field(
        default=(),
        description="What user_event_odp_export sends: registrations, logins, storefront events; empty switches it off.",
    )
    notify: tuple[Notification, ...] = Field(default=(), description="Who is told how runs ended.")
    csv: CsvImport | None = Field(default=None, description="The bucket for exports whose transport is csv.")
    exports: dict[str, ExportSettings] = Field(
        default_factory=dict, description="Settings of single exports, by the id of their DAG."
    )

    @field_validator("exports")
    @classmethod
    def _are_exports(cls, value: dict[str, ExportSettings]) -> dict[str, ExportSettings]:
        from odp.core.exports import EXPORTS, OPTIONAL_EXPORTS  # which needs this module

        exports = (*EXPORTS, *OPTIONAL_EXPORTS)
        if unknown := value.keys() - {export.dag_id for export in exports}:
            known = ", ".join(export.dag_id for export in exports)
            raise ValueError(f"there is no export {', '.join(sorted(unknown))}; the exports are {known}")
        return value

    @model_validator(mode="after")
    def _has_a_bucket(self) -> Settings:
        if self.csv is None and (lacking := [name for name, own in self.exports.items() if own.transport == "csv"]):
            raise ValueError(f"the transport of {', '.join(lacking)} is csv, so csv has to name a bucket and a tracker_id")
        return self

    @model_validator(mode="after")
    def _accounts_fit(self) -> Settings:
        if self.accounts and self.websites:
            raise ValueError("'websites' is for one account; with 'accounts', only the websites named there are sent anyway")
        if self.accounts and (files := [name for name, own in self.exports.items() if own.transport == "csv"]):
            raise ValueError(f"the transport csv of {', '.join(files)} is for one account: with 'accounts', use the REST API")
        if self.accounts and self.order_history:
            raise ValueError("'order_history' is for one account: OrderHistory does not say on which website an order was placed")
        return self

    def for_export(self, dag_id: str) -> ExportSettings:
        """
        Return what holds for one export.

        :param dag_id: id of its DAG; for one without settings of its own, those for all exports hold.
        """
        own = self.exports.get(dag_id, ExportSettings())
        return own if own.notify is not None else own.model_copy(update={"notify": self.notify})


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
