"""The routes of the API, and the application made of them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from sandbox.odp import answers, controls, schema_api
from sandbox.odp.account import OdpAccount
from sandbox.odp.answers import Answer
from sandbox.odp.gate import LOG_ENTRY, Gate
from sandbox.odp.settings import Settings

router = APIRouter(prefix="/v3")


def create_app(
    key: str, *, state: Path | str | None = None, settings: Settings | None = None, open_controls: bool = False
) -> Gate:
    """
    Return the ASGI application of one account; its `account` attribute is the account.

    :param key: the private key, `<public>.<secret>`; without a dot there is no public one.
    :param state: SQLite file that outlives the process; None keeps everything in memory.
    :param settings: the switches at the start and after a reset.
    :param open_controls: let other machines use the controls and the page, not only this one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.account = OdpAccount(key, state, settings)
    app.include_router(router)
    app.include_router(controls.router)
    app.add_exception_handler(HTTPException, _no_route)
    return Gate(app, app.state.account, open_controls=open_controls)


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method the way the API's gateway does: as if the key had no right to it."""
    if request.url.path.startswith("/_sandbox"):
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _response(Answer(status, {"message": "No such control"}))
    return _response(answers.forbidden())


def _response(answer: Answer) -> Response:
    body, content_type = answer.encoded()
    return Response(body, answer.status, answer.headers, media_type=content_type)


def _account(request: Request) -> OdpAccount:
    account: OdpAccount = request.app.state.account
    return account


def _refused_body(request: Request) -> Response | None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return _response(answers.bad_request("Content-Type must be application/json."))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return _response(answers.bad_request("Content-Encoding is not supported."))
    return None


async def _upload(request: Request, kind: str) -> Response:
    refused = _refused_body(request)
    if refused is not None:
        return refused

    def note_items(count: int) -> None:
        request.scope[LOG_ENTRY].items = count

    account = _account(request)
    return _response(await account.run(account.upload, kind, await request.body(), note_items))


@router.post("/profiles")
async def upload_profiles(request: Request) -> Response:
    """
    Create or update customers.

    :param request: the request.
    """
    return await _upload(request, "profiles")


@router.post("/events")
async def upload_events(request: Request) -> Response:
    """
    Append events.

    :param request: the request.
    """
    return await _upload(request, "events")


@router.post("/objects/{name}")
async def upload_rows(request: Request, name: str) -> Response:
    """
    Upsert rows of an object.

    :param request: the request.
    :param name: plural name of the object.
    """
    return await _upload(request, f"objects/{name}")


@router.get("/profiles")
async def read_profile(request: Request) -> Response:
    """
    Find a customer by one identifier.

    :param request: the request.
    """
    account = _account(request)
    return _response(await account.run(account.read_profile, request.query_params))


@router.post("/graphql")
async def graphql(request: Request) -> Response:
    """
    Answer a GraphQL query.

    :param request: the request.
    """
    account = _account(request)
    return _refused_body(request) or _response(await account.run(account.query, await request.body()))


@router.get("/schema/objects")
async def list_objects(request: Request) -> Response:
    """
    List every object.

    :param request: the request.
    """
    account = _account(request)
    return _response(await account.run(schema_api.list_objects, account.schema))


@router.get("/schema/objects/{name}")
async def read_object(request: Request, name: str) -> Response:
    """
    Show one object.

    :param request: the request.
    :param name: name of the object.
    """
    account = _account(request)
    return _response(await account.run(schema_api.read_object, account.schema, name))


@router.get("/schema/objects/{name}/fields")
@router.get("/schema/objects/{name}/relations")
async def list_parts(request: Request, name: str) -> Response:
    """
    List the fields or the relations of an object.

    :param request: the request.
    :param name: name of the object.
    """
    account = _account(request)
    part = request.url.path.rsplit("/", 1)[1]
    return _response(await account.run(schema_api.list_parts, account.schema, name, part))


@router.get("/schema/objects/{name}/fields/{wanted}")
@router.get("/schema/objects/{name}/relations/{wanted}")
async def read_part(request: Request, name: str, wanted: str) -> Response:
    """
    Show one field or relation of an object.

    :param request: the request.
    :param name: name of the object.
    :param wanted: name of the field or relation.
    """
    account = _account(request)
    part = request.url.path.rsplit("/", 2)[1]
    return _response(await account.run(schema_api.read_part, account.schema, name, part, wanted))


@router.post("/schema/objects")
async def create_object(request: Request) -> Response:
    """
    Create an object.

    :param request: the request.
    """
    account = _account(request)
    body = await request.body()
    return _refused_body(request) or _response(await account.run(account.change_schema, schema_api.create_object, body))


@router.post("/schema/objects/{name}/fields")
async def create_field(request: Request, name: str) -> Response:
    """
    Add a field to an object.

    :param request: the request.
    :param name: name of the object.
    """
    account = _account(request)
    body = await request.body()
    return _refused_body(request) or _response(await account.run(account.change_schema, schema_api.create_field, body, name))


@router.post("/schema/objects/{name}/relations")
async def create_relation(request: Request, name: str) -> Response:
    """
    Add a relation to an object.

    :param request: the request.
    :param name: name of the object that holds the foreign key.
    """
    account = _account(request)
    body = await request.body()
    return _refused_body(request) or _response(await account.run(account.change_schema, schema_api.create_relation, body, name))


@router.post("/schema/identifiers")
async def create_identifier(request: Request) -> Response:
    """
    Create an identifier.

    :param request: the request.
    """
    account = _account(request)
    body = await request.body()
    return _refused_body(request) or _response(await account.run(account.change_schema, schema_api.create_identifier, body))
