"""What stands in front of the API: key, rate limit, size limit, faults, and the request log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sandbox.odp import answers
from sandbox.odp.account import BODY_LIMIT, OdpAccount
from sandbox.odp.answers import Answer
from sandbox.odp.faults import Fault
from sandbox.odp.request_log import LoggedRequest

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Where a request's log entry travels, so that a route can note how many items it saw.
LOG_ENTRY = "sandbox.log_entry"

_API = "/v3"
_LOOPBACK = {"127.0.0.1", "::1", "localhost", "testclient"}


class Gate:
    """
    ASGI application around the routes.

    :param app: the routes.
    :param account: the account they serve.
    :param open_controls: let other machines use the controls and the page, not only this one.
    """

    def __init__(self, app: App, account: OdpAccount, *, open_controls: bool = False) -> None:
        self.account = account
        self._app = app
        self._open_controls = open_controls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Serve one request.

        :param scope: what ASGI says about the request.
        :param receive: reads the request.
        :param send: sends the answer.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == _API or path.startswith(f"{_API}/"):
            await self._api(scope, receive, send)
        elif path == "/healthz" or self._open_controls or _is_local(scope):
            await self._app(scope, receive, send)
        else:
            await _read(receive)
            await _respond(send, answers.forbidden())

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        account = self.account
        arrival = time.monotonic()
        entry = account.log.start(scope["method"], scope["path"])
        refusal = self._refusal(scope, arrival)
        try:
            # Read before any answer: a client that is still sending would see a broken pipe instead of the answer.
            body, size = await _read(receive)
            entry.bytes = size
            if refusal is None:
                fault = account.faults.take(entry.method, entry.path)
                if fault is not None:
                    await self._misbehave(fault, entry, body, scope, receive, send)
                    return
                if size > BODY_LIMIT:
                    refusal = answers.too_long()
            if refusal is not None:
                entry.status = refusal.status
                await _respond(send, refusal)
                return
            await self._serve(entry, body, scope, receive, send)
        finally:
            account.log.finish(entry)

    def _refusal(self, scope: Scope, arrival: float) -> Answer | None:
        account = self.account
        key = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        kind = account.key_kind(key)
        if kind is None or (kind == "public" and not _is_upload(scope)):
            return answers.forbidden()
        settings = account.settings
        if scope["path"] == f"{_API}/profiles" and not account.profiles_limit.admit(arrival, settings.profiles_per_second):
            return answers.too_many_requests(1 if settings.retry_after else None)
        return None

    async def _serve(self, entry: LoggedRequest, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        scope[LOG_ENTRY] = entry

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        await self._app(scope, _replay(body, receive), watch)

    async def _misbehave(
        self, fault: Fault, entry: LoggedRequest, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        mode = fault.effective_mode
        entry.fault = mode
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if mode == "delay":
            await self._serve(entry, body, scope, receive, send)
            return
        if mode in {"store_then_drop", "store_then_fail"}:
            await self._serve(entry, body, scope, receive, _discard)
        if mode in {"drop", "store_then_drop"}:
            entry.status = None
            await _hang_up(receive, send)
            return
        answer = fault.answer()
        entry.status = answer.status
        await _respond(send, answer)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and client[0] in _LOOPBACK


def _is_upload(scope: Scope) -> bool:
    path = scope["path"]
    uploads = path in {f"{_API}/profiles", f"{_API}/events"} or path.startswith(f"{_API}/objects/")
    return scope["method"] == "POST" and uploads


async def _read(receive: Receive) -> tuple[bytes, int]:
    """Return the body and its size; a body above the limit is read to its end, but not kept."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= BODY_LIMIT:
            chunks.append(chunk)
        else:
            chunks.clear()
        if not message.get("more_body"):
            break
    return b"".join(chunks), size


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that hands out a body already read."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def _discard(message: Message) -> None:
    """Take an answer that nobody gets to see."""


async def _respond(send: Send, answer: Answer) -> None:
    body, content_type = answer.encoded()
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in (answer.headers or {}).items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _hang_up(receive: Receive, send: Send) -> None:
    """
    Close the connection without an answer.

    ASGI has no message for this (a server answers 500 when an application stays silent), so the connection is taken
    from the request cycle that uvicorn's `send` belongs to.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("The connection was dropped on purpose.")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
