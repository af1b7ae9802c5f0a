"""
Mode A of custom properties, in Python: for how many accounts a person may buy.

To use it::

    {"exports": {"user_profile_odp_export": {"custom": {"preload": "user_profiles.py:preload"}}}}

The same could be had by SQL. Python is for what lies elsewhere: another database, a file, a web service; by any connection of
Airflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odp.core.custom_preload import PreloadFilter

FIELDS = {"account_count": "number", "is_buyer_for_several": "boolean"}
"""Each field that the functions of this file give, and its type: string, number, boolean or timestamp."""


def preload(wanted: PreloadFilter) -> Mapping[str, Mapping[str, Any]] | None:
    """
    Return field to value, by Commerce's id of the entity; entities without values may be left out.

    :param wanted: ``ids``, the entities of one part (text), and ``from_`` and ``to``, the run's window (datetime or None).
    :return: None turns Mode A off; an empty mapping is no value for anyone.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    rows = PostgresHook(postgres_conn_id="commerce_db").get_records(
        "SELECT l.UserProfileId::text, count(DISTINCT l.CustomerId) FROM CustomerUserProfile l"
        " WHERE l.UserProfileId = ANY(%(ids)s::uuid[]) GROUP BY 1",
        parameters={"ids": list(wanted.ids)},
    )
    return {person: {"account_count": count, "is_buyer_for_several": count > 1} for person, count in rows}
