"""What only Airflow knows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from odp.ui.airflow_state import DagState
from tests.core.history import TODAY, day

NOW = TODAY + timedelta(hours=8)


def state(next_run: float | None, next_interval: float | None, *, is_paused: bool = False) -> DagState:
    times = [None if number is None else day(number) for number in (next_run, next_interval)]
    return DagState(is_paused, *times, queued=0)


@pytest.mark.parametrize(
    ("dag", "due"),
    [
        (state(1, 0), day(0)),  # daily: everything before today
        (state(1.1, 0.1), day(0)),  # daily at some hour
        (state(5, -2), day(-2)),  # weekly: everything before the week that is under way
        (state(-3, -4), day(0)),  # the scheduler is down
        (state(None, -4, is_paused=True), day(0)),
        (state(None, None), None),  # no schedule
    ],
)
def test_until_when_everything_should_have_been_exported(dag: DagState, due: datetime | None) -> None:
    assert dag.due(NOW) == due
