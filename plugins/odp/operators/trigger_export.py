"""Running an export's own DAG from another DAG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, DagRunState
from airflow.sdk.exceptions import AirflowFailException, DagRunTriggerException

if TYPE_CHECKING:
    from airflow.sdk import Context

_POLL_SECONDS = 5


class TriggeredRunLink(BaseOperatorLink):
    """Leads from a step to the export's own run."""

    name = "Triggered DAG"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the address of the run.

        :param operator: the step, with its fields rendered.
        :param ti_key: the step's task instance.
        """
        from airflow.utils.helpers import build_airflow_dagrun_url

        return build_airflow_dagrun_url(operator.export_id, operator.trigger_run_id)


class TriggerExportOperator(BaseOperator):
    """
    Run an export by its own DAG and wait until it is finished, without holding a worker.

    Repeated, by a retry or because it was cleared, it goes on where it was: a run that is under way is waited for, one that
    succeeded stays as it is, and one that failed is cleared, so that it runs again and sends what ODP does not have yet.

    Airflow's TriggerDagRunOperator does not find a run again. It is not a base of this class either: its module imports the
    database models, which would double the time it takes to parse the DAG files.

    :param export_id: id of the export's DAG. (templated)
    :param trigger_run_id: id of its run, the same one each time. (templated)
    :param passed_params: names of this run's parameters that the export's run is given as well.
    """

    template_fields: Sequence[str] = ("export_id", "trigger_run_id")
    operator_extra_links = (TriggeredRunLink(),)
    ui_color = "#ffefeb"

    def __init__(self, *, export_id: str, trigger_run_id: str, passed_params: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.trigger_run_id = trigger_run_id
        self.passed_params = passed_params

    def execute(self, context: Context) -> None:
        """
        Trigger the run, or find it again.

        :raises AirflowFailException: if the export is paused, so that its run would never begin.
        """
        ti = context["ti"]
        if ti.get_dag(self.export_id).is_paused:
            raise AirflowFailException(
                f"{self.export_id} is paused, so its run would never begin. Unpause it (airflow dags unpause {self.export_id}), "
                "then clear this task."
            )
        exists = ti.get_dr_count(self.export_id, run_ids=[self.trigger_run_id]) > 0
        state = ti.get_dagrun_state(self.export_id, self.trigger_run_id) if exists else None
        if state is None or state == DagRunState.FAILED:
            self._start(context)
        self.log.info("%s has the run %s already: %s", self.export_id, self.trigger_run_id, state)
        if state != DagRunState.SUCCESS:
            self._wait()

    def execute_complete(self, context: Context, event: tuple[str, dict[str, Any]]) -> None:
        """
        Say how the run ended.

        :param context: the task's context.
        :param event: what the trigger saw.
        :raises AirflowFailException: if it failed; it is not repeated by itself, since its own tasks were.
        """
        state = event[1][self.trigger_run_id]
        if state != DagRunState.SUCCESS:
            raise AirflowFailException(
                f"The run {self.trigger_run_id} of {self.export_id} failed. Open it by this task's link 'Triggered DAG', mend "
                "what its red task names, then clear this task: the load goes on from here and sends only what ODP does not have "
                "yet."
            )
        self.log.info("The run %s of %s succeeded", self.trigger_run_id, self.export_id)

    def _start(self, context: Context) -> None:
        """Let Airflow trigger the run, or clear it, and wait for it."""
        from airflow.providers.standard.utils.openlineage import safe_inject_openlineage_properties_into_dagrun_conf

        conf = {name: context["params"][name] for name in self.passed_params}
        raise DagRunTriggerException(
            trigger_dag_id=self.export_id,
            dag_run_id=self.trigger_run_id,
            conf=safe_inject_openlineage_properties_into_dagrun_conf(conf, context["ti"]),
            # Without a logical date it exports everything, and cannot collide with a scheduled run.
            logical_date=None,
            reset_dag_run=True,
            skip_when_already_exists=False,
            wait_for_completion=True,
            allowed_states=[DagRunState.SUCCESS],
            failed_states=[DagRunState.FAILED],
            poke_interval=_POLL_SECONDS,
            deferrable=True,
        )

    def _wait(self) -> None:
        from airflow.providers.standard.triggers.external_task import DagStateTrigger

        self.defer(
            trigger=DagStateTrigger(
                dag_id=self.export_id,
                states=[DagRunState.SUCCESS, DagRunState.FAILED],  # type: ignore[list-item]
                run_ids=[self.trigger_run_id],
                poll_interval=_POLL_SECONDS,
            ),
            method_name="execute_complete",
        )
