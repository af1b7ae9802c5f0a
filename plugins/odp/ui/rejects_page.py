"""The rejects of an export: by reason, by text, and one with its payload."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import orjson
from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException, Query, Request, Response

from odp.core.exports import Export
from odp.core.personal_data import mask_payload, mask_text
from odp.core.reject_search import FoundReject, WholeReject, find_rejects, read_reject, reason_groups
from odp.ui.access import ExportDep, Viewer, ViewerDep
from odp.ui.airflow_state import dag_states
from odp.ui.ledger_access import LedgerDep, PageLedger
from odp.ui.presentation import templates

PAGE_ROWS = 50

router = APIRouter(prefix="/exports/{dag_id}/rejects")

TextQuery = Annotated[str, Query(max_length=200)]
PageQuery = Annotated[int, Query(ge=0, le=10_000)]


def _masked(reject: FoundReject) -> FoundReject:
    return replace(reject, record_key=mask_text(reject.record_key), reason=mask_text(reject.reason_group))


def _triggering(viewer: Viewer, export: Export, session: Any) -> dict[str, Any]:
    """Return what the forms need that send records again."""
    return {
        "may_trigger": viewer.may_trigger(export),
        "may_unpause": viewer.may_unpause(export),
        "dag": dag_states(session, [export.dag_id]).get(export.dag_id),
    }


def _found(
    viewer: Viewer, export: Export, ledger: PageLedger, *, text: str, reason: str, is_open: bool, page: int
) -> dict[str, Any]:
    sees_values = viewer.sees_values(export)
    found = find_rejects(
        ledger.connection,
        ledger.account,
        export.dag_id,
        text=text.strip(),
        whole_key=not sees_values,
        reason_group=reason or None,
        is_open=is_open,
        limit=PAGE_ROWS + 1,
        offset=page * PAGE_ROWS,
    )
    return {
        "export": export,
        "ledger": ledger,
        "rejects": [reject if sees_values else _masked(reject) for reject in found[:PAGE_ROWS]],
        "more": len(found) > PAGE_ROWS,
        "q": text,
        "reason": reason,
        "is_open": is_open,
        "page": page,
        "sees_values": sees_values,
    }


@router.get("")
def rejects_page(
    request: Request,
    viewer: ViewerDep,
    export: ExportDep,
    ledger: LedgerDep,
    session: SessionDep,
    q: TextQuery = "",
    reason: Annotated[str, Query(max_length=300)] = "",
    closed: bool = False,
    page: PageQuery = 0,
) -> Response:
    """Show rejects, grouped by reason; a search brings the list alone."""
    context = _found(viewer, export, ledger, text=q, reason=reason, is_open=not closed, page=page)
    context |= _triggering(viewer, export, session)
    if request.headers.get("hx-request"):
        return templates.TemplateResponse(request, "_reject_list.html", context)
    context["groups"] = reason_groups(ledger.connection, ledger.account, export.dag_id)
    return templates.TemplateResponse(request, "rejects.html", context)


@router.get("/{reject_id}")
def reject_page(
    request: Request, viewer: ViewerDep, export: ExportDep, ledger: LedgerDep, session: SessionDep, reject_id: int
) -> Response:
    """Show one reject with its payload."""
    reject = read_reject(ledger.connection, ledger.account, export.dag_id, reject_id)
    if reject is None:
        raise HTTPException(404, "There is no such reject, or no longer: closed ones are removed after some time.")
    sees_values = viewer.sees_values(export)
    if not sees_values:
        reject = _masked_whole(reject)
    context = {
        "export": export,
        "ledger": ledger,
        "reject": reject,
        "payload": orjson.dumps(reject.payload, option=orjson.OPT_INDENT_2).decode(),
        "sees_values": sees_values,
        **_triggering(viewer, export, session),
    }
    return templates.TemplateResponse(request, "reject.html", context)


def _masked_whole(reject: WholeReject) -> WholeReject:
    return replace(
        reject,
        record_key=mask_text(reject.record_key),
        reason=mask_text(reject.reason, reject.payload),
        payload=mask_payload(reject.payload),
        odp_answer=reject.odp_answer and mask_text(reject.odp_answer, reject.payload),
    )
