"""Repair: read again what is missing or changed, for the ordinary stages of an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, Variable
from airflow.sdk.exceptions import AirflowSkipException

from odp.core.settings import VARIABLE_NAME, read_settings
from odp.core.window import OPEN_END, OPEN_START
from odp.operators.consistency import COMPARISON, is_wanted
from odp.operators.extract import CommerceExtractOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class OdpRepairSensor(BaseSensorOperator):
    """
    Wait until no run of the export is under way, so that neither sends what is older than what the other has sent.

    Skipped, with the stages after it, if the run is not to repair or there is nothing to send.

    :param export_id: id of the export's DAG. (templated)
    :param compared: what the comparison returned. (templated)
    """

    template_fields: Sequence[str] = ("export_id", "compared")

    def __init__(self, *, export_id: str, compared: XComArg | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.compared = compared

    def poke(self, context: Context) -> bool:
        """
        Look whether the export is idle.

        :param context: the task's context.
        :raises AirflowSkipException: if there is nothing to wait for.
        """
        compared: Mapping[str, Any] = self.compared  # type: ignore[assignment]  # rendered
        settings = read_settings(Variable.get(VARIABLE_NAME, default=None))
        if not is_wanted(context, "Repair", settings.consistency_repair):
            raise AirflowSkipException("Neither the parameter Repair nor the setting consistency_repair asks for it.")
        if not compared["to_repair"]:
            raise AirflowSkipException(f"Nothing that {self.export_id} sends is missing or changed.")
        return context["ti"].get_dr_count(dag_id=self.export_id, states=["running"]) == 0


class OdpRepairExtractOperator(CommerceExtractOperator):
    """
    Read the entities that a comparison found missing or changed; the whole source, if there are too many to name.

    The ledger is first brought to what ODP really has, so that load sends what is missing and nothing twice.

    :return: one entry per part, over which transform is mapped.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(window_start=OPEN_START, window_end=OPEN_END, **kwargs)

    def run_stage(self, context: Context) -> list[dict[str, Any]]:
        """Prepare the ledger, and extract."""
        from odp.core.repair import prepare_repair
        from odp.core.uncertain import resolver_of

        with self.open_ledger() as ledger:
            entities = prepare_repair(
                self.export,
                ledger,
                resolver_of(self.export, self.odp_hook.get_client(), self.settings),
                self.staging(context, COMPARISON),
                self.run_name(context),
            )
        return self.extract_entities(context, entities)
