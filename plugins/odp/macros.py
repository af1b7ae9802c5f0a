"""
Template macros, as ``macros.odp.*``: a run's window, from its parameters, its times and what earlier runs have covered.

Written for templates such as ``{{ macros.odp.window_start(dag_run, params, task) }}``. They never read ``data_interval_end``
directly, which a run without logical date does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from odp.core.exceptions import CannotSucceedError, SettingsError
from odp.core.settings import VARIABLE_NAME, read_settings
from odp.core.window import RunTimes, Window, check_parameters

if TYPE_CHECKING:
    from odp.operators.base import ExportStageOperator

_TAKES_INTERVAL = frozenset({"scheduled", "backfill"})


def _run_times(dag_run: Any, task: ExportStageOperator | None) -> RunTimes:
    run_type = getattr(dag_run.run_type, "value", dag_run.run_type)
    return RunTimes(
        takes_interval=run_type in _TAKES_INTERVAL,
        # A backfill is asked for its days; looking back from each of them would export the days between again and again.
        look_back_days=_look_back_days(dag_run.dag_id) if run_type == "scheduled" else None,
        run_after=dag_run.run_after,
        interval_start=dag_run.data_interval_start,
        interval_end=dag_run.data_interval_end,
        logical_date=dag_run.logical_date,
        # A backfill is asked for its days, whatever other runs have covered.
        resume_point=_resume_point(dag_run.run_id, task) if task and run_type == "scheduled" else None,
    )


def _look_back_days(dag_id: str) -> int | None:
    return read_settings(Variable.get(VARIABLE_NAME, default=None)).for_export(dag_id).look_back_days


def _resume_point(run_id: str, task: ExportStageOperator) -> datetime | None:
    if task.settings.window_mode == "data_interval":
        return None
    from odp.core.coverage import resume_point

    if not task.settings.accounts:
        with task.open_ledger() as ledger:
            return resume_point(ledger, run_id, timedelta(minutes=task.settings.overlap_minutes))
    points = []
    for account in task.each_account():
        try:
            with task.open_ledger() as ledger:
                points.append(resume_point(ledger, run_id, timedelta(minutes=task.settings.overlap_minutes)))
        except (SettingsError, AirflowNotFoundException) as error:
            # Extract says more of an account that cannot be worked for; the others go on.
            task.log.warning("What the account %s has cannot be told: %s", account, error)
    # A new account does not hold the others up, nor does it get all that was modified before it came.
    return min(filter(None, points), default=None)


def _window(dag_run: Any, params: Mapping[str, Any], task: ExportStageOperator | None) -> Window:
    try:
        return check_parameters(params, dag_run.conf, _run_times(dag_run, task))
    except CannotSucceedError as error:
        raise AirflowFailException(str(error)) from None


def window_start(dag_run: Any, params: Mapping[str, Any], task: ExportStageOperator | None = None) -> str:
    """
    Return the start of the run's window: ISO 8601, or ``-infinity`` when it is open.

    :param dag_run: the template variable ``dag_run``.
    :param params: the template variable ``params``.
    :param task: the template variable ``task``, whose settings and ledger tell where a scheduled run begins in the window mode
        ``since_last_success``; without it, at the start of its data interval.
    :raises AirflowFailException: if the run's parameters or the settings are wrong, or there is no ledger; the task fails without
        retries.
    """
    return _window(dag_run, params, task).start_text


def window_end(dag_run: Any, params: Mapping[str, Any]) -> str:
    """
    Return the end of the run's window: ISO 8601, or ``infinity`` when it is open.

    :param dag_run: the template variable ``dag_run``.
    :param params: the template variable ``params``.
    :raises AirflowFailException: if the run's parameters or the settings are wrong; the task fails without retries.
    """
    return _window(dag_run, params, None).end_text
