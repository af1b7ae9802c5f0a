"""Every route behind Airflow's login and permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from odp.core.exports import EXPORTS
from tests.ui.conftest import SECRETS, Browse

VALUES = {"dag_id": "user_profile_odp_export", "reject_id": "1", "name": "page.css"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def page_of(api_server: Any) -> FastAPI:
    (mount,) = [route for route in api_server.routes if getattr(route, "path", "") == "/odp"]
    return mount.app


def routes(api_server: Any) -> list[APIRoute]:
    """Return the routes of the page: all are FastAPI's own, which the app's dependency guards."""
    found = page_of(api_server).routes
    assert all(isinstance(route, APIRoute) for route in found)
    return [route for route in found if isinstance(route, APIRoute)]


def paths(api_server: Any) -> list[str]:
    """Return the addresses of all routes of the page."""
    return sorted("/odp" + route.path.replace(":path", "").format(**VALUES) for route in routes(api_server))


def test_the_routes_are_those_that_are_tested_here(api_server: Any) -> None:
    export = "/odp/exports/user_profile_odp_export"
    assert paths(api_server) == sorted(
        [
            *("/odp/", "/odp/rows", "/odp/static/page.css", export, f"{export}/live", f"{export}/history"),
            *(f"{export}/rejects", f"{export}/rejects/1", f"{export}/run", f"{export}/run/preview", f"{export}/run/request"),
        ]
    )


def test_no_route_changes_anything(api_server: Any) -> None:
    assert {method for route in routes(api_server) for method in route.methods} <= {"GET"}


@pytest.mark.parametrize("token", [None, "", "no-token", "a.b.c"])
def test_no_route_answers_without_a_login(api_server: Any, browse: Browse, token: str | None) -> None:
    for path in paths(api_server):
        for method in METHODS:
            browser = browse(None, Accept="*/*", **({} if token is None else {"Cookie": f"_token={token}"}))
            answer = browser.request(method, path)
            assert answer.status_code in ((401, 403) if method == "GET" else (401, 403, 405)), (method, path)
            assert not [secret for secret in SECRETS if secret in answer.text]


def test_a_person_without_a_login_is_asked_to_log_in_and_comes_back(browse: Browse) -> None:
    answer = browse(None).get("/odp/exports/order_odp_export?until=2026-01-01")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/auth/login?next=%2Fodp%2Fexports%2Forder_odp_export%3Funtil%3D2026-01-01"


def test_a_part_of_an_open_page_whose_login_has_ended_loads_the_page_anew(browse: Browse) -> None:
    answer = browse(None, **{"HX-Request": "true"}).get("/odp/rows")
    assert (answer.status_code, answer.headers["hx-refresh"]) == (401, "true")


def test_a_bearer_token_does_as_well(browse: Browse, tokens: dict[str, str], ledger: Any) -> None:
    browser = browse(None, Authorization=f"Bearer {tokens['VIEWER']}")
    assert browser.get("/odp/").status_code == 200


def test_a_viewer_sees_and_cannot_run(viewer: Any, history: Callable[..., None], a_reject: int) -> None:
    history("run", began=0, export="user_profile_odp_export")
    for path in ("/odp/", "/odp/exports/user_profile_odp_export", "/odp/exports/user_profile_odp_export/rejects"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert "/run?" not in page.text
        assert 'type="submit"' not in page.text
    assert viewer.get("/odp/exports/order_odp_export/run").status_code == 403


def test_whoever_may_run_a_dag_may_do_so_from_the_page(browse: Browse, ledger: Any) -> None:
    browser = browse("USER")
    assert "/odp/exports/order_odp_export/run" in browser.get("/odp/").text
    assert browser.get("/odp/exports/order_odp_export/run").status_code == 200


@pytest.mark.parametrize("role", ["VIEWER", "USER"])
def test_personal_data_is_masked(browse: Browse, role: str, history: Callable[..., None], a_reject: int) -> None:
    error = "1 of 9 rows were rejected by ana.perez@shop.es. The first:\n  ana.perez@shop.es: Pérez is odd"
    history("run", began=0, export="user_profile_odp_export", state="failed", error=error)
    browser = browse(role)
    export = "/odp/exports/user_profile_odp_export"
    for path in (
        "/odp/",
        export,
        f"{export}/live",
        f"{export}/rejects",
        f"{export}/rejects?q=phone",
        f"{export}/rejects/{a_reject}",
    ):
        page = browser.get(path)
        assert page.status_code == 200
        assert not [secret for secret in SECRETS if secret in page.text], path
    assert "is_active" in page.text  # the last one: the form of the payload stays
    assert "• (17 characters)" in page.text
    # Not even bit by bit.
    assert "Nothing matches" in browser.get(f"{export}/rejects?q=ana").text
    assert "Nothing matches" not in browser.get(f"{export}/rejects?q=ana.perez@shop.es").text


def test_whoever_may_edit_the_connection_to_odp_sees_personal_data(admin: Any, a_reject: int) -> None:
    page = admin.get(f"/odp/exports/user_profile_odp_export/rejects/{a_reject}")
    assert all(secret in page.text for secret in SECRETS)
    assert "ana.perez@shop.es" in admin.get("/odp/exports/user_profile_odp_export/rejects?q=PEREZ").text


def test_an_export_that_the_user_may_not_read_is_neither_listed_nor_shown(
    viewer: Any, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    manager = get_auth_manager()
    allowed = manager.is_authorized_dag

    def without_orders(**request: Any) -> bool:
        return request["details"].id != "order_odp_export" and allowed(**request)

    monkeypatch.setattr(manager, "is_authorized_dag", without_orders)
    page = viewer.get("/odp/").text
    assert [export.dag_id for export in EXPORTS if f"row-{export.dag_id}" not in page] == ["order_odp_export"]
    for path in ("", "/live", "/history", "/rejects", "/rejects/1", "/run", "/run/preview", "/run/request"):
        assert viewer.get(f"/odp/exports/order_odp_export{path}").status_code == 403


@pytest.mark.parametrize("path", ["/odp/exports/odp_maintenance", "/odp/exports/no_such_dag/rejects"])
def test_a_dag_that_is_no_export_has_no_page(admin: Any, path: str, ledger: Any) -> None:
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/odp/static/../app.py", "/odp/static/%2e%2e/app.py", "/odp/static/nothing.css"])
def test_only_the_page_s_own_files_are_given_away(admin: Any, path: str) -> None:
    assert admin.get(path).status_code == 404


def test_nothing_from_elsewhere_and_nowhere_else(admin: Any, ledger: Any) -> None:
    answer = admin.get("/odp/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text
