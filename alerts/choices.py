"""Reads what people decided, inside the transaction that heeds it: arming, households, watches."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, func, select

from alerts.arming import Arming, silenced
from alerts.store.choices_schema import arming, watch_entries, watch_votes
from alerts.store.rows import OfThese, one_of
from config.event import Event
from config.site import Camera, LegalClass, Site
from ingest.households import known_members, recognises

APPROVALS = 2
"""Other people who must approve a watch entry before it does anything."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the router heeds of one batch of events, as of one moment."""

    site: Site
    now: datetime
    armings: dict[str, Arming] = field(default_factory=dict)
    watched: dict[str, dict[str, str]] = field(default_factory=dict)
    """Per plate: the grids it is looked for in, each with its case number."""
    members: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    """Per member of a household whose consent holds: its owner, and the cameras it is for."""

    def is_household(self, event: Event) -> bool:
        """True for somebody whom the camera's own home enrolled with consent that holds."""
        member = event.face.member if event.face is not None else None
        camera = self.site.camera(event.camera)
        if member is None or camera is None or member not in self.members:
            return False
        owner, cameras = self.members[member]
        return camera.id in cameras and recognises(camera, owner)

    def silenced(self, event: Event) -> tuple[str, str] | None:
        """Why the camera's owner wants no alert of it, in both languages; None when they may."""
        choice = self.armings.get(event.camera)
        if choice is None:
            return None
        return silenced(choice, event.kind, self.now, ZoneInfo(self.site.county.zone))

    def watch_case(self, event: Event) -> str | None:
        """The case number under which this event's plate is looked for here, or None."""
        camera = self.site.camera(event.camera)
        if event.plate is None or camera is None or camera.legal_class is LegalClass.HOME:
            return None
        return self.watched.get(event.plate.text, {}).get(camera.grid or "")


def load_choices(
    connection: Connection, site: Site, batch: Collection[Event], now: datetime
) -> Choices:
    """What the router heeds of these events."""
    cameras = {event.camera for event in batch}
    homes = {name for name in cameras if _is_home(site.camera(name))}
    plates = {event.plate.text for event in batch if event.plate is not None}
    members = {event.face.member for event in batch if event.face and event.face.member}
    return Choices(
        site,
        now,
        _armings(connection, homes),
        _watched(connection, plates, now),
        known_members(connection, members, now) if members else {},
    )


def arming_of(row: Any) -> Arming:
    """A row of ``arming``."""
    body = {
        "mode": row.mode,
        "until": row.until,
        "schedule": json.loads(row.schedule),
        "snoozed_until": row.snoozed_until,
    }
    return Arming.model_validate(body)


def in_force(now: datetime) -> ColumnElement[bool]:
    """SQL condition: watch entries that two others approved, nobody refused, and now is theirs."""
    entry, vote = watch_entries.c, watch_votes.c
    votes = select(func.count()).select_from(watch_votes).where(vote.entry_id == entry.id)
    approvals = votes.where(vote.approves.is_(True)).scalar_subquery()
    refusals = votes.where(vote.approves.is_(False)).scalar_subquery()
    return and_(
        entry.starts_at <= now,
        entry.ends_at > now,
        entry.ended_at.is_(None),
        approvals >= APPROVALS,
        refusals == 0,
    )


def _is_home(camera: Camera | None) -> bool:
    return camera is not None and camera.legal_class is LegalClass.HOME


def _armings(connection: Connection, cameras: Iterable[str]) -> dict[str, Arming]:
    names = list(cameras)
    if not names:
        return {}
    rows = _ARMINGS.of(connection, names)
    return {row.camera: arming_of(row) for row in rows}


def _watched(
    connection: Connection, plates: Collection[str], now: datetime
) -> dict[str, dict[str, str]]:
    """Of several entries for one grid, the one asked for first names its case."""
    if not plates:
        return {}
    found: dict[str, dict[str, str]] = {}
    entry = watch_entries.c
    statement = (
        select(entry.plate, entry.grids, entry.case_number)
        .where(one_of(connection, entry.plate, plates), in_force(now))
        .order_by(entry.asked_at.desc())
    )
    for row in connection.execute(statement):
        cases = dict.fromkeys(json.loads(row.grids), row.case_number)
        found.setdefault(row.plate, {}).update(cases)
    return found


_ARMINGS = OfThese(select(arming), arming.c.camera)
