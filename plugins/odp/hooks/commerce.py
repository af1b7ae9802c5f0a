"""Connections to the Commerce replica."""

from __future__ import annotations

from typing import Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowNotFoundException

from odp.core.exceptions import ReplicaError


def connect_to_commerce(commerce_conn_id: str) -> psycopg.Connection[Any]:
    """
    Open a connection to the Commerce replica.

    :param commerce_conn_id: PostgreSQL connection id; its search_path names the schema.
    :raises ReplicaError: if Airflow has no such connection.
    """
    try:
        return PostgresHook(postgres_conn_id=commerce_conn_id).get_conn()  # type: ignore[return-value]
    except AirflowNotFoundException as error:
        raise ReplicaError(
            f"There is no connection {commerce_conn_id}.",
            "Define it, to the PostgreSQL replica of Commerce, with the schema in its search_path.",
        ) from error
