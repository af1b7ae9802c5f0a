"""Maintenance of the ledger and of staged files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odp.operators.base import OdpOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class OdpMaintenanceOperator(OdpOperator):
    """
    Remove staged files, closed rejects and run history past their age, and release uncertain events that a person has looked up.

    The run's parameters ``DeliveredOrders`` and ``NotDeliveredOrders`` name the orders of those events.

    :return: what was removed and released.
    """

    def run_stage(self, context: Context) -> dict[str, Any]:
        """Do the maintenance."""
        from odp.core.maintenance import decide_uncertain, remove_old_rows, remove_staged_runs
        from odp.hooks.ledger import connect_to_ledger

        params = context["params"]
        with connect_to_ledger(self.ledger_conn_id)() as connection:
            delivered, released = decide_uncertain(
                connection,
                delivered=params.get("DeliveredOrders") or (),
                not_delivered=params.get("NotDeliveredOrders") or (),
            )
            rows = remove_old_rows(connection, self.settings)
        folders = remove_staged_runs(self.staging_root(), self.settings.staging_retention_days)
        self.log.info("Removed %s staged runs and these ledger rows: %s", len(folders), rows)
        self.log.info("Marked as delivered: %s. Released, to be sent by the next run: %s", delivered, released)
        return {"staged_runs": len(folders), "rows": rows, "delivered": len(delivered), "released": len(released)}
