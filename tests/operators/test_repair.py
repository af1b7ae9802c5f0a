"""When the repair of an export begins, and what it reads."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from odp.operators.repair import OdpRepairSensor


def poke(compared: dict[str, Any], running: int = 0, **params: Any) -> bool:
    """Look once whether the repair may begin; ``running`` runs of the export are under way."""
    asked: list[dict[str, Any]] = []

    def get_dr_count(**criteria: Any) -> int:
        asked.append(criteria)
        return running

    sensor = OdpRepairSensor(task_id="wait", export_id="product_odp_export", compared=compared)
    done = sensor.poke({"params": params, "ti": SimpleNamespace(get_dr_count=get_dr_count)})  # type: ignore[arg-type]
    assert asked == [{"dag_id": "product_odp_export", "states": ["running"]}]
    return done


def test_it_begins_when_no_run_of_the_export_is_under_way() -> None:
    assert poke({"to_repair": 1}, Repair=True)
    assert not poke({"to_repair": 1}, running=1, Repair=True)


@pytest.mark.parametrize("params", [{}, {"Repair": None}, {"Repair": False}])
def test_it_is_skipped_unless_it_is_asked_for(params: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match="consistency_repair"):
        poke({"to_repair": 1}, **params)


def test_it_is_skipped_where_there_is_nothing_to_send() -> None:
    with pytest.raises(AirflowSkipException, match="Nothing that product_odp_export sends is missing or changed"):
        poke({"to_repair": 0}, Repair=True)


def test_the_setting_holds_where_the_run_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", json.dumps({"consistency_repair": True}))
    assert poke({"to_repair": 1})
    with pytest.raises(AirflowSkipException):
        poke({"to_repair": 1}, Repair=False)
