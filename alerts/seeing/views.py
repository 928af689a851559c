"""What a person sees of an alert: the types, and who may see which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from alerts.life.state import Outcome, State
from config.event import EventKind, EvidenceRef, Frozen, PlateReading, Severity
from config.site import LegalClass, Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking: a person of the site, with the role and grid that bound the view."""

    person_id: str
    role: Role
    grid: str | None = None
    homes: tuple[str, ...] = ()
    """Owners whose home they share: a family member sees what the owner sees."""
    granted: tuple[str, ...] = ()
    """Alerts of homes whose owner lets this person look at the pictures now."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Owners whose cameras are this person's own."""
        return (self.person_id, *self.homes)


class TellLine(Frozen):
    """One person (or webhook) who was told, over which channel, and how far it got."""

    person_id: str | None
    person_name: str
    role: Role | None
    step: int
    channel: str
    state: str
    """``pending``, ``sending``, ``accepted``, ``delivered``, ``read`` or ``failed``."""
    reason_zh: str
    reason_en: str
    at: AwareDatetime


class DepartmentLine(Frozen):
    """A department called by whistle, and who reported for it (a name), if anybody."""

    name: str
    deadline: AwareDatetime
    reported_by: str | None = None


class AlertView(Frozen):
    """An alert as one viewer may see it; pictures and plates of a home are its owner's only."""

    id: str
    version: int
    state: State
    step: int
    step_name_zh: str
    step_name_en: str
    kind: EventKind
    severity: Severity
    title_zh: str
    title_en: str
    camera_id: str
    camera_name: str
    grid_id: str | None
    grid_name: str | None
    legal_class: LegalClass | None
    opened_at: AwareDatetime
    changed_at: AwareDatetime
    captured_at: AwareDatetime
    next_step_at: AwareDatetime | None = None
    plate: PlateReading | None = None
    sightings: int
    event_id: str
    evidence: tuple[EvidenceRef, ...] = ()
    has_thumbnail: bool = False
    picture_hidden: bool = False
    """True when there are pictures that this viewer must not see (somebody's home)."""
    told: tuple[TellLine, ...] = ()
    departments: tuple[DepartmentLine, ...] = ()
    acked_by: str | None = None
    """Person id; ``acked_by_name`` is for reading."""
    acked_by_name: str | None = None
    acked_at: AwareDatetime | None = None
    outcome: Outcome | None = None
    position: int
    """Stream position of the change that this view shows."""


class StreamItem(Frozen):
    """One change of one alert; positions ascend without gaps over the whole centre."""

    position: int
    kind: Literal["alert"] = "alert"
    alert: AlertView
