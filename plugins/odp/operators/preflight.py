"""Everything that the exports need, checked before they run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException, AirflowRuntimeError

from odp.core.exceptions import SettingsError
from odp.core.exports import EXPORTS
from odp.operators.base import OdpOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from odp.core.preflight_account import Account
    from odp.core.preflight_report import Finding, Report, Verdict
    from odp.core.settings import Settings

_RETRY_SECONDS = 30.0
_TIMEOUT_SECONDS = 30.0
_LEVELS = {"failure": logging.ERROR, "warning": logging.WARNING, "ok": logging.INFO}


class OdpPreflightOperator(OdpOperator):
    """
    Check the replica, the ledger, the ODP account and its schema, e-mail addresses, order statuses and the exports' DAGs.

    What ODP's schema lacks is created, if the settings say so and the run's parameter ``DryRun`` is not set.
    The report appears as the rendered field ``report``, in the log, and as XCom ``return_value``: a dictionary with the worst
    ``verdict``, ``counts``, ``impossible_exports`` and ``findings``, each with area, subject, verdict, cause, remedy, exports
    and details. It holds no personal data. The task fails when an export could not work, and passes with warnings otherwise.

    :param commerce_conn_id: PostgreSQL connection to the replica; its search_path names the schema. (templated)
    :param needs_unpaused: whether a paused export counts as one that could not work.
    :param report: filled by the task. (templated)
    :return: the report.
    """

    template_fields: Sequence[str] = (*OdpOperator.template_fields, "commerce_conn_id", "report")
    template_ext: Sequence[str] = (".sql",)
    # The report is known only after the task has run; this shows it among the rendered fields.
    overwrite_rtif_after_execution = True

    def __init__(
        self, *, commerce_conn_id: str = "commerce_db", needs_unpaused: bool = False, report: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.commerce_conn_id = commerce_conn_id
        self.needs_unpaused = needs_unpaused
        self.report = report
        self._account_names: dict[str, str] = {}

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Make all checks.

        :raises AirflowFailException: if an export could not work, with what is wrong.
        """
        from odp.core.preflight_report import Report

        report = Report(self._findings(context))
        self._show(report)
        if report.verdict == "failure":
            context["ti"].xcom_push(key="return_value", value=report.as_dict())
            failures = [finding.text for finding in report.findings if finding.verdict == "failure"]
            raise AirflowFailException(" ".join([report.headline, *failures]))
        return report.as_dict()

    def _findings(self, context: Context) -> Iterator[Finding]:
        from odp.core.accounts import account_connections
        from odp.core.preflight import Preflight
        from odp.core.preflight_report import failure_of
        from odp.core.settings import Settings
        from odp.hooks.commerce import connect_to_commerce
        from odp.hooks.ledger import connect_to_ledger

        settings: Settings
        try:
            settings = self.settings
        except SettingsError as error:
            yield failure_of(error, "settings", "Variable odp_settings")
            settings = Settings()  # so that the rest is checked nevertheless
        files = {file for export in EXPORTS for file in (export.sql, *export.lookups.values())}
        yield from Preflight(
            settings=settings,
            queries={file: self.render_template(file, context) for file in files},
            connect_replica=lambda: connect_to_commerce(self.commerce_conn_id),
            connect_ledger=lambda: connect_to_ledger(self.ledger_conn_id)(),
            open_accounts={
                connection: partial(self._open_account, connection)
                for connection in account_connections(settings) or (self.odp_conn_id,)
            },
            dry_run=bool(context["params"].get("DryRun")),
        ).run()
        yield from self._check_bucket(settings)
        yield from self._check_dags(context)

    def _open_account(self, connection: str) -> Account:
        from odp.core.accounts import refuse_same_account
        from odp.hooks.odp import OdpHook

        hook = OdpHook(connection)
        try:
            refuse_same_account(self._account_names, connection, hook.account)
            self._account_names[connection] = hook.account
            return hook.get_account_to_check(retry_budget=_RETRY_SECONDS, timeout=_TIMEOUT_SECONDS)
        except AirflowNotFoundException as error:
            raise SettingsError(
                f"There is no connection {connection}.",
                "Define it, of type Optimizely Data Platform, with the private API key as its password.",
            ) from error

    def _check_bucket(self, settings: Settings) -> Iterator[Finding]:
        """Look into the bucket of the exports whose transport is csv, without writing to it."""
        from odp.core.exceptions import BucketError, BucketRefusedError
        from odp.core.preflight_report import Finding, failure_of
        from odp.hooks.import_bucket import OdpImportBucket

        exports = [dag_id for dag_id, own in settings.exports.items() if own.transport == "csv"]
        if not exports or settings.csv is None:
            return
        area, subject = "CSV", f"bucket {settings.csv.bucket}"
        try:
            OdpImportBucket(settings.csv).check()
        except (SettingsError, BucketRefusedError, AirflowNotFoundException) as error:
            yield failure_of(error, area, subject, exports)
        except BucketError as error:
            yield failure_of(error, area, subject, exports, "warning")
        else:
            yield Finding(area=area, subject=subject, verdict="ok", cause="It can be reached with the keys of its connection.")

    def _check_dags(self, context: Context) -> Iterator[Finding]:
        """Tell which exports are paused or unknown: a run of theirs would wait for ever."""
        from odp.core.preflight_report import Finding

        verdict: Verdict = "failure" if self.needs_unpaused else "warning"
        paused, unknown = [], []
        for export in EXPORTS:
            try:
                if context["ti"].get_dag(export.dag_id).is_paused:
                    paused.append(export.dag_id)
            except (AirflowRuntimeError, AirflowException):
                unknown.append(export.dag_id)
        if unknown:
            yield Finding(
                area="Airflow",
                subject="DAGs",
                verdict=verdict,
                cause=f"Airflow does not know {', '.join(unknown)}.",
                remedy="See its import errors, and whether the dag-processor runs and has the file dags/historical_exports.py.",
                exports=unknown,
            )
        if paused:
            yield Finding(
                area="Airflow",
                subject="DAGs",
                verdict=verdict,
                cause=f"Paused: {', '.join(paused)}. A paused export runs neither daily nor when it is triggered.",
                remedy="Unpause them in Airflow's list of DAGs, or by airflow dags unpause.",
                exports=paused,
            )
        if not unknown and not paused:
            yield Finding(area="Airflow", subject="DAGs", verdict="ok", cause="All exports are there and unpaused.")

    def _show(self, report: Report) -> None:
        self.report = report.as_text()
        self.log.info("%s", report.headline)
        for finding in report.worst_first():
            self.log.log(_LEVELS[finding.verdict], "%s %s", finding.verdict.upper(), finding.text)
