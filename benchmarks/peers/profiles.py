"""What every peer does to a row: the profile ODP is sent, and the contract it must meet. The environment names both ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

DSN = os.environ.get("BENCHMARK_DSN", "")
URL = os.environ.get("BENCHMARK_URL", "")
HEADERS = {"x-api-key": os.environ.get("BENCHMARK_KEY", ""), "Content-Type": "application/json"}
ROWS = int(os.environ.get("BENCHMARK_ROWS", "0"))
SCHEMA, VIEW = "peers", "profile_rows"
BATCH = 500
"""Items that ODP takes in one request."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Attributes(BaseModel):
    """The attributes of a profile."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,255}@[^@\s]{1,255}$")]
    business_user_id: Text
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    user_name: Text | None = None
    company: Text | None = None
    position: Text | None = None
    extension: Text | None = None
    fax: Text | None = None
    activation_status: Text | None = None
    is_active: bool | None = None
    is_guest: bool | None = None
    last_login_at: int | None = None
    created_at: int | None = None
    default_business_id: Text | None = None
    default_warehouse_id: Text | None = None
    currency: Text | None = None
    language: Text | None = None
    email_opt_out_abandoned_cart: bool | None = None


class Profile(BaseModel):
    """One item of ``POST /v3/profiles``."""

    model_config = ConfigDict(extra="forbid")

    attributes: Attributes


CONTRACT = TypeAdapter(list[Profile])
COLUMNS = tuple(Attributes.model_fields)


def to_profile(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    Turn a row of the view into a profile: texts trimmed, times as epoch seconds, what is not given left out.

    :param row: a row by column name.
    """
    attributes = {}
    for name in COLUMNS:
        value = row[name]
        if isinstance(value, str):
            value = value.strip()
        elif isinstance(value, datetime):
            value = int(value.timestamp())
        if value is not None and value != "":
            attributes[name] = value
    return {"attributes": attributes}
