"""
``python -m odp.check_keys``: tell whether ODP knows what Commerce's own feed has sent by the keys that the exports use.

Run it before the first export, where Commerce's real-time feed is on: then all that ODP has came from it. It reads a few rows
that were modified lately from the replica and looks each of them up in ODP. Nothing is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from odp.core.exports import EXPORTS
from odp.core.key_check import check_keys
from odp.core.settings import VARIABLE_NAME, read_settings
from odp.sql_files import SQL_DIR


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command.

    :param arguments: the command's arguments; those it was called with by default.
    """
    parser = argparse.ArgumentParser(prog="python -m odp.check_keys", description="Compare the keys of two feeds.")
    parser.add_argument("--days", type=int, default=7, help="look for rows that were modified within so many days")
    parser.add_argument("--rows", type=int, default=20, help="look for so many rows of each export")
    parser.add_argument("--commerce", default="commerce_db", help="Airflow connection of the replica")
    parser.add_argument("--odp", default="odp_default", help="Airflow connection of the ODP account")
    given = parser.parse_args(arguments)

    from airflow.sdk import Variable

    from odp.hooks.commerce import connect_to_commerce
    from odp.hooks.odp import OdpHook

    settings = read_settings(Variable.get(VARIABLE_NAME, default=None))
    client = OdpHook(given.odp).get_client()
    with connect_to_commerce(given.commerce) as connection:
        for export in EXPORTS:
            mapping, *lookups = (
                Path(SQL_DIR, file).read_text(encoding="utf-8") for file in (export.sql, *export.lookups.values())
            )
            side = dict(zip(export.lookups, lookups, strict=True))
            result = check_keys(connection, client, export, mapping, side, settings, days=given.days, rows=given.rows)
            print(result)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
