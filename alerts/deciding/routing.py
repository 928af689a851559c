"""Who is told, rung by rung: the ladder of one alert at one moment, with a reason for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.auditing.findings import grid_of_subject, is_centre
from alerts.deciding.rules import route_of
from alerts.inhibition.roots import grid_of_equipment
from alerts.life.ladders import NO_TERMS
from alerts.life.ladders import STEP_NAMES as STEP_NAMES
from alerts.life.ladders import HomeTerms as HomeTerms
from alerts.life.ladders import Ladder as Ladder
from alerts.life.ladders import Place as Place
from alerts.life.ladders import Recipient as Recipient
from alerts.life.ladders import Rung as Rung
from alerts.rosters.duty import (
    NOTHING_ARRANGED,
    Arrangements,
    after_swaps,
    people_on_duty,
    planned,
    stand_in,
)
from config.duty import Absence
from config.routes import STEPS, Route
from config.site import Grid, Role, Site


def place_of(site: Site, camera_id: str) -> Place:
    """What the site knows of where ``camera_id`` hangs."""
    camera = site.camera(camera_id)
    if camera is None:
        grid = grid_of_subject(site, camera_id) or grid_of_equipment(site, camera_id)
        return Place(camera_id, grid.id if grid is not None else None, None, None)
    return Place(
        camera=camera.id, grid=camera.grid, owner=camera.owner, legal_class=camera.legal_class
    )


def ladder(
    site: Site,
    place: Place,
    now: datetime,
    arranged: Arrangements = NOTHING_ARRANGED,
    *,
    rule: str | None = None,
    terms: HomeTerms = NO_TERMS,
) -> Ladder:
    """Everybody who could be told of an alert at ``place``, as of ``now`` (timezone-aware).

    Only the last rung is never empty: a site without a police desk uses its administrators,
    then its township people, then all grid heads, then everybody. The ladder of a home that
    neither agreed to more nor called for help has the first rung alone, which then repeats.

    Args:
        arranged: swaps and leave; whoever is away is replaced by their substitute on any rung.
        rule: id of the rule that made the alert, which may begin higher and tell more people.
        terms: what the owner of a home agreed to.
    """
    scene = _Scene(site, place, now, arranged.away(site, now))
    first = _first(scene, arranged)
    if place.is_home and not (terms.agreed or terms.called):
        zh, en = "此刻无人可通知", "nobody to tell at this moment"
        return Ladder((replace(first, empty_zh=zh, empty_en=en),), is_alone=True)
    grid = site.grid(place.grid) if place.grid is not None else None
    head = [*_head(grid), *_neighbours(terms)]
    rungs = (
        first,
        _rung(scene, 1, head, "不知道属于哪个网格", "the grid is not known"),
        _rung(scene, 2, _beside(site, grid), "没有副职，也没有相邻网格", "no deputy, no neighbour"),
        _third(scene, grid),
        _last(scene),
    )
    return Ladder(_as_routed(scene, rungs, route_of(site, rule)))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every rung looks at."""

    site: Site
    place: Place
    now: datetime
    away: tuple[Absence, ...]


def _rung(
    scene: _Scene, step: int, wanted: Iterable[Recipient], empty_zh: str, empty_en: str
) -> Rung:
    """The rung of those ``wanted``, with substitutes for those who are away."""
    told: dict[str, Recipient] = {}
    others: list[Recipient] = []
    for recipient in wanted:
        other = stand_in(scene.away, recipient.person)
        if other == recipient.person:
            told.setdefault(recipient.person, recipient)
            continue
        others.append(_on_leave(scene, recipient.person, other))
        if other is not None:
            told.setdefault(other, _substitute(scene, recipient, other))
    if others and not told:
        empty_zh, empty_en = "都在请假，也没有人替班", "all are on leave, and nobody stands in"
    name_zh, name_en = STEP_NAMES[step]
    return Rung(name_zh, name_en, tuple(told.values()), empty_zh, empty_en, tuple(others))


def _on_leave(scene: _Scene, person: str, other: str | None) -> Recipient:
    if other is None:
        return Recipient(person, "请假中，没有人替班", "on leave, and nobody stands in")
    zh, en = f"请假中，由{scene.site.name_of(other)}替班", f"on leave; {other} stands in"
    return Recipient(person, zh, en)


def _substitute(scene: _Scene, recipient: Recipient, other: str) -> Recipient:
    zh = f"替请假的{scene.site.name_of(recipient.person)}：{recipient.reason_zh}"
    return Recipient(other, zh, f"for {recipient.person}, on leave: {recipient.reason_en}")


def _first(scene: _Scene, arranged: Arrangements) -> Rung:
    site, place, now = scene.site, scene.place, scene.now
    if grid_of_subject(site, place.camera) is not None:
        zh = "值班空缺由网格长安排，不通知当班人"
        return _rung(scene, 0, [], zh, "a hole in the duty is for the grid head to fill")
    told: list[Recipient] = []
    others: list[Recipient] = []
    if place.grid is not None:
        people = people_on_duty(site, place.grid, now, arranged)
        zh, en = "当班网格员", "grid worker on duty"
        if arranged.standing_in(place.grid, now) is not None:
            zh, en = "顶班的网格员", "entered for this span of duty"
        told += [Recipient(name, zh, en) for name in people[:1]]
        zh, en = "同班，但本轮首先通知的是别人", "on the shift, but not first in its turn"
        others += [Recipient(name, zh, en) for name in people[1:]]
        others += _not_standing(scene, place.grid, arranged)
    if place.owner is not None:
        told.append(Recipient(place.owner, "该摄像机的户主", "owner of the camera"))
    # Who is on duty has been looked up with leave in mind; an owner is nobody's to replace.
    at_hand = replace(scene, away=())
    rung = _rung(at_hand, 0, told, "此刻没有人当班", "nobody is on duty at this moment")
    standing = {recipient.person for recipient in rung.recipients}
    return replace(rung, others=tuple(one for one in others if one.person not in standing))


