"""Switches for what no public page of the API says; the defaults are the safer guess."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """
    How the server behaves where the API's documents are silent.

    :param keep_good_items: store the good items of a batch that is answered 400.
    :param visibility_delay: seconds until an upload can be read back through profiles and GraphQL.
    :param retry_after: send a Retry-After header with a 429.
    :param profiles_per_second: requests the profiles calls take per second; 0 takes any number.
    :param profile_read_status: status of a found profile: the document says 202, clients also expect 200.
    :param accept_empty: answer an empty array 202 instead of 400.
    :param drop_repeats: ignore an event whose `idempotence_id` was received since this was switched on.
    :param reject_wrong_types: answer 400 for a value of the wrong type instead of dropping it.
    :param truncate_text: cut text above the limit instead of dropping it.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    keep_good_items: bool = False
    visibility_delay: float = Field(default=0, ge=0)
    retry_after: bool = False
    profiles_per_second: float = Field(default=10, ge=0)
    profile_read_status: Literal[200, 202] = 202
    accept_empty: bool = False
    drop_repeats: bool = False
    reject_wrong_types: bool = False
    truncate_text: bool = False
