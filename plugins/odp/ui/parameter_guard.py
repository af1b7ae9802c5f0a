"""
Refuses a run with a bad combination of parameters when it is triggered, before it exists.

Airflow checks each parameter by itself and knows no rule between two, nor a name too many. This looks at the requests that
trigger an export or backfill it, wherever they come from, so that Airflow's own trigger form says at once what is wrong.
Runs that are made past the REST API are still refused by their first task.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, Request

from odp.core.exceptions import ParameterError
from odp.core.exports import EXPORTS, OPTIONAL_EXPORTS
from odp.core.window import RunTimes, check_parameters

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EXPORT_IDS = frozenset(export.dag_id for export in (*EXPORTS, *OPTIONAL_EXPORTS))
_TRIGGER = re.compile(r"/api/v2/(?:dags/(?P<dag_id>[^/]+)/dagRuns|backfills(?:/dry_run)?)")


class ParameterGuard:
    """
    ASGI middleware of Airflow's API server.

    :param app: the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to a request with bad parameters; hand all others on, as they are."""
        match = _TRIGGER.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        # Whoever has not logged in is told so, and nothing else.
        if match is None or match.end() != len(scope["path"]) or not _has_credentials(scope):
            await self.app(scope, receive, send)
            return
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        if problem := find_problem(match["dag_id"], body):
            await JSONResponse({"detail": problem}, status_code=400)(scope, receive, send)
            return
        unread = [body]

        async def receive_again() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        await self.app(scope, receive_again, send)


def _has_credentials(scope: Scope) -> bool:
    return any(name in (b"authorization", b"cookie") for name, _ in scope["headers"])


def find_problem(dag_id: str | None, body: bytes) -> str | None:
    """
    Say what is wrong with the parameters in a request; ``None`` if nothing is, or if it is not about an export.

    :param dag_id: the DAG to trigger; ``None`` for a backfill, which names it in its body.
    :param body: the request's body. What Airflow cannot read is left to Airflow.
    """
    try:
        content = json.loads(body)
        conf = content.get("dag_run_conf" if dag_id is None else "conf") or {}
        is_export = (content.get("dag_id") if dag_id is None else dag_id) in _EXPORT_IDS
    except (ValueError, AttributeError):
        return None
    if not is_export or not isinstance(conf, dict):
        return None
    try:
        check_parameters(conf, conf, _times(is_backfill=dag_id is None))
    except ParameterError as error:
        return str(error)
    return None


def _times(*, is_backfill: bool) -> RunTimes:
    now = datetime.now(timezone.utc)
    interval: dict[str, Any] = {"interval_start": now - timedelta(days=1), "interval_end": now} if is_backfill else {}
    return RunTimes(takes_interval=is_backfill, run_after=now, **interval)
