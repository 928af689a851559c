"""A digest: every alert that was gathered into one notice, for whom it was sent to."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from alerts.seeing import reading
from alerts.store import schema
from alerts.store.quiet_schema import digests
from alerts.web.base import errors
from alerts.web.base.render import page
from alerts.web.people.auth import Reader, Visitor, WebParts
from config.ids import is_uuid7
from config.site import Role
from ingest.engine import reading as reading_from

router = APIRouter(prefix="/digests", include_in_schema=False)
LIMIT = 500
_WORKERS = frozenset({Role.GRID_WORKER, Role.GRID_HEAD, Role.TOWNSHIP, Role.POLICE, Role.ADMIN})


@router.get("/{digest_id}")
def digest_page(request: Request, web: WebParts, visitor: Reader, digest_id: str) -> Response:
    """The newest 500 of its alerts that the visitor may see.

    A person's digest is theirs alone; one of a webhook or group bot is for those who work.
    """
    if not is_uuid7(digest_id):
        raise errors.not_found()
    with reading_from(web.engine) as connection:
        digest = connection.execute(select(digests).where(digests.c.id == digest_id)).first()
    if digest is None or not _may_read(digest.person, visitor):
        raise errors.not_found()
    inside = select(schema.deliveries.c.alert_id).where(schema.deliveries.c.digest_id == digest_id)
    condition = schema.alerts.c.id.in_(inside)
    rows = reading.found_rows(web.engine, visitor.viewer, [condition], LIMIT)
    return page(
        request,
        web,
        visitor,
        "digest.html",
        digest=digest,
        found=reading.build_views(web.engine, web.site, visitor.viewer, rows),
    )


def _may_read(person: str | None, visitor: Visitor) -> bool:
    return person == visitor.person.id if person is not None else visitor.person.role in _WORKERS
