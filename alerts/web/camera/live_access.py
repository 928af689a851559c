"""Who may watch a camera live: its home, those it granted a look, and those on duty for it."""

from __future__ import annotations

from sqlalchemy import Engine, select

from alerts.store.schema import alerts
from alerts.web.base import errors
from alerts.web.camera.cameras import may_look
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import Visitor
from config.site import Camera
from ingest.engine import reading


def watched_camera(web: Web, visitor: Visitor, camera_id: str) -> Camera:
    """The camera, when this visitor may watch it live now.

    Scope is that of pictures (:func:`alerts.web.camera.cameras.may_look`); for a home also a
    grant that its owner gave for one of its alerts and that has not ended.

    Raises:
        Refusal: 403, the role looks at no pictures of people; 404, there is no such camera or it
            is not this person's to see.
    """
    if not visitor.may(Action.VIEW_EVIDENCE):
        raise errors.forbidden()
    camera = web.site.camera(camera_id)
    if camera is None:
        raise errors.not_found()
    viewer = visitor.viewer
    if not may_look(viewer, camera) and camera.id not in granted(web.engine, viewer.granted):
        raise errors.not_found()
    return camera


def granted(engine: Engine, alert_ids: tuple[str, ...]) -> frozenset[str]:
    """Cameras of these alerts."""
    if not alert_ids:
        return frozenset()
    with reading(engine) as connection:
        found = connection.execute(select(alerts.c.camera).where(alerts.c.id.in_(alert_ids)))
        return frozenset(found.scalars())
