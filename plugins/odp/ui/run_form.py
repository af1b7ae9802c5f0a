"""The form that runs an export: filled in beforehand, checked while it is filled in."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from odp.core.exceptions import ParameterError
from odp.core.parameters import PARAMETERS
from odp.ui.access import ExportDep, ViewerDep
from odp.ui.airflow_state import dag_states
from odp.ui.presentation import root_path, templates
from odp.ui.run_request import RunForm, read_form

router = APIRouter(prefix="/exports/{dag_id}/run")

_Text = Annotated[str, Query(max_length=100)]


def _form(
    LookBackDays: _Text = "",  # noqa: N803 - the parameter's name
    StartDate: _Text = "",  # noqa: N803
    EndDate: _Text = "",  # noqa: N803
    Ids: Annotated[list[str] | None, Query()] = None,  # noqa: N803
    DryRun: bool = False,  # noqa: N803
    Resend: bool = False,  # noqa: N803
    by_day: bool = False,
    unpause: bool = False,
) -> RunForm:
    return RunForm(
        LookBackDays=LookBackDays,
        StartDate=StartDate,
        EndDate=EndDate,
        Ids=tuple(Ids or ()),
        DryRun=DryRun,
        Resend=Resend,
        by_day=by_day,
        unpause=unpause,
    )


FormDep = Annotated[RunForm, Depends(_form)]


def presets(today: date) -> list[tuple[str, dict[str, Any]]]:
    """
    List the ready-made forms: a name, and what is filled in.

    :param today: the date in UTC.
    """
    yesterday = today - timedelta(days=1)
    month = today.replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    return [
        ("Yesterday", {"StartDate": f"{yesterday}T00:00", "EndDate": f"{today}T00:00"}),
        ("Last 24 hours", {"LookBackDays": 1}),
        ("Last 7 days", {"LookBackDays": 7}),
        ("Last 30 days", {"LookBackDays": 30}),
        ("Last month, day by day", {"StartDate": f"{last_month}T00:00", "EndDate": f"{month}T00:00", "by_day": "true"}),
        ("Everything", {}),
    ]


def _preview(export: Any, form: RunForm) -> dict[str, Any]:
    try:
        return {"sentence": read_form(export, form, datetime.now(timezone.utc)).sentence, "problem": None}
    except ParameterError as error:
        return {"sentence": None, "problem": str(error)}


@router.get("")
def run_form(request: Request, viewer: ViewerDep, export: ExportDep, session: SessionDep, form: FormDep) -> Response:
    """Show the form."""
    if not viewer.may_trigger(export):
        raise HTTPException(403, "You may not trigger runs of this DAG.")
    context = {
        "export": export,
        "form": form,
        "parameters": {parameter.name: parameter for parameter in PARAMETERS},
        "presets": presets(datetime.now(timezone.utc).date()),
        "dag": dag_states(session, [export.dag_id]).get(export.dag_id),
        "may_unpause": viewer.may_unpause(export),
        **_preview(export, form),
    }
    return templates.TemplateResponse(request, "run.html", context)


@router.get("/preview")
def run_preview(request: Request, export: ExportDep, form: FormDep) -> Response:
    """Say what the form comes to, or what is wrong with it."""
    return templates.TemplateResponse(request, "_preview.html", _preview(export, form))


@router.get("/request")
def run_request(export: ExportDep, form: FormDep) -> Response:
    """Return what the browser has to send to Airflow's REST API."""
    try:
        request = read_form(export, form, datetime.now(timezone.utc)).as_dict()
    except ParameterError as error:
        return JSONResponse({"problem": str(error)}, status_code=422)
    return JSONResponse(request | {"root": root_path()})
