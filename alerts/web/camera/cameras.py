"""Cameras: which ones a person may look through, and their pictures, every look audited."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from alerts.precision.cases import cases
from alerts.precision.figures import Precision, precision
from alerts.seeing.views import Viewer
from alerts.web.alert.pictures import PRIVATE, stored_picture
from alerts.web.base import errors
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import Reader, Visitor, WebParts
from config.ids import is_uuid7
from config.site import Camera, LegalClass, Role, Site

router = APIRouter(prefix="/cameras/{camera_id}", include_in_schema=False)
_OVERSEERS = frozenset({Role.POLICE, Role.ADMIN, Role.TOWNSHIP, Role.INSTALLER})
_GRID = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
PRECISION_OVER = timedelta(days=90)
CameraId = Annotated[str, Path(max_length=63)]


def cameras_of(site: Site, viewer: Viewer) -> list[Camera]:
    """Cameras this person may look through, in file order.

    A home's only for those whose home it is; the others for the centre, installers, and the
    people of their grid.
    """
    return [camera for camera in site.cameras if may_look(viewer, camera)]


def may_look(viewer: Viewer, camera: Camera) -> bool:
    """True when this person may see pictures of the camera at any time."""
    if camera.owner is not None and camera.owner in viewer.owners:
        return True
    if camera.legal_class is LegalClass.HOME:
        return False
    if viewer.role in _OVERSEERS:
        return True
    return viewer.role in _GRID and viewer.grid == camera.grid


def find_camera(web: Web, visitor: Visitor, camera_id: str) -> Camera:
    """The camera, when this visitor may look through it.

    Raises:
        Refusal: 404, there is none or it is not theirs to see.
    """
    camera = web.site.camera(camera_id)
    if camera is None or not may_look(visitor.viewer, camera):
        raise errors.not_found()
    return camera


def is_own(visitor: Visitor, camera: Camera) -> bool:
    """True when it hangs at this person's own home."""
    return camera.owner is not None and camera.owner in visitor.viewer.owners


@router.get("")
def camera_page(request: Request, web: WebParts, visitor: Reader, camera_id: CameraId) -> Response:
    """One camera: its picture, and what is known of it."""
    camera = find_camera(web, visitor, camera_id)
    return page(
        request,
        web,
        visitor,
        "camera.html",
        camera=camera,
        latest=web.seen.latest_picture(camera.id),
        grid=web.site.grid(camera.grid),
        drawing=web.drawings.newest(camera.id),
        precision=_precision(web, camera) if visitor.may(Action.SEE_DEVICES) else [],
    )


def _precision(web: Web, camera: Camera) -> list[Precision]:
    since = web.clock.now() - PRECISION_OVER
    return precision(cases(web.engine, web.site, since=since, cameras=[camera.id]))


@router.get("/snapshot")
def snapshot(web: WebParts, visitor: Reader, camera_id: CameraId) -> Response:
    """The newest picture the camera has sent: JPEG, masks burnt in."""
    camera = find_camera(web, visitor, camera_id)
    event = web.seen.latest_picture(camera.id)
    if event is None or event.thumbnail is None:
        raise errors.not_found()
    if not is_own(visitor, camera):
        purpose = "setting up the camera" if visitor.person.role is Role.INSTALLER else "duty"
        web.audit.append(
            actor=visitor.person.id,
            action="view-snapshot",
            object=f"camera {camera.id}",
            detail=f"event {event.id}; purpose: {purpose}",
        )
    return Response(event.thumbnail, media_type="image/jpeg", headers=PRIVATE)


@router.get("/events/{event_id}/thumbnail")
def event_picture(web: WebParts, visitor: Reader, camera_id: CameraId, event_id: str) -> Response:
    """The small picture of one event of one's own home."""
    camera = _own_camera(web, visitor, camera_id)
    event = web.seen.event(camera.id, event_id) if is_uuid7(event_id) else None
    if event is None or event.thumbnail is None:
        raise errors.not_found()
    return Response(event.thumbnail, media_type="image/jpeg", headers=PRIVATE)


@router.get("/events/{event_id}/evidence/{sha256}")
def event_evidence(
    web: WebParts, visitor: Reader, camera_id: CameraId, event_id: str, sha256: str
) -> Response:
    """A full picture or clip of one event of one's own home."""
    camera = _own_camera(web, visitor, camera_id)
    event = web.seen.event(camera.id, event_id) if is_uuid7(event_id) else None
    if event is None or sha256 not in {file.sha256 for file in event.evidence}:
        raise errors.not_found()
    web.audit.append(
        actor=visitor.person.id,
        action="view-evidence",
        object=f"camera {camera.id}",
        detail=f"{sha256}; purpose: own home",
    )
    return stored_picture(web, sha256)


def _own_camera(web: Web, visitor: Visitor, camera_id: str) -> Camera:
    camera = find_camera(web, visitor, camera_id)
    if not is_own(visitor, camera):
        raise errors.not_found()
    return camera
