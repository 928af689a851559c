"""Household state: what is known of each person's face on each device of their home; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from config.site import Site
from ingest.households import Consent, NodeFaces

SHOWN_AFTER = timedelta(days=30)
"""What has ended is shown for so long."""
Where = Literal["held", "missing", "waiting", "erased", "erasing", "offline"]


class Links(Protocol):
    """Which nodes are linked (:class:`ingest.live.LiveRelay`)."""

    def is_online(self, node: str) -> bool:
        """True while the node's link is open."""


@dataclass(frozen=True, slots=True)
class Place:
    """One camera, and what its device says of a member.

    While the consent holds: ``held`` there, ``missing`` there, or ``waiting`` for its word.
    Afterwards: ``erased`` there, ``erasing``, or ``offline``: erased as soon as it is back.
    """

    camera: str
    where: Where


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One person on the page."""

    consent: Consent
    holds: bool
    ended_at: datetime
    places: tuple[Place, ...]


def members_of(
    consents: Iterable[Consent],
    nodes: Mapping[str, NodeFaces],
    site: Site,
    links: Links,
    now: datetime,
) -> list[MemberLine]:
    """Those who may be recognised first, then those whose consent has ended lately."""
    lines = []
    for consent in consents:
        if consent.state != "enrolled":
            continue
        ended_at = min(consent.deleted_at or consent.expires_at, consent.expires_at)
        if not consent.holds(now) and now - ended_at > SHOWN_AFTER:
            continue
        places = []
        for camera_id in consent.cameras:
            camera = site.camera(camera_id)
            if camera is None:
                continue
            faces = nodes.get(camera.node)
            where = _where(consent.id, faces, is_wanted=consent.holds(now))
            if where == "erasing" and not links.is_online(camera.node):
                where = "offline"
            places.append(Place(camera.name, where))
        lines.append(MemberLine(consent, consent.holds(now), ended_at, tuple(places)))
    return sorted(lines, key=lambda line: not line.holds)


def _where(member: str, faces: NodeFaces | None, *, is_wanted: bool) -> Where:
    """Only a report of the newest list proves that somebody is *not* held."""
    is_held = faces is not None and member in faces.held
    is_current = (
        faces is not None
        and faces.reported_revision is not None
        and faces.reported_revision >= faces.revision
    )
    if is_wanted:
        return "held" if is_held else "missing" if is_current else "waiting"
    return "erased" if is_current and not is_held else "erasing"
