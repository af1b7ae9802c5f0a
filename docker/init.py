"""
What airflow-init of docker-compose.yaml runs before the others start: Airflow's tables, the ledger, a replica to export.

It may run any number of times; a replica that is there is left alone. PGHOST, PGUSER and PGPASSWORD name the server.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
from psycopg import sql

DATABASES = ("airflow", "commerce")
_FILLED = "filled by airflow-init"


def main() -> None:
    """Set up what is missing."""
    for name in DATABASES:
        create_database(name)
    subprocess.run(["airflow", "db", "migrate"], check=True)  # noqa: S607 - the image's one
    subprocess.run([sys.executable, "-m", "odp.create_ledger"], check=True)
    if not is_filled("dbname=commerce"):
        customers, orders = os.environ["SANDBOX_CUSTOMERS"], os.environ["SANDBOX_ORDERS"]
        command = ["-m", "sandbox.commerce", "--dsn", "dbname=commerce", "--customers", customers, "--orders", orders]
        subprocess.run([sys.executable, *command], check=True)  # noqa: S603 - two numbers from the Compose file
        mark_filled("dbname=commerce")


def create_database(name: str) -> None:
    """
    Create a database unless it exists.

    :param name: its name.
    """
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def is_filled(dsn: str) -> bool:
    """
    Return whether a replica was filled to the end; one that was interrupted is filled anew.

    :param dsn: connection string of its database.
    """
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT obj_description(to_regnamespace('dbo'), 'pg_namespace')").fetchone()
    return row == (_FILLED,)


def mark_filled(dsn: str) -> None:
    """
    Note in the database that the replica is complete. The note goes with the schema.

    :param dsn: connection string of its database.
    """
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.SQL("COMMENT ON SCHEMA dbo IS {}").format(_FILLED))


if __name__ == "__main__":
    main()
