"""The links of the load task."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.types import TaskInstanceKey

from odp.operators.links import ODP_LOGIN, ExportPageLink, OdpAccountLink, page_address
from odp.operators.load import OdpLoadOperator
from tests.e2e.runs import load_dag

KEY = TaskInstanceKey("order_odp_export", "load", "run", 1, 0)


def test_load_has_them_in_every_export() -> None:
    load = load_dag("order_odp_export").get_task("load")
    assert [link.name for link in load.operator_extra_links] == ["ODP exports page", "ODP account"]


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("http://localhost:8080", "plugin/odp-exports/odp/exports/order_odp_export"),
        ("https://tools.example.com/airflow/", "plugin/odp-exports/airflow/odp/exports/order_odp_export"),
    ],
)
def test_the_page_wherever_airflow_lies(monkeypatch: pytest.MonkeyPatch, base_url: str, address: str) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert page_address("order_odp_export") == address
    load = SimpleNamespace(export_id="order_odp_export")
    assert ExportPageLink().get_link(load, ti_key=KEY) == address
    in_another_dag = TaskInstanceKey("odp_consistency", "order.load", "run", 1, 0)
    assert ExportPageLink().get_link(load, ti_key=in_another_dag) == address


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ({"host": "http://127.0.0.1:8090"}, "http://127.0.0.1:8090"),
        ({"host": "eu1"}, ODP_LOGIN),
        ({}, ODP_LOGIN),
        ({"host": "https://api.zaius.com"}, ODP_LOGIN),
    ],
)
def test_the_account_or_the_sandbox(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], address: str) -> None:
    value = json.dumps({"conn_type": "odp", "password": "public.secret", **connection})
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", value)
    operator = OdpLoadOperator(task_id="load", export_id="order_odp_export", transformed={})
    assert OdpAccountLink().get_link(operator, ti_key=KEY) == address
