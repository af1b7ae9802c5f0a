"""The load stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from odp.core.exceptions import SettingsError
from odp.operators.base import ExportStageOperator
from odp.operators.links import ExportPageLink, OdpAccountLink

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from odp.hooks.import_bucket import OdpImportBucket


class OdpLoadOperator(ExportStageOperator):
    """
    Send a part's bodies to ODP, after creating what its schema lacks.

    :param transformed: the part, as transform returned it; filled by ``expand``. (templated)
    :return: the part's counts: delivered, rejected, unchanged, uncertain, not sent.
    """

    template_fields: Sequence[str] = (*ExportStageOperator.template_fields, "transformed")
    operator_extra_links = (ExportPageLink(), OdpAccountLink())

    def __init__(self, *, transformed: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transformed = transformed

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Load the part. With several accounts, reconcile fails a run that an account did not take, and nothing is raised here.

        :raises AirflowFailException: if ODP answers 403 or 404, or settings are wrong.
        :raises OdpUnavailableError: if ODP does not take a request within the retry budget; the task may be retried.
        """
        account = self.transformed.get("account")
        if account is None:
            return self._load(context)
        self.use_account(account)
        try:
            return {**self._load(context), "account": account}
        except Exception as error:
            if self.may_retry(context, error):
                raise
            self.log.exception("The account %s did not take part %s", account, self.transformed["part"])
            self.note_failure(context, error)
            return {"part": self.transformed["part"], "account": account, "failed": f"load: {error}"}

    def _load(self, context: Context) -> dict[str, Any]:
        from odp.core.accounting import settled_rows
        from odp.core.parts import load_part
        from odp.core.run_history import resume_run, run_began
        from odp.core.run_progress import count_settled

        with self.open_ledger() as ledger:
            run = self.run_name(context)
            resume_run(ledger, run)
            counts = load_part(
                self.export,
                self.transformed,
                self.odp_hook.get_client(ledger),
                self.settings,
                self.staging(context),
                ledger,
                run_id=run,
                dry_run=bool(context["params"].get("DryRun")),
                # By an earlier try, or before this task was cleared.
                repeated=ledger.delivered_rows(run, self.transformed["part"]) > 0,
                # Of an export's own DAG, one run at a time is under way.
                began=None if run == context["run_id"] else run_began(ledger, run),
                bucket=self._import_bucket(),
            )
            count_settled(ledger, run, counts["part"], settled_rows(self.transformed, counts))
        self.log.info(
            "Part %s: %s delivered, %s rejected by ODP, %s sent by another run, %s uncertain, %s not sent",
            counts["part"],
            counts["delivered"],
            counts["rejected"],
            counts["unchanged"],
            counts["uncertain"],
            counts["not_sent"],
        )
        for name in counts.get("files", ()):
            self.log.info("In the bucket: %s", name)
        return counts

    def _import_bucket(self) -> OdpImportBucket | None:
        """Return where the CSV files of the part go; nothing, if it has none."""
        from odp.core.import_bucket import is_file
        from odp.hooks.import_bucket import OdpImportBucket

        if not any(map(is_file, self.transformed["uploads"])):
            return None
        if self.settings.csv is None:
            raise SettingsError(
                "The staged files are CSV, but the setting csv is gone: nobody knows the bucket.",
                "Put csv back into odp_settings, or clear the transform task to send them to the REST API.",
            )
        return OdpImportBucket(self.settings.csv)

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """Return the staged files and what is written in ODP, for Airflow's OpenLineage provider."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from odp.core.import_bucket import is_file
        from odp.lineage import import_folder, odp_targets, staged_files

        self.use_account(self.transformed.get("account"))
        outputs = odp_targets(self.odp_hook, self.export)
        if self.settings.csv and any(map(is_file, self.transformed["uploads"])):
            outputs.append(import_folder(self.settings.csv.bucket, self.settings.csv.tracker_id))
        return OperatorLineage(inputs=[staged_files(self.staging_root(), self.export)], outputs=outputs)
