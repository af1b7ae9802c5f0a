"""The stages of odp_consistency: compare, mark what is gone, and judge. Repair is in ``odp.operators.repair``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from odp.core.parameters import refuse_unknown_parameters
from odp.operators.base import ExportStageOperator, OdpOperator
from odp.operators.commerce import CommerceReadOperator

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import Context, XComArg

COMPARISON = "comparison"
"""The purpose of the files that a comparison stages (``ExportStageOperator.staging``)."""

CONSISTENCY_PARAMETERS = ("Exports", "Repair", "Deactivate")


def is_wanted(context: Context, parameter: str, default: bool) -> bool:
    """
    Tell whether a run is to repair or to deactivate.

    :param context: the task's context.
    :param parameter: name of the run's parameter.
    :param default: what the settings say, where the run does not.
    """
    given = context["params"].get(parameter)
    return default if given is None else bool(given)


class OdpCompareOperator(CommerceReadOperator):
    """
    Compare an export's whole source with what ODP has acknowledged, and a random sample of it with what ODP holds.

    Skipped, if the run's parameter ``Exports`` does not name the export.

    :return: counts, examples by key, what the sample showed, and the gaps between runs of the export.
    """

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Compare.

        :raises AirflowSkipException: if the export is not to be compared.
        """
        from odp.core.accounts import refuse_several
        from odp.core.consistency import compare
        from odp.core.consistency_history import keep_check
        from odp.core.consistency_report import sentences

        refuse_unknown_parameters(context["dag_run"].conf or {}, CONSISTENCY_PARAMETERS)
        refuse_several(self.settings, "odp_consistency")
        if self.export_id not in (context["params"].get("Exports") or [self.export_id]):
            raise AirflowSkipException(f"The parameter Exports does not name {self.export_id}.")
        with self.open_ledger() as ledger:
            result = compare(
                self.export,
                self.settings,
                ledger,
                self.odp_hook.get_client(),
                lambda window, staging: self.read_source(context, window, staging),
                self.staging(context, COMPARISON),
                seed=context["run_id"],
            )
            keep_check(ledger, self.run_name(context), result)
        for sentence in sentences(result):
            self.log.info("%s", sentence)
        return result

    def note_failure(self, context: Context, error: Exception) -> None:
        """Do nothing: a comparison is no run of the export."""


class OdpDeactivateOperator(ExportStageOperator):
    """
    Send ``is_active`` false for the records whose entity the source no longer has.

    Skipped, if the run is not to do so or there is nothing to mark.

    :param compared: what the comparison returned. (templated)
    :param commerce_conn_id: PostgreSQL connection to the replica. (templated)
    :return: how many were deactivated, kept and rejected.
    """

    template_fields: Sequence[str] = (*ExportStageOperator.template_fields, "compared", "commerce_conn_id")

    def __init__(self, *, compared: XComArg | Mapping[str, Any], commerce_conn_id: str = "commerce_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compared = compared
        self.commerce_conn_id = commerce_conn_id

    def run_stage(self, context: Context) -> dict[str, int]:
        """
        Mark what is gone.

        :raises AirflowFailException: if so much is gone that something else must be wrong.
        """
        from odp.core.deactivate import check_share, deactivate

        compared: Mapping[str, Any] = self.compared  # type: ignore[assignment]  # rendered
        if not is_wanted(context, "Deactivate", self.settings.consistency_deactivate):
            raise AirflowSkipException("Neither the parameter Deactivate nor the setting consistency_deactivate asks for it.")
        if not compared["deleted"] or not compared["can_deactivate"]:
            raise AirflowSkipException(f"{self.export_id} has nothing that can be marked as not active.")
        check_share(
            compared["deleted"],
            compared["known"],
            compared["source_rows"],
            self.settings.max_deactivate_ratio,
            self.export_id,
        )
        with self.open_ledger() as ledger:
            counts = deactivate(
                self.export,
                self.export.contract_for(self.settings),
                self.odp_hook.get_client(ledger),
                ledger,
                self.staging(context, COMPARISON),
                self.run_name(context),
                self._find_people,
            )
        self.log.info("%s: %s", self.export_id, counts)
        return counts

    def note_failure(self, context: Context, error: Exception) -> None:
        """Do nothing: this is no run of the export."""

    def _find_people(self, ids: Collection[str]) -> set[str]:
        from odp.hooks.commerce import connect_to_commerce

        with connect_to_commerce(self.commerce_conn_id) as connection:
            rows = connection.execute("SELECT u.Id::text FROM UserProfile u WHERE u.Id::text = ANY(%s)", (list(ids),))
            return {row[0] for row in rows}


class OdpConsistencyVerdictOperator(OdpOperator):
    """
    Say what was found and what was done about it, and fail if differences remain.

    :param exports: ids of the exports. (templated)
    :param compared: what their comparisons returned, in the same order; nothing for those that were left out. (templated)
    :param repaired: the summaries of their repairs; nothing where there was none. (templated)
    :param deactivated: how many of their records were marked; nothing where none was. (templated)
    :return: the result of each export.
    """

    template_fields: Sequence[str] = (*OdpOperator.template_fields, "exports", "compared", "repaired", "deactivated")

    def __init__(
        self,
        *,
        exports: Sequence[str],
        compared: Sequence[XComArg | Mapping[str, Any] | None],
        repaired: Sequence[XComArg | Mapping[str, Any] | None],
        deactivated: Sequence[XComArg | Mapping[str, Any] | None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.exports = exports
        self.compared = compared
        self.repaired = repaired
        self.deactivated = deactivated

    def run_stage(self, context: Context) -> dict[str, Any]:
        """
        Judge.

        :raises AirflowFailException: if more differences remain than ``max_difference_ratio`` allows, or an export could not be
            compared or repaired.
        """
        from odp.core.consistency_history import keep_check
        from odp.core.consistency_report import judge, outcome_of, sentences
        from odp.core.ledger import Ledger
        from odp.hooks.ledger import connect_to_ledger

        chosen = context["params"].get("Exports") or self.exports
        repairs = is_wanted(context, "Repair", self.settings.consistency_repair)
        results: dict[str, Any] = {}
        stages = zip(self.exports, self.compared, self.repaired, self.deactivated, strict=True)
        for export_id, compared, repaired, deactivated in stages:
            if export_id in chosen:
                results[export_id] = outcome_of(compared, repaired, deactivated, repairs=repairs)  # type: ignore[arg-type]
        for export_id, result in results.items():
            if result is None:
                continue
            for sentence in sentences(result):
                self.log.info("%s", sentence)
            with Ledger(connect_to_ledger(self.ledger_conn_id), self.odp_hook.account, export_id) as ledger:
                keep_check(ledger, f"{context['dag'].dag_id}/{context['run_id']}", result)
        judge(results, self.settings.max_difference_ratio)
        return results
