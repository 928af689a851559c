"""Export: ask for evidence to leave the system, approve somebody else's request, take it away."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from alerts.seeing.service import AlertNotVisible, AlertView
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import Exporter, Visitor, WebParts
from alerts.web.police.exporting import LEFT_OUT, MOST_ALERTS, Export, package
from config.ids import is_uuid7

router = APIRouter(prefix="/exports", include_in_schema=False)


@router.get("")
def exports_page(request: Request, web: WebParts, visitor: Exporter) -> Response:
    """Requests, the newest first."""
    return page(request, web, visitor, "exports.html", exports=web.exports.all(), left_out=LEFT_OUT)


@router.post("")
def ask_export(
    web: WebParts,
    visitor: Exporter,
    purpose: Annotated[str, Form(max_length=300)] = "",
    case_number: Annotated[str, Form(max_length=64)] = "",
    alert: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """File a request for the pictures of some alerts."""
    if len(purpose.strip()) < 4 or not case_number.strip():
        raise Refusal(
            422,
            "export_rules",
            zh="请写明目的和案件编号",
            en="State the purpose and the case number",
        )
    chosen = tuple(dict.fromkeys(name for name in alert if is_uuid7(name)))
    if not 0 < len(chosen) <= MOST_ALERTS:
        raise Refusal(422, "export_rules", zh="请选择 1 到 100 条告警", en="Choose 1 to 100 alerts")
    for name in chosen:
        web.service.get(visitor.viewer, name)
    export = web.exports.ask(
        chosen,
        purpose=purpose.strip(),
        case_number=case_number.strip(),
        requester=visitor.person.id,
    )
    _audit(web, visitor, "export-asked", export, f"{len(chosen)} alerts; purpose: {export.purpose}")
    return RedirectResponse("/exports", status_code=303)


@router.post("/{export_id}/{answer}")
def decide_export(web: WebParts, visitor: Exporter, export_id: str, answer: str) -> Response:
    """Approve or refuse somebody else's request."""
    export = _find(web, export_id)
    if answer not in ("approve", "refuse"):
        raise errors.not_found()
    if not web.exports.decide(export.id, visitor.person.id, approves=answer == "approve"):
        raise Refusal(
            409,
            "own_request",
            zh="不能批准自己的导出，或已处理过",
            en="Nobody approves their own export, or it is decided already",
        )
    _audit(web, visitor, f"export-{answer}", export, "")
    return RedirectResponse("/exports", status_code=303)


@router.get("/{export_id}/package.zip")
def take_export(web: WebParts, visitor: Exporter, export_id: str) -> Response:
    """The approved package, for its requester and approver; every time audited."""
    export = _find(web, export_id)
    if export.state != "approved" or visitor.person.id not in (export.requester, export.approver):
        raise errors.not_found()
    data, manifest_sha256 = package(export, _alerts(web, visitor, export), web.media)
    web.exports.seal(export.id, manifest_sha256)
    _audit(web, visitor, "export-taken", export, f"manifest {manifest_sha256}")
    name = f"menshen-{export.id}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/zip", headers=headers)


def _alerts(web: Web, visitor: Visitor, export: Export) -> list[AlertView]:
    found = []
    for name in export.alert_ids:
        try:
            found.append(web.service.get(visitor.viewer, name))
        except AlertNotVisible:
            continue  # Past its retention since it was asked for.
    return found


def _find(web: Web, export_id: str) -> Export:
    export = web.exports.find(export_id) if is_uuid7(export_id) else None
    if export is None:
        raise errors.not_found()
    return export


def _audit(web: Web, visitor: Visitor, action: str, export: Export, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"export {export.id}", detail=detail
    )
