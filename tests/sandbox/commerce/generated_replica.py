"""What the tests of the generator look at: one replica of a known size and moment."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import psycopg

NOW = datetime(2025, 6, 30, 12, tzinfo=timezone.utc)
# Enough for every truth; orders are a multiple of 1,000, so that the shares of the statuses are exact.
SIZES = {"customers": 1_200, "orders": 3_000, "products": 400}


class Replica:
    def __init__(self, dsn: str, counts: dict[str, int]) -> None:
        self.dsn = dsn
        self.counts = counts

    def rows(self, statement: str, schema: str = "dbo") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, options=f"-c search_path={schema}") as connection:
            return connection.execute(statement.replace(":now", f"'{NOW}'")).fetchall()

    def value(self, statement: str, schema: str = "dbo") -> Any:
        return self.rows(statement, schema)[0][0]

    def checksums(self, schema: str) -> dict[str, str]:
        return {
            table: self.value(f"SELECT md5(string_agg(md5(t::text), '' ORDER BY t.Id)) FROM {table} t", schema)
            for table in self.counts
        }
