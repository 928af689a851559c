"""A note about duty that no way could carry goes on to the next person who answers for the grid."""

from __future__ import annotations

from sqlalchemy import Connection, select

from alerts.rosters.notes import Note
from alerts.rosters.schema import duty_notes, duty_overrides
from alerts.store.choices_schema import absences, shift_swaps
from config.site import Grid, Role, Site

_MARK = "请转告"


def next_note(
    connection: Connection, site: Site, *, person: str, about: str, titles: tuple[str, str]
) -> Note | None:
    """What the next one is told when ``person`` could not be; None when everybody was tried.

    The grid's head, its deputy, its township, then the police desk; each once for one change.

    Args:
        about: what the note names: ``override``, ``leave`` or ``swap`` and its id.
        titles: what the note says, in Chinese and English.
    """
    grid = _grid(connection, site, about)
    tried = select(duty_notes.c.person).where(duty_notes.c.about == about)
    known = {person, *connection.execute(tried).scalars()}
    others = [name for name in _who_answers(site, grid) if name not in known]
    if not others:
        return None
    zh, en = titles
    if not zh.startswith(_MARK):
        name = site.name_of(person)
        zh = f"{_MARK}{name}（没有一个渠道通知到）：{zh}"
        en = f"Tell {name}, whom no channel reached: {en}"
    return Note(others[0], about, zh, en)


def _who_answers(site: Site, grid: Grid | None) -> list[str]:
    own = [] if grid is None else [grid.head, *([grid.deputy] if grid.deputy else [])]
    townships = [
        person.id
        for person in site.people_of(Role.TOWNSHIP)
        if grid is not None and _township(site, person.grid) in (None, grid.township)
    ]
    return [*own, *townships, *(person.id for person in site.people_of(Role.POLICE))]


def _township(site: Site, grid_id: str | None) -> str | None:
    grid = site.grid(grid_id) if grid_id is not None else None
    return grid.township if grid is not None else None


def _grid(connection: Connection, site: Site, about: str) -> Grid | None:
    """The grid whose duty it is; of leave, that of whoever is away."""
    kind, _, its_id = about.partition(" ")
    if kind == "leave":
        away = connection.execute(select(absences.c.person).where(absences.c.id == its_id)).scalar()
        person = site.person(away) if away is not None else None
        grid = person.grid if person is not None else None
    else:
        table = duty_overrides if kind == "override" else shift_swaps
        grid = connection.execute(select(table.c.grid).where(table.c.id == its_id)).scalar()
    return site.grid(grid) if grid is not None else None
