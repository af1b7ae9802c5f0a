"""Everything outside the API: counts, dumps, faults, switches, the request log, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import ValidationError

from sandbox.odp.account import OdpAccount
from sandbox.odp.faults import Fault
from sandbox.odp.orders import event_rows
from sandbox.odp.page import render_page

router = APIRouter()


def _account(request: Request) -> OdpAccount:
    account: OdpAccount = request.app.state.account
    return account


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _refusal(error: Exception) -> Response:
    return _json({"message": str(error)}, 400)


@router.get("/healthz")
async def healthz() -> Response:
    """Tell that the server is up."""
    return _json({"status": "ok"})


@router.get("/", response_class=HTMLResponse)
async def page(request: Request) -> HTMLResponse:
    """
    Show what arrived.

    :param request: the request.
    """
    account = _account(request)
    return HTMLResponse(await account.run(render_page, account))


@router.get("/_sandbox/counts")
async def counts(request: Request) -> Response:
    """
    Return how much arrived, by kind.

    :param request: the request.
    """
    account = _account(request)
    return _json(await account.run(account.counts))


@router.get("/_sandbox/dump/{kind:path}")
async def dump(request: Request, kind: str) -> Response:
    """
    Stream everything of a kind as NDJSON.

    :param request: the request.
    :param kind: `profiles`, `events` (as received), `event_rows` (one per line of a purchase) or `objects/NAME`.
    """
    account = _account(request)
    name = kind.removeprefix("objects/")
    known = {"profiles", "events", "event_rows"} | {f"objects/{entry}" for entry in account.schema.row_objects()}
    if kind not in known:
        return _json({"message": f"{kind} is unknown, try one of: {', '.join(sorted(known))}"}, 404)
    return StreamingResponse(_lines(account, name), media_type="application/x-ndjson")


async def _lines(account: OdpAccount, name: str) -> AsyncIterator[str]:
    after = 0
    stored = "events" if name == "event_rows" else name
    while True:
        docs, after = await account.run(account.store.page_of, stored, after)
        if not docs:
            return
        if name == "profiles":
            docs = [f'{{"attributes":{doc}}}' for doc in docs]
        elif name == "event_rows":
            docs = [orjson.dumps(row).decode() for doc in docs for row in event_rows(account.schema, orjson.loads(doc))]
        yield "\n".join(docs) + "\n"


@router.post("/_sandbox/reset")
async def reset(request: Request, keep_schema: bool = False) -> Response:
    """
    Start over.

    :param request: the request.
    :param keep_schema: keep objects, fields and identifiers that were created.
    """
    account = _account(request)
    await account.run(account.reset, keep_schema)
    return _json({"reset": True, "schema": "kept" if keep_schema else "standard"})


@router.get("/_sandbox/faults")
async def list_faults(request: Request) -> Response:
    """
    Return the faults still to come.

    :param request: the request.
    """
    return _json({"faults": _account(request).faults.waiting()})


@router.post("/_sandbox/faults")
async def add_faults(request: Request) -> Response:
    """
    Set a fault, or an array of them.

    :param request: the request.
    """
    try:
        body = orjson.loads(await request.body())
        faults = [Fault.model_validate(entry) for entry in (body if isinstance(body, list) else [body])]
    except (orjson.JSONDecodeError, ValidationError) as error:
        return _refusal(error)
    waiting = _account(request).faults
    for fault in faults:
        waiting.add(fault)
    return _json({"faults": waiting.waiting()})


@router.delete("/_sandbox/faults")
async def clear_faults(request: Request) -> Response:
    """
    Forget all faults.

    :param request: the request.
    """
    _account(request).faults.clear()
    return _json({"faults": []})


@router.get("/_sandbox/settings")
async def read_settings(request: Request) -> Response:
    """
    Return the switches.

    :param request: the request.
    """
    return _json(_account(request).settings.model_dump())


@router.post("/_sandbox/settings")
async def change_settings(request: Request) -> Response:
    """
    Change switches, and return them all.

    :param request: the request.
    """
    account = _account(request)
    try:
        changes = orjson.loads(await request.body())
        if not isinstance(changes, dict):
            return _json({"message": "An object of settings is expected."}, 400)
        return _json(await account.run(account.change_settings, changes))
    except (orjson.JSONDecodeError, ValidationError) as error:
        return _refusal(error)


@router.get("/_sandbox/requests")
async def requests(request: Request, limit: int = 1000, path: str = "") -> Response:
    """
    Return the latest requests to the API, oldest first.

    :param request: the request.
    :param limit: how many.
    :param path: only requests whose path starts with this.
    """
    return _json(_account(request).log.latest(limit, path))
