"""What an Airflow user writes in a task: rows from PostgresHook, checked with pydantic, sent by HttpHook in a loop of 500."""

from __future__ import annotations

import json
import os

from benchmarks.peers.profiles import BATCH, COLUMNS, CONTRACT, DSN, HEADERS, SCHEMA, URL, VIEW, to_profile

os.environ["AIRFLOW_CONN_COMMERCE"] = DSN
os.environ["AIRFLOW_CONN_ODP"] = URL

from airflow.providers.http.hooks.http import HttpHook  # noqa: E402 - after its connections are set
from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: E402


def main() -> None:
    """Send every row of the view."""
    rows = PostgresHook(postgres_conn_id="commerce").get_records(f"SELECT {', '.join(COLUMNS)} FROM {SCHEMA}.{VIEW}")
    odp = HttpHook(method="POST", http_conn_id="odp")
    for start in range(0, len(rows), BATCH):
        profiles = [to_profile(dict(zip(COLUMNS, row, strict=True))) for row in rows[start : start + BATCH]]
        CONTRACT.validate_python(profiles)
        odp.run("/v3/profiles", data=json.dumps(profiles), headers=HEADERS)  # raises on an error status


if __name__ == "__main__":
    main()
