"""A step of the initial load: triggers an export's run once, and finds it again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.external_task import DagStateTrigger
from airflow.sdk.exceptions import AirflowFailException, DagRunTriggerException, TaskDeferred

from odp.operators.trigger_export import TriggerExportOperator

DAG_ID, RUN_ID = "product_odp_export", "initial_load__first"


class TaskInstance:
    """
    What Airflow tells a task about other DAGs and their runs.

    :param state: state of the run; ``None`` if there is none.
    :param paused: whether the DAG is paused.
    """

    def __init__(self, state: str | None = None, *, paused: bool = False) -> None:
        self.state = state
        self.paused = paused

    def get_dag(self, dag_id: str) -> Any:
        assert dag_id == DAG_ID
        return SimpleNamespace(is_paused=self.paused)

    def get_dr_count(self, dag_id: str, run_ids: list[str]) -> int:
        assert (dag_id, run_ids) == (DAG_ID, [RUN_ID])
        return int(self.state is not None)

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str | None:
        return self.state


def step() -> TriggerExportOperator:
    return TriggerExportOperator(task_id="step", export_id=DAG_ID, trigger_run_id=RUN_ID, passed_params=["DryRun"])


def context(state: str | None = None, **more: Any) -> Any:
    return {"ti": TaskInstance(state, **more), "params": {"DryRun": True, "Other": 1}}


@pytest.mark.parametrize("state", [None, "failed"])
def test_a_run_that_is_not_there_or_failed_is_started_for_everything(state: str | None) -> None:
    with pytest.raises(DagRunTriggerException) as started:
        step().execute(context(state))
    order = started.value
    assert (order.trigger_dag_id, order.dag_run_id, order.conf) == (DAG_ID, RUN_ID, {"DryRun": True})
    assert (order.logical_date, order.run_after) == (None, None)
    assert (order.reset_dag_run, order.wait_for_completion, order.deferrable) == (True, True, True)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_is_under_way_is_waited_for_without_a_worker(state: str) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        step().execute(context(state))
    trigger = deferred.value.trigger
    assert isinstance(trigger, DagStateTrigger)
    assert (trigger.dag_id, trigger.run_ids, trigger.execution_dates) == (DAG_ID, [RUN_ID], None)
    assert [state.value for state in trigger.states] == ["success", "failed"]
    assert deferred.value.method_name == "execute_complete"


def test_a_run_that_succeeded_stays_as_it_is() -> None:
    assert step().execute(context("success")) is None


@pytest.mark.parametrize("state", [None, "failed", "queued"])
def test_a_paused_export_is_refused_at_once(state: str | None) -> None:
    with pytest.raises(AirflowFailException, match="airflow dags unpause product_odp_export"):
        step().execute(context(state, paused=True))


def test_a_failed_run_fails_the_step_without_retries_and_says_how_to_go_on() -> None:
    event = ("path", {"run_ids": [RUN_ID], RUN_ID: "failed"})
    with pytest.raises(AirflowFailException, match="The run initial_load__first of product_odp_export failed.*clear this task"):
        step().execute_complete({}, event)


def test_a_run_that_ends_well_ends_the_step_well() -> None:
    assert step().execute_complete({}, ("path", {"run_ids": [RUN_ID], RUN_ID: "success"})) is None


def test_the_link_leads_to_the_run() -> None:
    (link,) = step().operator_extra_links
    assert link.get_link(step(), ti_key=None).endswith(f"/dags/{DAG_ID}/runs/{RUN_ID}")