def _not_standing(scene: _Scene, grid: str, arranged: Arrangements) -> list[Recipient]:
    """Those whom the roster names and whom others stand in for, or who swapped, or are away."""
    duty = planned(scene.site, grid, scene.now, arranged)
    if duty is None:
        return []
    roster = planned(scene.site, grid, scene.now)
    replaced = [
        Recipient(name, "这段时间另有人顶班", "others were entered for this span of duty")
        for name in (roster.people if roster is not None else ())
        if name not in duty.people
    ]
    swapped = after_swaps(duty.people, grid, scene.now, arranged)
    gone = [
        Recipient(name, "这一班已换给别人", "gave this turn to somebody else")
        for name in duty.people
        if name not in swapped
    ]
    away = ((name, stand_in(scene.away, name)) for name in swapped)
    return (
        replaced + gone + [_on_leave(scene, name, other) for name, other in away if other != name]
    )


def _head(grid: Grid | None) -> list[Recipient]:
    return [] if grid is None else [Recipient(grid.head, "本网格的网格长", "grid head")]


def _neighbours(terms: HomeTerms) -> list[Recipient]:
    zh, en = "户主请的邻居，已同意", "a neighbour whom the owner asked, and who agreed"
    return [Recipient(name, zh, en) for name in terms.neighbours]


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


def _third(scene: _Scene, grid: Grid | None) -> Rung:
    if is_centre(scene.site, scene.place.camera):
        zh = "中心自身的问题直接通知公安值班台"
        return _rung(scene, 3, [], zh, "trouble of the centre itself goes to the police desk")
    people = _township(scene.site, grid)
    return _rung(scene, 3, people, "没有登记乡镇人员", "no township person is listed")


def _township(site: Site, grid: Grid | None) -> list[Recipient]:
    """People of the township; those attached to a grid serve the township of that grid only."""
    told = []
    for person in site.people_of(Role.TOWNSHIP):
        own = site.grid(person.grid) if person.grid is not None else None
        if own is None or grid is None or own.township == grid.township:
            told.append(Recipient(person.id, "乡镇综治中心", "township centre"))
    return told


def _last(scene: _Scene) -> Rung:
    """Never empty: when all of it are on leave, they are told all the same."""
    wanted = _root(scene.site)
    rung = _rung(scene, 4, wanted, "", "")
    return rung if rung.recipients else _rung(replace(scene, away=()), 4, wanted, "", "")


def _root(site: Site) -> list[Recipient]:
    for role, zh, en in (
        (Role.POLICE, "公安值班台", "police desk"),
        (Role.ADMIN, "没有公安值班台，改由管理员", "administrator, as no police desk is listed"),
        (Role.TOWNSHIP, "没有公安值班台，改由乡镇", "township, as no police desk is listed"),
        (Role.GRID_HEAD, "没有公安值班台，改由网格长", "grid head, as no police desk is listed"),
    ):
        if people := site.people_of(role):
            return [Recipient(person.id, zh, en) for person in people]
    return [
        Recipient(person.id, "没有别的人可通知", "nobody else is listed") for person in site.people
    ]


def _as_routed(scene: _Scene, rungs: tuple[Rung, ...], route: Route) -> tuple[Rung, ...]:
    """Empty the rungs below the route's first step, and add those it tells besides."""
    start = STEPS.index(route.first_step)
    zh, en = f"规则“{route.id}”从更高一级开始", f"rule {route.id} begins higher up"
    below = tuple(_emptied(rung, zh, en) for rung in rungs[:start])
    also_zh, also_en = f"规则“{route.id}”指定通知", f"named by rule {route.id}"
    named = [Recipient(name, also_zh, also_en) for name in route.also_tell]
    if not named:
        return (*below, *rungs[start:])
    first = next(number for number in range(start, len(rungs)) if rungs[number].recipients)
    rung = rungs[first]
    more = _rung(scene, first, named, "", "")
    told = {one.person: one for one in (*more.recipients, *rung.recipients)}
    extended = replace(
        rung,
        recipients=(*rung.recipients, *(told[name] for name in told if _new(rung, name))),
        others=(*rung.others, *more.others),
    )
    return (*below, *rungs[start:first], extended, *rungs[first + 1 :])


def _new(rung: Rung, person: str) -> bool:
    return all(recipient.person != person for recipient in rung.recipients)


def _emptied(rung: Rung, zh: str, en: str) -> Rung:
    left_out = tuple(replace(one, reason_zh=zh, reason_en=en) for one in rung.recipients)
    return Rung(rung.name_zh, rung.name_en, (), zh, en, (*left_out, *rung.others))
