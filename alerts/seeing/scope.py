"""Scope: which alerts a person may see, as a condition for the database and the same in memory."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, and_, false, func, or_, select

from alerts.seeing.views import Viewer
from alerts.store import schema
from config.event import EventKind
from config.site import LegalClass, Role

_HOME = str(LegalClass.HOME)
_OVERSEERS = frozenset({Role.POLICE, Role.ADMIN, Role.TOWNSHIP})
_GRID_PEOPLE = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
_TROUBLE = frozenset({str(EventKind.HEALTH), str(EventKind.SHED)})


@dataclass(frozen=True, slots=True)
class Subject:
    """What scope asks of an alert; the fields are those of its row."""

    id: str
    kind: str
    legal_class: str | None
    grid: str | None
    owner: str | None
    told: AbstractSet[str]
    """Ids of the people with a delivery about it, in whatever state."""


def scope(viewer: Viewer, alerts: FromClause) -> ColumnElement[bool]:
    """SQL condition: which rows of ``alerts`` this person may see.

    Everybody sees what they were told of and what their own camera saw. Beyond that, police,
    administrators and the township see all but homes; grid people their grid but homes;
    installers trouble of equipment but homes'.
    """
    sent = schema.deliveries
    column = alerts.c
    told = (
        select(sent.c.id)
        .where(sent.c.alert_id == column.id, sent.c.person == viewer.person_id)
        .exists()
    )
    not_home = func.coalesce(column.legal_class, "") != _HOME
    by_role: ColumnElement[bool] = false()
    if viewer.role in _OVERSEERS:
        by_role = not_home
    elif viewer.role in _GRID_PEOPLE and viewer.grid is not None:
        by_role = and_(not_home, column.grid == viewer.grid)
    elif viewer.role is Role.INSTALLER:
        by_role = and_(not_home, column.kind.in_(sorted(_TROUBLE)))
    granted = column.id.in_(viewer.granted) if viewer.granted else false()
    return or_(by_role, column.owner.in_(viewer.owners), told, granted)


def in_scope(viewer: Viewer, subject: Subject) -> bool:
    """The rule of :func:`scope` for one alert that is in memory (a property test compares them)."""
    return (
        _by_role(viewer, subject)
        or (subject.owner is not None and subject.owner in viewer.owners)
        or viewer.person_id in subject.told
        or subject.id in viewer.granted
    )


def _by_role(viewer: Viewer, subject: Subject) -> bool:
    if subject.legal_class == _HOME:
        return False
    if viewer.role in _OVERSEERS:
        return True
    if viewer.role in _GRID_PEOPLE:
        return viewer.grid is not None and subject.grid == viewer.grid
    return viewer.role is Role.INSTALLER and subject.kind in _TROUBLE
