"""Pictures: thumbnails and evidence of an alert, only for those who may see that alert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Path
from fastapi.responses import Response, StreamingResponse

from alerts.web.base import errors
from alerts.web.context import Web
from alerts.web.people.auth import EvidenceReader, Reader, WebParts
from config.ids import is_uuid7

CHUNK_BYTES = 64 * 1024
PRIVATE = {"Cache-Control": "no-store", "Content-Disposition": "inline"}

router = APIRouter(prefix="/api/v1/alerts/{alert_id}", tags=["pictures"])
AlertId = Annotated[str, Path(description="UUIDv7 of the alert", max_length=36)]


@router.get(
    "/thumbnail",
    summary="Small picture of an alert",
    response_class=Response,
    responses={**errors.RESPONSES, 200: {"content": {"image/jpeg": {}}}},
)
def thumbnail(web: WebParts, visitor: Reader, alert_id: AlertId) -> Response:
    """JPEG of at most 20 kB, privacy masks burnt in."""
    if not is_uuid7(alert_id):
        raise errors.not_found()
    picture = web.service.thumbnail(visitor.viewer, alert_id)
    if picture is None:
        raise errors.not_found()
    if alert_id in visitor.viewer.granted:
        # The owner is shown who looked into their home.
        web.audit.append(
            actor=visitor.person.id,
            action="view-thumbnail",
            object=f"alert {alert_id}",
            detail="purpose: the owner granted it",
        )
    return Response(picture, media_type="image/jpeg", headers=PRIVATE)


@router.get(
    "/evidence/{sha256}",
    summary="Full picture or clip of an alert; every view is audited",
    response_class=StreamingResponse,
    responses={**errors.RESPONSES, 200: {"content": {"image/jpeg": {}, "video/mp4": {}}}},
)
def evidence(
    web: WebParts,
    visitor: EvidenceReader,
    alert_id: AlertId,
    sha256: Annotated[str, Path(description="of the file, as the alert lists it", max_length=64)],
) -> StreamingResponse:
    """The file, when it belongs to this alert and this alert is the visitor's to see."""
    if not is_uuid7(alert_id):
        raise errors.not_found()
    alert = web.service.get(visitor.viewer, alert_id)
    file = next((item for item in alert.evidence if item.sha256 == sha256), None)
    # Pictures travel apart from the event: one may come later, or be past its retention.
    stored = web.media.find(sha256) if file is not None else None
    if file is None or stored is None:
        raise errors.not_found()
    # Written before a byte is sent: a view that cannot be audited does not happen.
    web.audit.append(
        actor=visitor.person.id,
        action="view-evidence",
        object=f"alert {alert.id}",
        detail=f"{file.role} {sha256}; purpose: answering this alert",
    )
    web.metrics.evidence.inc()
    return stored_picture(web, sha256)


def stored_picture(web: Web, sha256: str) -> StreamingResponse:
    """A file of the media store, in chunks.

    Raises:
        Refusal: 404, it is not here.
    """
    stored = web.media.find(sha256)
    if stored is None:
        raise errors.not_found()
    try:
        opened = web.media.open(sha256)
    except FileNotFoundError:
        raise errors.not_found() from None
    headers = {**PRIVATE, "Content-Length": str(stored.size_bytes)}
    return StreamingResponse(_chunks(opened), media_type=stored.media_type, headers=headers)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
