"""Connections to the Commerce replica."""

from __future__ import annotations

from typing import Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook


def connect_to_commerce(commerce_conn_id: str) -> psycopg.Connection[Any]:
    """
    Open a connection to the Commerce replica.

    :param commerce_conn_id: PostgreSQL connection id; its search_path names the schema.
    """
    return PostgresHook(postgres_conn_id=commerce_conn_id).get_conn()  # type: ignore[return-value]
