"""Which silence hides an alert, what none may hide, and who may ask for one: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pydantic import model_validator

from alerts.deciding.routing import Place
from alerts.life.state import Timer, TimerKind
from config.event import EventKind, Frozen, Name, Severity
from config.site import Person, Role, Site

LONGEST = timedelta(days=7)
"""A silence that is needed for longer is a rule of the site; it is asked for again each week."""
LASTING = frozenset({EventKind.HEALTH, EventKind.SHED})
"""Kinds that go on until somebody mends them; a sighting is over when its silence ends."""
_ANYWHERE = frozenset({Role.POLICE, Role.ADMIN})


class Matchers(Frozen):
    """What a silence is about: every matcher that is given must fit; at least one is given.

    ``most`` is the loudest severity that it hides; critical is never hidden.
    """

    cameras: tuple[Name, ...] = ()
    """Camera ids, or ids of nodes."""
    grids: tuple[Name, ...] = ()
    kinds: tuple[EventKind, ...] = ()
    most: Severity = Severity.WARNING

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if not (self.cameras or self.grids or self.kinds):
            raise ValueError("a silence names cameras, grids or kinds; one of everything is none")
        if self.most is Severity.CRITICAL:
            raise ValueError("nothing critical is ever silenced")
        return self


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence in force or planned; times in UTC."""

    id: str
    owner: str
    reason: str
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """What of an alert a silence looks at."""

    kind: EventKind
    severity: Severity
    place: Place


def hidden_by(silences: Iterable[Silence], subject: Subject) -> Silence | None:
    """The silence that hides it, of several the one that ends last; None when none may.

    Never hidden: what is critical, and what a home's camera sees. A home is its owner's to
    arm and disarm, and nobody else's to silence.
    """
    if subject.severity is Severity.CRITICAL or subject.place.is_home:
        return None
    fitting = [silence for silence in silences if _fits(silence.matchers, subject)]
    return max(fitting, key=lambda silence: silence.ends_at, default=None)


def end_of(silence: Silence, kind: EventKind) -> Timer:
    """What happens to an alert of ``kind`` when the silence that hides it ends by itself."""
    what = TimerKind.RELEASE if kind in LASTING else TimerKind.LAPSE
    return Timer(what, silence.ends_at)


def refusal(
    site: Site, person: Person, matchers: Matchers, *, starts_at: datetime, ends_at: datetime
) -> str | None:
    """Why ``person`` may not have this silence, in English; None when they may.

    Police and administrators silence anything; the head or deputy of a grid what is in it.
    """
    if ends_at <= starts_at:
        return "it must end after it starts"
    if ends_at - starts_at > LONGEST:
        return f"it may last {LONGEST.days} days at most"
    for name in matchers.cameras:
        camera = site.camera(name)
        if camera is None and name not in {node.id for node in site.nodes}:
            return f"there is no camera or node {name!r}"
        if camera is not None and camera.owner is not None:
            return f"camera {name} is a home's: its owner arms and disarms it"
    for name in matchers.grids:
        if site.grid(name) is None:
            return f"there is no grid {name!r}"
    if person.role in _ANYWHERE:
        return None
    own = headed_by(site, person)
    if not own:
        return "only police, administrators and the heads of grids may silence"
    return _outside(site, own, matchers)


def headed_by(site: Site, person: Person) -> frozenset[str]:
    """Grids that this person heads or is the deputy of."""
    return frozenset(grid.id for grid in site.grids if person.id in (grid.head, grid.deputy))


def _outside(site: Site, own: frozenset[str], matchers: Matchers) -> str | None:
    if not (matchers.cameras or matchers.grids):
        return "the head of a grid must name cameras or grids"
    strange = [name for name in matchers.grids if name not in own]
    for name in matchers.cameras:
        camera = site.camera(name)
        if camera is None or camera.grid not in own:
            strange.append(name)
    return f"{strange[0]} is not in a grid that you head" if strange else None


def _fits(matchers: Matchers, subject: Subject) -> bool:
    if subject.severity.rank > matchers.most.rank:
        return False
    if matchers.kinds and subject.kind not in matchers.kinds:
        return False
    if matchers.grids and subject.place.grid not in matchers.grids:
        return False
    return not matchers.cameras or subject.place.camera in matchers.cameras
