"""The reconcile stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from odp.core.exceptions import AccountsError, CannotSucceedError
from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from odp.core.ledger import Ledger
    from odp.core.staging import Staging


Counts: TypeAlias = "XComArg | Iterable[dict[str, Any]] | None"


class OdpReconcileOperator(ExportStageOperator):
    """
    Prove that every extracted row is accounted for, and say what became of them.

    :param transformed: what transform returned for each part. (templated)
    :param loaded: what load returned for each part. (templated)
    :param reads_back: whether a sample of what was delivered is read back from ODP, which takes seconds.
    :return: the run's summary: window, counts, skipped rows by reason, order statuses.
    """

    template_fields: Sequence[str] = (*ExportStageOperator.template_fields, "transformed", "loaded")

    def __init__(self, *, transformed: Counts, loaded: Counts, reads_back: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reads_back = reads_back
        self.transformed = transformed
        self.loaded = loaded

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Check the run, each account for itself.

        :raises AirflowFailException: if the counts do not add up, or more rows were rejected than ``max_reject_ratio`` allows, or
            an account did not get its rows.
        """
        transformed, loaded = _counts(self.transformed), _counts(self.loaded)
        if not self.settings.accounts:
            return self._reconcile(context, transformed, loaded)
        from odp.core.accounts import MANIFEST, failures, judge, of_account, totals

        transformed, loaded = list(transformed), list(loaded)
        failed = failures(self.staging(context).read_json(MANIFEST), loaded)
        summaries: dict[str, Any] = {}
        for account in self.each_account():
            assert account is not None  # noqa: S101 - there are several
            if account in failed:
                continue
            try:
                summaries[account] = self._reconcile(context, of_account(transformed, account), of_account(loaded, account))
            except CannotSucceedError as error:
                failed[account] = f"reconcile: {error}"
        judge(failed)
        return totals(summaries)

    def note_failure(self, context: Context, error: Exception) -> None:
        """Write the failure into the run's history; of several accounts, that has been done for each of them."""
        if not isinstance(error, AccountsError):
            super().note_failure(context, error)

    def _reconcile(
        self, context: Context, transformed: Iterable[dict[str, Any]], loaded: Iterable[dict[str, Any]]
    ) -> dict[str, Any]:
        from odp.core.accounting import summarise
        from odp.core.extract import MANIFEST
        from odp.core.run_history import finish_run

        staging = self.staging(context)
        run_id = self.run_name(context)
        with self.open_ledger() as ledger:
            summary = summarise(
                staging.read_json(MANIFEST),
                transformed,
                loaded,
                delivered=ledger.delivered_rows(run_id),
            )
            self._report(summary)
            try:
                self._check(ledger, run_id, staging, summary, dry_run=bool(context["params"].get("DryRun")))
            except CannotSucceedError as error:
                finish_run(ledger, run_id, summary, str(error))
                raise
            finally:
                staging.write_json("summary.json", summary)
            if self.reads_back and not context["params"].get("DryRun"):
                summary["read_back"] = self._read_back(context, staging, summary, transformed)
            finish_run(ledger, run_id, summary, None)
        staging.write_json("summary.json", summary)
        return summary

    def _check(self, ledger: Ledger, run_id: str, staging: Staging, summary: dict[str, Any], *, dry_run: bool) -> None:
        """Keep the rejects, close those that went through, and judge the run."""
        from odp.core.accounting import check_counts, check_rejects, examples, kept_rejects
        from odp.core.extract import MANIFEST
        from odp.core.run_history import close_rejects, keep_rejects

        check_counts(summary)
        if not dry_run:
            rejects = list(kept_rejects(staging, summary))
            keep_rejects(ledger, run_id, rejects)
            retried = staging.read_json(MANIFEST)["retried"]
            closed = close_rejects(ledger, run_id, retried, (reject.entity_id for reject in rejects))
            self.log.info("Closed %s earlier rejects: they went through, or their entity is gone", closed)
        summary["uncertain_examples"] = [line.partition(":")[0] for line in examples(staging, summary, uncertain=True)]
        for line in summary["uncertain_examples"]:
            self.log.warning("Uncertain: %s", line)
        check_rejects(summary, self.settings.max_reject_ratio, examples(staging, summary, uncertain=False))

    def _read_back(
        self, context: Context, staging: Staging, summary: dict[str, Any], transformed: Iterable[dict[str, Any]]
    ) -> dict[str, Any]:
        """Read a sample of the delivered records back from ODP; reported, never a reason to fail."""
        from odp.core.accounting import staged_rejects
        from odp.core.read_back import read_back, sample_delivered

        uploads = [upload for part in transformed for upload in part["uploads"]]
        left_out = frozenset(line["key"] for line in staged_rejects(staging, summary))
        records = sample_delivered(uploads, staging, self.settings.read_back_sample, self.run_name(context), left_out)
        if not records:
            return {}
        # ODP imports files later than it takes requests.
        patience = 60 * self.settings.csv.follow_minutes if summary["files"] and self.settings.csv else 0.0
        result = read_back(self.odp_hook.get_client(), self.export, records, patience=patience).as_dict()
        self.log.info("Read back from ODP: %s", result)
        if summary["files"] and result["not_visible"]:
            self.log.warning(
                "ODP does not show all of the sample yet. Its Activity Log says more about %s", summary["file_examples"]
            )
        return result

    def _report(self, summary: dict[str, Any]) -> None:
        self.log.info("%s", _sentence(summary))
        for reason, count in summary["skipped_by_reason"].items():
            self.log.info("Skipped %s rows: %s", count, reason)
        for status, action, count in summary["order_statuses"]:
            self.log.info("Order status %r: %s orders, %s", status, count, action)


def _counts(rendered: Counts) -> Iterable[dict[str, Any]]:
    """Return what a mapped stage returned; nothing, if the window was empty and no task of it ran."""
    return rendered[:] if rendered else ()  # type: ignore[index]  # a slice fetches all results at once


def _sentence(summary: dict[str, Any]) -> str:
    from odp.core.accounting import fates_in_words

    start, end = summary["window"]
    return f"{summary['export']}, modified from {start} to {end}: {summary['extracted']} extracted = {fates_in_words(summary)}"
