"""Running an export's own DAG from another DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import XCOM_RUN_ID, TriggerDagRunOperator
from airflow.providers.standard.triggers.external_task import DagStateTrigger
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class TriggerExportOperator(TriggerDagRunOperator):
    """
    Run an export by its own DAG and wait until it is finished, without holding a worker.

    Repeated, by a retry or because it was cleared, it goes on where it was: a run that is under way is waited for, one that
    succeeded stays as it is, and one that failed is cleared, so that it runs again and sends what ODP does not have yet.

    :param trigger_dag_id: id of the export's DAG. (templated)
    :param trigger_run_id: id of its run, the same one each time. (templated)
    :param conf: the run's parameters, or JSON of them. (templated)
    """

    def __init__(self, *, trigger_dag_id: str, trigger_run_id: str, conf: Any = None, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id=trigger_dag_id,
            trigger_run_id=trigger_run_id,
            conf=conf,
            # Without a logical date it exports everything, and cannot collide with a scheduled run.
            logical_date=None,
            reset_dag_run=True,
            wait_for_completion=True,
            deferrable=True,
            poke_interval=5,
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        """
        Trigger the run, or find it again.

        :raises AirflowFailException: if the export is paused, so that its run would never begin.
        """
        ti, dag_id, run_id = context["ti"], self.trigger_dag_id, str(self.trigger_run_id)
        if ti.get_dag(dag_id).is_paused:
            raise AirflowFailException(
                f"{dag_id} is paused, so its run would never begin. Unpause it (airflow dags unpause {dag_id}), then clear this "
                "task."
            )
        state = ti.get_dagrun_state(dag_id, run_id) if ti.get_dr_count(dag_id, run_ids=[run_id]) else None
        if state is None or state in self.failed_states:
            super().execute(context)  # which raises what makes Airflow start the run and wait for it
        ti.xcom_push(key=XCOM_RUN_ID, value=run_id)  # for the link to the run
        self.log.info("%s has the run %s already: %s", dag_id, run_id, state)
        if state not in self.allowed_states:
            states = [*self.allowed_states, *self.failed_states]
            trigger = DagStateTrigger(dag_id=dag_id, states=states, run_ids=[run_id], poll_interval=self.poke_interval)
            self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Context, event: tuple[str, dict[str, Any]]) -> None:
        """
        Say how the run ended.

        :param context: the task's context.
        :param event: what the trigger saw.
        :raises AirflowFailException: if it failed; it is not repeated by itself, since its own tasks were.
        """
        try:
            super().execute_complete(context, event)
        except AirflowException as error:
            raise AirflowFailException(
                f"The run {self.trigger_run_id} of {self.trigger_dag_id} failed. Open it by this task's link 'Triggered DAG', "
                "mend what its red task names, then clear this task: the load goes on from here and sends only what ODP does "
                "not have yet."
            ) from error
