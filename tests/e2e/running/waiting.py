"""Waiting for what a running Airflow does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

RUN_SECONDS = 150


def until(check: Callable[[], Any], what: str, seconds: float = RUN_SECONDS) -> Any:
    """Wait until a check gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(1)
    raise AssertionError(f"{what} did not come within {seconds} s")


def finished_runs(api: httpx.Client, dag_id: str, run_type: str) -> list[dict[str, Any]]:
    """Return the runs of a type, once all of them are finished."""
    answer = api.get(f"/dags/{dag_id}/dagRuns", params={"run_type": run_type, "limit": 50})
    runs: list[dict[str, Any]] = answer.json()["dag_runs"]
    return runs if runs and all(run["state"] in ("success", "failed") for run in runs) else []
