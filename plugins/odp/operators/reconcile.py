"""The reconcile stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


Counts: TypeAlias = "XComArg | Iterable[dict[str, Any]] | None"


class OdpReconcileOperator(ExportStageOperator):
    """
    Prove that every extracted row is accounted for, and say what became of them.

    :param transformed: what transform returned for each part. (templated)
    :param loaded: what load returned for each part. (templated)
    :return: the run's summary: window, counts, skipped rows by reason, order statuses.
    """

    template_fields: Sequence[str] = ("export_id", "transformed", "loaded")

    def __init__(self, *, transformed: Counts, loaded: Counts, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transformed = transformed
        self.loaded = loaded

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Check the run.

        :raises AirflowFailException: if the counts do not add up, or more rows were rejected than ``max_reject_ratio`` allows.
        """
        from odp.core.accounting import check_counts, check_rejects, first_rejects, summarise
        from odp.core.extract import MANIFEST

        staging = self.staging(context)
        summary = summarise(staging.read_json(MANIFEST), _counts(self.transformed), _counts(self.loaded))
        staging.write_json("summary.json", summary)
        self.log.info("%s", _sentence(summary))
        for reason, count in summary["skipped_by_reason"].items():
            self.log.info("Skipped %s rows: %s", count, reason)
        for status, action, count in summary["order_statuses"]:
            self.log.info("Order status %r: %s orders, %s", status, count, action)
        check_counts(summary)
        check_rejects(summary, self.settings.max_reject_ratio, first_rejects(staging, summary))
        return summary


def _counts(rendered: Counts) -> Iterable[dict[str, Any]]:
    """Return what a mapped stage returned; nothing, if the window was empty and no task of it ran."""
    return rendered[:] if rendered else ()  # type: ignore[index]  # a slice fetches all results at once


def _sentence(summary: dict[str, Any]) -> str:
    start, end = summary["window"]
    return (
        f"{summary['export']}, modified from {start} to {end}: {summary['extracted']} extracted = {summary['delivered']} "
        f"delivered + {summary['skipped']} skipped + {summary['rejected']} rejected + {summary['not_sent']} not sent"
    )
