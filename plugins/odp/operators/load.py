"""The load stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class OdpLoadOperator(ExportStageOperator):
    """
    Send a part's bodies to ODP, after creating what its schema lacks.

    :param transformed: the part, as transform returned it; filled by ``expand``. (templated)
    :param odp_conn_id: connection to the ODP account. (templated)
    :return: the part's counts: delivered, rejected, not sent.
    """

    template_fields: Sequence[str] = ("export_id", "transformed", "odp_conn_id")

    def __init__(self, *, transformed: dict[str, Any], odp_conn_id: str = "odp_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transformed = transformed
        self.odp_conn_id = odp_conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Load the part.

        :raises AirflowFailException: if ODP answers 403 or 404, or settings are wrong.
        :raises OdpUnavailableError: if ODP does not take a request within the retry budget; the task may be retried.
        """
        from odp.core.parts import load_part
        from odp.hooks.odp import OdpHook

        counts = load_part(
            self.export,
            self.transformed,
            OdpHook(self.odp_conn_id).get_client(),
            self.settings,
            self.staging(context),
            dry_run=bool(context["params"].get("DryRun")),
        )
        self.log.info(
            "Part %s: %s delivered, %s rejected by ODP, %s not sent",
            counts["part"],
            counts["delivered"],
            counts["rejected"],
            counts["not_sent"],
        )
        return counts
