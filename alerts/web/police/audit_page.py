"""Audit page: who did what, newest first, and whether the chain of hashes is whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from alerts.store.schema import audit
from alerts.web.base.render import page
from alerts.web.people.auth import AuditReader, WebParts
from ingest.engine import reading

router = APIRouter(prefix="/audit", include_in_schema=False)
PAGE = 100


@router.get("")
def audit_log(
    request: Request,
    web: WebParts,
    visitor: AuditReader,
    actor: Annotated[str, Query(max_length=63)] = "",
    action: Annotated[str, Query(max_length=40)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    check: bool = False,
) -> Response:
    """A page of the log; ``check`` walks the whole chain. Reading the log is audited too."""
    web.audit.append(
        actor=visitor.person.id,
        action="view-audit",
        object="audit log",
        detail=f"actor={actor} action={action}",
    )
    statement = select(audit).order_by(audit.c.seq.desc()).limit(PAGE)
    if actor:
        statement = statement.where(audit.c.actor == actor)
    if action:
        statement = statement.where(audit.c.action == action)
    if before is not None:
        statement = statement.where(audit.c.seq < before)
    with reading(web.engine) as connection:
        rows = connection.execute(statement).all()
        kinds = connection.execute(select(audit.c.action).distinct().order_by(audit.c.action))
        actions = list(kinds.scalars())
    return page(
        request,
        web,
        visitor,
        "audit.html",
        rows=rows,
        actions=actions,
        actor=actor,
        action=action,
        next_before=rows[-1].seq if len(rows) == PAGE else None,
        checked=check,
        finding=web.audit.verify() if check else None,
        head=web.audit.head(),
    )
