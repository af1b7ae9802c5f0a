"""
Websites: which of the replica's websites an export sends.

Orders belong to their own website, products to those of their categories, people and what they do to those that they are assigned
to; all other entities belong to every website. The mapping files select by the placeholders ``all_websites`` and ``website_ids``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from odp.core.exceptions import ReplicaError

NEEDS: Mapping[str, tuple[str, ...]] = {
    "orders.sql": ("CustomerOrder.WebsiteId",),
    "products.sql": ("CategoryProduct", "Category", "Category.WebsiteId"),
    "user_profiles.sql": ("UserProfileWebsite",),
    "user_events.sql": ("UserProfileWebsite",),
}
"""The mapping files that select by website, and the optional tables and columns that tell the website."""


def find_website_ids(
    connection: psycopg.Connection[Any], file: str, mapping: str, websites: Sequence[str], absent: Collection[str]
) -> list[str] | None:
    """
    Look up the websites that an export sends.

    :param connection: a connection to the replica.
    :param file: name of the export's mapping file.
    :param mapping: its text.
    :param websites: names of websites, from the settings; none for all.
    :param absent: optional tables and columns that the replica lacks.
    :return: ids of the websites; ``None`` where nothing is selected by website.
    :raises ReplicaError: if there is no such website, or the rows of this export cannot be told apart by website.
    """
    if not websites or file not in NEEDS:
        return None
    lacking = [name for name in NEEDS[file] if name in absent]
    ids = _ids_by_name(connection)
    if lacking or ids is None:
        raise ReplicaError(
            f"Rows of {file} cannot be told apart by website, since the replica lacks {', '.join(lacking) or 'Website.Name'}.",
            "Replicate it, or remove websites and accounts from odp_settings, so that all rows are sent.",
        )
    if "%(website_ids)s" not in mapping:
        raise ReplicaError(
            f"The mapping file {file} does not select by website, though odp_settings names some.",
            "Select by %(all_websites)s and %(website_ids)s, as the file that came with this package does.",
        )
    if unknown := [name for name in websites if name.strip().lower() not in ids]:
        raise ReplicaError(
            f"The replica has no website {', '.join(unknown)}, which odp_settings names.",
            f"Its websites are {', '.join(sorted(ids)) or 'without names'}.",
        )
    return [ids[name.strip().lower()] for name in websites]


def _ids_by_name(connection: psycopg.Connection[Any]) -> dict[str, str] | None:
    try:
        with connection.transaction():
            rows = connection.execute("SELECT Id::text, Name FROM Website WHERE Name <> ''").fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return None
    return {name.strip().lower(): id_ for id_, name in rows}
