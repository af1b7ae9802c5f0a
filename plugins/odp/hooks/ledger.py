"""Connections to the ledger's database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowNotFoundException

from odp.core.exceptions import LedgerError
from odp.core.ledger import CREATE_COMMAND


def connect_to_ledger(ledger_conn_id: str) -> Callable[[], psycopg.Connection[Any]]:
    """
    Return a function that opens connections to the ledger, for any thread.

    :param ledger_conn_id: PostgreSQL connection id.
    :raises LedgerError: if there is no such connection, with the command that creates the ledger.
    """
    # Airflow looks connections up through the task's own channel to its supervisor, which is not for worker threads.
    hook = PostgresHook(postgres_conn_id=ledger_conn_id)
    try:
        hook.connection  # noqa: B018 - looks it up once, here
    except AirflowNotFoundException as error:
        raise LedgerError(
            f"There is no connection {ledger_conn_id}.",
            "Define it, to a PostgreSQL database of its own (not the replica, not Airflow's metadata database), then create the "
            f"ledger: {CREATE_COMMAND}",
        ) from error

    def connect() -> psycopg.Connection[Any]:
        try:
            return hook.get_conn()  # type: ignore[return-value]
        except psycopg.OperationalError as error:
            if "does not exist" in str(error):
                raise LedgerError(
                    f"The ledger's database cannot be opened: {str(error).strip()}.", f"Create it: {CREATE_COMMAND}"
                ) from error
            raise

    return connect
