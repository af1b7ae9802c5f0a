"""The preflight through Airflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.odp.server import SandboxOdp
from tests.e2e.conftest import Configure
from tests.e2e.runs import load_dag


def preflight() -> Any:
    run = load_dag("odp_preflight").test()
    ti = run.get_task_instance("preflight")
    return run, ti


def test_x(account: SandboxOdp, configure: Configure) -> None:
    configure(accept_shared_emails=True)
    run, ti = preflight()
    print(run.state)
    print(json.dumps(ti.xcom_pull("preflight"), indent=1)[:6000])
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    print(RenderedTaskInstanceFields.get_templated_fields(ti))
    configure()
    run, ti = preflight()
    print(run.state)
    print(str(ti.xcom_pull("preflight"))[:300])
    print(RenderedTaskInstanceFields.get_templated_fields(ti))
    assert 0
