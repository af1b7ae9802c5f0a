"""
``python -m odp.create_ledger``: create the ledger, or bring it to this version.

Works on the Airflow connection ``odp_ledger`` (another id may be given), and creates its database if the server lacks it.
Safe to repeat.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from odp.sql_files import SQL_DIR


def create_ledger(connection_arguments: dict[str, Any]) -> None:
    """
    Create or migrate the ledger's tables, and their database if it is missing.

    :param connection_arguments: keyword arguments of ``psycopg.connect``.
    """
    try:
        connection = psycopg.connect(**connection_arguments)
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        with psycopg.connect(**{**connection_arguments, "dbname": "postgres"}, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(connection_arguments["dbname"])))
        connection = psycopg.connect(**connection_arguments)
    with connection:
        # One migration at a time, whoever starts it.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('odp_ledger'))")
        connection.execute(Path(SQL_DIR, "ledger.sql").read_bytes())


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m odp.create_ledger", description="Create or migrate the ledger.")
    parser.add_argument("conn_id", nargs="?", default="odp_ledger", help="Airflow connection of the ledger")
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(parser.parse_args().conn_id)
    create_ledger(
        {
            "host": connection.host,
            "port": connection.port,
            "user": connection.login,
            "password": connection.password,
            "dbname": connection.schema,
            **{name: value for name, value in connection.extra_dejson.items() if name in ("sslmode", "options", "sslrootcert")},
        }
    )
    print(f"The ledger in database {connection.schema} on {connection.host} is ready.")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
