"""The FastAPI app behind the page. Every route is read-only and takes Airflow's login."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from odp.core.exceptions import LedgerError
from odp.ui import export_page, overview, rejects_page, run_form
from odp.ui.ledger_access import LEDGER_ERRORS
from odp.ui.presentation import STATIC, templates

log = logging.getLogger(__name__)

# Nothing from elsewhere is loaded, and nothing of the page is shown elsewhere.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app() -> FastAPI:
    """Return the app, to be mounted in Airflow's API server."""
    app = FastAPI(title="ODP exports", dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
    for module in (overview, export_page, rejects_page, run_form):
        app.include_router(module.router)
    files = StaticFiles(directory=STATIC)

    @app.get("/static/{name:path}")
    async def static_file(request: Request, name: str) -> Response:
        """Return a file of the page; its address holds its version."""
        response = await files.get_response(name, request.scope)
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response

    app.middleware("http")(_add_headers)
    app.exception_handler(StarletteHTTPException)(_explain)
    for error in LEDGER_ERRORS:
        app.exception_handler(error)(_explain_ledger)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _explain(request: Request, error: HTTPException) -> Response:
    """Ask a browser without login to log in; say what is wrong in all other cases."""
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        if request.headers.get("hx-request"):  # a part of a page that is open: load the whole of it anew
            return Response(status_code=error.status_code, headers={"HX-Refresh": "true"})
        if _wants_html(request):
            here = request.url.replace(scheme="", netloc="")
            return RedirectResponse(get_auth_manager().get_url_login(next_url=str(here)), HTTPStatus.SEE_OTHER)
    return _problem(request, error.status_code, str(error.detail))


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _explain_ledger(request: Request, error: Exception) -> Response:
    log.exception("The page cannot read the ledger")
    sentence = str(error) if isinstance(error, LedgerError) else "The ledger's database cannot be read; see Airflow's log."
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, sentence)


def _problem(request: Request, status: int, sentence: str) -> Response:
    if not _wants_html(request):
        return JSONResponse({"detail": sentence}, status_code=status)
    return templates.TemplateResponse(request, "problem.html", {"status": status, "sentence": sentence}, status_code=status)
