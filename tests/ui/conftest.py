"""Airflow's API server with the page in it, in this process, and three users: an admin, one who runs DAGs, and a viewer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import psycopg
import pytest

from odp.core.ledger import account_name
from sandbox.world import SANDBOX_KEY, World
from tests.core.history import add_reject, add_run
from tests.e2e.runs import synchronise_dags

Browse: TypeAlias = Callable[..., Any]

ROLES = ("ADMIN", "USER", "VIEWER")


@pytest.fixture(scope="session")
def api_server(airflow_db: World) -> Any:
    """The app of Airflow's API server, with the six DAGs in its database."""
    from airflow.api_fastapi.app import create_app

    synchronise_dags()
    return create_app(apps="core")


@pytest.fixture(scope="session")
def tokens(api_server: Any) -> dict[str, str]:
    """A token for each role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return {role: get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role.lower(), role=role)) for role in ROLES}


@pytest.fixture
def browse(api_server: Any, tokens: dict[str, str]) -> Iterator[Browse]:
    """Return a function that opens a browser without redirects, as a role or without login."""
    from fastapi.testclient import TestClient

    def open_browser(role: str | None, **headers: str) -> Any:
        cookies = {"_token": tokens[role]} if role else {}
        return TestClient(api_server, cookies=cookies, follow_redirects=False, headers={"Accept": "text/html", **headers})

    return open_browser


@pytest.fixture
def admin(browse: Browse) -> Any:
    """A browser in which the admin is logged in."""
    return browse("ADMIN")


@pytest.fixture
def viewer(browse: Browse) -> Any:
    """A browser in which the viewer is logged in."""
    return browse("VIEWER")


@pytest.fixture
def account(airflow_db: World) -> str:
    """Name of the account that the connection ``odp_default`` leads to."""
    return account_name(airflow_db.odp_url, SANDBOX_KEY)


@pytest.fixture
def ledger(ledger_database: str, account: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty ledger, which the page reads."""
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", ledger_database)
    with psycopg.connect(ledger_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def history(ledger: psycopg.Connection[Any], account: str) -> Callable[..., None]:
    """Return a function that writes a run of the account down (``tests.core.history.add_run``)."""

    def add(run_id: str, **columns: Any) -> None:
        add_run(ledger, run_id, **{"account": account, **columns})

    return add


@pytest.fixture
def a_reject(ledger: psycopg.Connection[Any], account: str) -> int:
    """The number of a reject of the user profiles, full of personal data."""
    return add_reject(
        ledger,
        "0f0e8a52-7a0c-4d0e-9a53-5f2f0d6b8c11",
        account=account,
        export="user_profile_odp_export",
        record_key="ana.perez@shop.es",
        reason="ODP answered 400: phone '+34 600 123' of ana.perez@shop.es is odd",
        odp_answer=json.dumps({"detail": {"message": "phone +34 600 123 is odd"}}),
        payload={"email": "ana.perez@shop.es", "phone": "+34 600 123", "last_name": "Pérez", "is_active": True},
        run_id="scheduled__2026-11-24T00:00:00+00:00",
    )


SECRETS = ("ana.perez", "shop.es", "600 123", "Pérez")
"""What only those may see who are permitted."""
