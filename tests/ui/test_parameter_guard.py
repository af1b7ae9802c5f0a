"""A bad combination of parameters is refused before a run exists."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from odp.ui.parameter_guard import find_problem
from tests.ui.conftest import Browse

BOTH = {"LookBackDays": 3, "StartDate": "2026-11-01T00:00:00Z"}
RUNS = "/api/v2/dags/order_odp_export/dagRuns"
BACKFILL = {"dag_id": "order_odp_export", "from_date": "2026-11-01T00:00:00Z", "to_date": "2026-11-02T00:00:00Z"}


def runs_of(admin: Any) -> int:
    return int(admin.get(RUNS).json()["total_entries"])


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        (BOTH, "Give either LookBackDays or StartDate/EndDate, not both."),
        ({"StartDate": "2026-11-08", "EndDate": "2026-11-01"}, "must be before EndDate"),
        ({"LookbackDays": 3}, "Unknown parameter 'LookbackDays'. Did you mean LookBackDays?"),
        ({"StartDate": "yesterday"}, "not a date that can be read"),
        ({"Ids": [" "]}, "Ids holds only blanks"),
    ],
)
def test_airflow_s_own_form_is_told_at_once(admin: Any, conf: dict[str, Any], words: str) -> None:
    before = runs_of(admin)
    answer = admin.post(RUNS, json={"logical_date": None, "conf": conf})
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert runs_of(admin) == before


@pytest.mark.parametrize("path", ["/api/v2/backfills", "/api/v2/backfills/dry_run"])
def test_so_is_a_backfill(admin: Any, path: str) -> None:
    answer = admin.post(path, json={**BACKFILL, "dag_run_conf": BOTH})
    assert (answer.status_code, "not both" in answer.json()["detail"]) == (400, True)


def test_a_good_request_reaches_airflow_whole(admin: Any) -> None:
    before = runs_of(admin)
    answer = admin.post(RUNS, json={"logical_date": None, "conf": {"LookBackDays": 3}, "note": "x" * 900})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["conf"]["LookBackDays"], answer.json()["note"]) == (3, "x" * 900)
    assert runs_of(admin) == before + 1
    assert admin.delete(f"{RUNS}/{answer.json()['dag_run_id']}").status_code == 204


def test_what_airflow_refuses_by_itself_stays_airflow_s(admin: Any, browse: Browse) -> None:
    assert admin.post(RUNS, content=b"{no json").status_code == 422
    assert admin.post(RUNS, json={"logical_date": None, "conf": {"LookBackDays": "3"}}).status_code == 400
    assert browse("VIEWER").post(RUNS, json={"logical_date": None, "conf": {}}).status_code == 403


def test_nobody_without_a_login_is_told_anything(browse: Browse) -> None:
    answer = browse(None).post(RUNS, json={"logical_date": None, "conf": BOTH})
    assert answer.status_code == 401
    assert "LookBackDays" not in answer.text


@pytest.mark.parametrize(
    ("dag_id", "body"),
    [
        ("odp_maintenance", b'{"conf": {"DeliveredOrders": ["1"]}}'),
        ("somebody_else_s_dag", b'{"conf": {"x": 1}}'),
        (None, b'{"dag_id": "odp_maintenance", "dag_run_conf": {"x": 1}}'),
        ("order_odp_export", b"[]"),
        ("order_odp_export", b'{"conf": [1]}'),
        ("order_odp_export", b'{"conf": null}'),
        ("order_odp_export", b"\xff"),
        ("order_odp_export", b""),
    ],
)
def test_what_is_none_of_its_business(dag_id: str | None, body: bytes) -> None:
    assert find_problem(dag_id, body) is None


@pytest.mark.parametrize("dag_id", ["order_odp_export", "user_event_odp_export"])
def test_all_exports_are_guarded_the_optional_ones_too(dag_id: str) -> None:
    problem = find_problem(dag_id, orjson.dumps({"logical_date": None, "conf": BOTH}))
    assert problem is not None
    assert "not both" in problem
