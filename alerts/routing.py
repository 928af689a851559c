"""Who is told, rung by rung: the ladder of one alert at one moment, with a reason for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.findings import grid_of_subject, is_centre
from alerts.inhibition.roots import grid_of_equipment
from alerts.roster import Swap, on_duty
from config.site import Grid, LegalClass, Person, Role, Site


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert happened; a camera that the site does not know has neither grid nor owner."""

    camera: str
    grid: str | None
    owner: str | None
    legal_class: LegalClass | None

    @property
    def is_home(self) -> bool:
        """True when the pictures belong to a household."""
        return self.legal_class is LegalClass.HOME


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell, and why."""

    person: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder.

    ``empty_zh`` and ``empty_en`` say why nobody stands on it; ``others`` could have stood on
    it, with the reason why they do not.
    """

    name_zh: str
    name_en: str
    recipients: tuple[Recipient, ...]
    empty_zh: str = ""
    empty_en: str = ""
    others: tuple[Recipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """The peacetime steps of design section 5, looked up at send time. The last one repeats."""

    rungs: tuple[Rung, ...]

    @property
    def last(self) -> int:
        """Index of the rung that repeats for ever."""
        return len(self.rungs) - 1

    def people(self, step: int) -> tuple[str, ...]:
        """Ids of those on rung ``step``, each once."""
        return tuple(recipient.person for recipient in self.rungs[step].recipients)


STEP_NAMES = (
    ("值班网格员和户主", "on-duty grid worker and home owner"),
    ("网格长", "grid head"),
    ("副网格长和相邻网格长", "deputy and neighbouring grid heads"),
    ("乡镇（街道）综治中心", "township centre"),
    ("公安值班台", "police desk"),
)


def place_of(site: Site, camera_id: str) -> Place:
    """What the site knows of where ``camera_id`` hangs."""
    camera = site.camera(camera_id)
    if camera is None:
        grid = grid_of_subject(site, camera_id) or grid_of_equipment(site, camera_id)
        return Place(camera_id, grid.id if grid is not None else None, None, None)
    return Place(
        camera=camera.id, grid=camera.grid, owner=camera.owner, legal_class=camera.legal_class
    )


def ladder(site: Site, place: Place, now: datetime, swaps: Sequence[Swap] = ()) -> Ladder:
    """Everybody who could be told of an alert at ``place``, as of ``now`` (timezone-aware).

    Only the last rung is never empty: a site without a police desk uses its administrators,
    then its township people, then all grid heads, then everybody.
    """
    grid = site.grid(place.grid) if place.grid is not None else None
    return Ladder(
        rungs=(
            _first(site, place, now, swaps),
            _rung(1, _head(grid, "grid head"), "不知道属于哪个网格", "the grid is not known"),
            _rung(2, _beside(site, grid), "没有副职，也没有相邻网格", "no deputy, no neighbour"),
            _third(site, place, grid),
            _rung(4, _root(site), "", ""),
        )
    )


def _rung(step: int, recipients: list[Recipient], empty_zh: str, empty_en: str) -> Rung:
    seen: dict[str, Recipient] = {}
    for recipient in recipients:
        seen.setdefault(recipient.person, recipient)
    name_zh, name_en = STEP_NAMES[step]
    return Rung(name_zh, name_en, tuple(seen.values()), empty_zh, empty_en)


def _first(site: Site, place: Place, now: datetime, swaps: Sequence[Swap]) -> Rung:
    if grid_of_subject(site, place.camera) is not None:
        zh = "值班空缺由网格长安排，不通知当班人"
        return _rung(0, [], zh, "a hole in the duty is for the grid head to fill")
    told: list[Recipient] = []
    duty = on_duty(site, place.grid, now, swaps) if place.grid is not None else None
    if duty is not None:
        told.append(Recipient(duty.people[0], "当班网格员", "grid worker on duty"))
    if place.owner is not None:
        told.append(Recipient(place.owner, "该摄像机的户主", "owner of the camera"))
    rung = _rung(0, told, "此刻没有人当班", "nobody is on duty at this moment")
    others = tuple(
        Recipient(name, "同班，但本轮首先通知的是别人", "on the shift, but not first in its turn")
        for name in (duty.people[1:] if duty is not None else ())
    )
    return replace(rung, others=others)


def _head(grid: Grid | None, reason_en: str) -> list[Recipient]:
    return [] if grid is None else [Recipient(grid.head, "本网格的网格长", reason_en)]


def _beside(site: Site, grid: Grid | None) -> list[Recipient]:
    if grid is None:
        return []
    told = []
    if grid.deputy is not None:
        told.append(Recipient(grid.deputy, "本网格的副网格长", "deputy of the grid"))
    for name in grid.neighbours:
        neighbour = site.grid(name)
        if neighbour is not None:
            reason = f"相邻的{neighbour.name}的网格长", f"head of the neighbouring grid {name}"
            told.append(Recipient(neighbour.head, *reason))
    return told


def _third(site: Site, place: Place, grid: Grid | None) -> Rung:
    if is_centre(site, place.camera):
        zh = "中心自身的问题直接通知公安值班台"
        return _rung(3, [], zh, "trouble of the centre itself goes to the police desk")
    people = _township(site, grid)
    return _rung(3, people, "没有登记乡镇人员", "no township person is listed")


def _township(site: Site, grid: Grid | None) -> list[Recipient]:
    """People of the township; those attached to a grid serve the township of that grid only."""
    told = []
    for person in _of_role(site, Role.TOWNSHIP):
        own = site.grid(person.grid) if person.grid is not None else None
        if own is None or grid is None or own.township == grid.township:
            told.append(Recipient(person.id, "乡镇综治中心", "township centre"))
    return told


def _root(site: Site) -> list[Recipient]:
    for role, zh, en in (
        (Role.POLICE, "公安值班台", "police desk"),
        (Role.ADMIN, "没有公安值班台，改由管理员", "administrator, as no police desk is listed"),
        (Role.TOWNSHIP, "没有公安值班台，改由乡镇", "township, as no police desk is listed"),
        (Role.GRID_HEAD, "没有公安值班台，改由网格长", "grid head, as no police desk is listed"),
    ):
        if people := _of_role(site, role):
            return [Recipient(person.id, zh, en) for person in people]
    return [
        Recipient(person.id, "没有别的人可通知", "nobody else is listed") for person in site.people
    ]


def _of_role(site: Site, role: Role) -> list[Person]:
    return [person for person in site.people if person.role is role]
