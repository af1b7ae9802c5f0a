"""The transform stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class OdpTransformOperator(ExportStageOperator):
    """
    Turn a staged part into upload bodies, and keep the rows that cannot be sent as rejects.

    :param part: the part, as extract returned it; filled by ``expand``. (templated)
    :param odp_conn_id: connection to ODP; only its batch size is read here. (templated)
    :return: the part's counts and the names of its files, over which load is mapped.
    """

    template_fields: Sequence[str] = ("export_id", "part", "odp_conn_id")

    def __init__(self, *, part: dict[str, Any], odp_conn_id: str = "odp_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part
        self.odp_conn_id = odp_conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Transform the part.

        :raises AirflowFailException: if settings are wrong.
        """
        from odp.core.parts import transform_part
        from odp.hooks.odp import OdpHook

        batch_size = OdpHook(self.odp_conn_id).options.batch_size
        counts = transform_part(self.export, self.part, self.settings, self.staging(context), batch_size=batch_size)
        self.log.info(
            "Part %s: %s rows, %s records in %s requests, %s skipped, %s rejected, %s texts cut to ODP's limit",
            counts["part"],
            counts["extracted"],
            counts["records"],
            counts["requests"],
            sum(counts["skipped"].values()),
            counts["rejected"],
            counts["cut"],
        )
        for status, action, count in counts["statuses"]:
            self.log.info("Order status %r: %s orders, %s", status, count, action)
        return counts
