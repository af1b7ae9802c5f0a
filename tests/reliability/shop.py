"""A replica made by hand, whose orders a test knows one by one."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg

_NAMESPACE = uuid.UUID("5ad2fb9c-7d4b-5b8e-8f5b-0a9f4f5a1c11")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def entity_id(number: str) -> str:
    """Return the id of an order."""
    return str(uuid.uuid5(_NAMESPACE, number))


class Shop:
    """
    Orders in a replica.

    :param dsn: connection string of a replica with all tables and no rows.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._clock = START

    def place(self, *numbers: str, status: str = "Submitted", total: float = 30, **columns: Any) -> None:
        """Add orders with one line each."""
        self._clock += timedelta(minutes=1)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for number in numbers:
                row = {
                    "Id": entity_id(number),
                    "OrderNumber": number,
                    "Status": status,
                    "OrderDate": START,
                    "ModifiedOn": self._clock,
                    "OrderTotal": total,
                    "BtEmail": f"buyer-{number}@example.com".lower(),
                    "IsGuestOrder": True,
                    **columns,
                }
                _insert(connection, "CustomerOrder", row)
                line = {
                    "Id": uuid.uuid4(),
                    "CustomerOrderId": row["Id"],
                    "ProductId": uuid.uuid4(),
                    "Line": 1,
                    "QtyOrdered": 3,
                    "UnitNetPrice": total / 3,
                    "TotalNetPrice": total,
                    "ModifiedOn": self._clock,
                }
                _insert(connection, "OrderLine", line)

    def change(self, number: str, **columns: Any) -> datetime:
        """Change an order; return when it was modified."""
        self._clock += timedelta(minutes=1)
        columns = {**columns, "ModifiedOn": self._clock}
        assignments = ", ".join(f"{name} = %({name})s" for name in columns)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            done = connection.execute(
                f"UPDATE CustomerOrder SET {assignments} WHERE OrderNumber = %(number)s", {**columns, "number": number}
            )
            assert done.rowcount == 1
        return self._clock

    def remove(self, number: str) -> None:
        """Remove an order."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM CustomerOrder WHERE OrderNumber = %s", (number,))


def _insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)
