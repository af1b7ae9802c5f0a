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
    :return: the part's counts and the names of its files, over which load is mapped.
    """

    template_fields: Sequence[str] = (*ExportStageOperator.template_fields, "part")

    def __init__(self, *, part: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Transform the part.

        :raises AirflowFailException: if settings are wrong.
        """
        from odp.core.accounting import settled_rows
        from odp.core.parts import transform_part
        from odp.core.run_history import resume_run
        from odp.core.run_progress import count_settled

        account = self.part.get("account")
        self.use_account(account)
        with self.open_ledger() as ledger:
            resume_run(ledger, self.run_name(context))
            counts = transform_part(
                self.export,
                self.part,
                self.settings,
                self.staging(context),
                ledger,
                batch_size=self.odp_hook.options.batch_size,
                resend=bool(context["params"].get("Resend")),
                transport=self.transport(context),
            )
            count_settled(ledger, self.run_name(context), counts["part"], settled_rows(counts))
        self.log.info(
            "Part %s: %s rows, %s to send, %s unchanged, %s skipped, %s rejected, %s texts cut to ODP's limit",
            counts["part"],
            counts["extracted"],
            counts["records"],
            counts["unchanged"],
            sum(counts["skipped"].values()),
            counts["rejected"],
            counts["cut"],
        )
        for status, action, count in counts["statuses"]:
            self.log.info("Order status %r: %s orders, %s", status, count, action)
        return counts if account is None else {**counts, "account": account}
