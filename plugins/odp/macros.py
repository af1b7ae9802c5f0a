"""
Template macros, as ``macros.odp.*``: a run's window, from its parameters and its times.

Written for templates such as ``{{ macros.odp.window_start(dag_run, params) }}``. They never read ``data_interval_end``
directly, which a run without logical date does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from odp.core.exceptions import CannotSucceedError
from odp.core.settings import VARIABLE_NAME, read_settings
from odp.core.window import RunTimes, Window, check_parameters

_TAKES_INTERVAL = frozenset({"scheduled", "backfill"})


def _run_times(dag_run: Any) -> RunTimes:
    run_type = getattr(dag_run.run_type, "value", dag_run.run_type)
    return RunTimes(
        takes_interval=run_type in _TAKES_INTERVAL,
        # A backfill is asked for its days; looking back from each of them would export the days between again and again.
        look_back_days=_look_back_days(dag_run.dag_id) if run_type == "scheduled" else None,
        run_after=dag_run.run_after,
        interval_start=dag_run.data_interval_start,
        interval_end=dag_run.data_interval_end,
        logical_date=dag_run.logical_date,
    )


def _look_back_days(dag_id: str) -> int | None:
    return read_settings(Variable.get(VARIABLE_NAME, default=None)).for_export(dag_id).look_back_days


def _window(dag_run: Any, params: Mapping[str, Any]) -> Window:
    try:
        return check_parameters(params, dag_run.conf, _run_times(dag_run))
    except CannotSucceedError as error:
        raise AirflowFailException(str(error)) from None


def window_start(dag_run: Any, params: Mapping[str, Any]) -> str:
    """
    Return the start of the run's window: ISO 8601, or ``-infinity`` when it is open.

    :param dag_run: the template variable ``dag_run``.
    :param params: the template variable ``params``.
    :raises AirflowFailException: if the run's parameters or the settings are wrong; the task fails without retries.
    """
    return _window(dag_run, params).start_text


def window_end(dag_run: Any, params: Mapping[str, Any]) -> str:
    """
    Return the end of the run's window: ISO 8601, or ``infinity`` when it is open.

    :param dag_run: the template variable ``dag_run``.
    :param params: the template variable ``params``.
    :raises AirflowFailException: if the run's parameters or the settings are wrong; the task fails without retries.
    """
    return _window(dag_run, params).end_text
