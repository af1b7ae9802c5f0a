"""Preflight of several ODP accounts: does every website have one, and what works for one account only."""

from __future__ import annotations

from typing import Any

import psycopg

from odp.core.accounts import account_connections
from odp.core.preflight_report import Finding
from odp.core.settings import Settings

_AREA = "accounts"


def check_routes(connection: psycopg.Connection[Any], settings: Settings) -> list[Finding]:
    """
    Look for websites that the setting ``accounts`` does not route; unknown names are found with the exports' queries.

    :param connection: a connection to the replica.
    :param settings: the team's settings.
    """
    routed = {name.strip().lower() for name in settings.accounts}
    rows = connection.execute("SELECT Name FROM Website WHERE Name <> '' ORDER BY Name").fetchall()
    without = [name for (name,) in rows if name.strip().lower() not in routed]
    findings = [
        Finding(
            area=_AREA,
            subject="what works for one account only",
            verdict="warning",
            cause="odp_consistency and odp_realtime refuse to run with several accounts.",
            remedy="Pause both; the exports' own runs deliver to all accounts.",
        )
    ]
    if without:
        cause = f"The setting accounts does not name {', '.join(without)}: what belongs to no other website is sent nowhere."
        remedy = "Route them to a connection, if they shall be sent."
        return [*findings, Finding(area=_AREA, subject="websites", verdict="warning", cause=cause, remedy=remedy)]
    cause = f"All websites are routed, to {', '.join(account_connections(settings))}."
    return [*findings, Finding(area=_AREA, subject="websites", verdict="ok", cause=cause)]
