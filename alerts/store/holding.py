"""The alerts that one transaction has loaded and locked, and what it may ask of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    cast,
    null,
    or_,
    select,
)

from alerts.inhibition.causes import EXPLAINING, Causes
from alerts.inhibition.roots import LATE
from alerts.life.state import Alert, State, Timer
from alerts.store import schema
from alerts.store.records import About, to_about, to_alert, to_timer
from alerts.store.rows import OfThese, one_of
from config.event import EventKind


@dataclass(slots=True)
class Held:
    """An alert while a transaction works on it.

    ``stored`` is its version in the database, ``is_armed`` is true when its timer is there.
    """

    alert: Alert
    about: About
    timer: Timer | None = None
    stored: int | None = None
    is_armed: bool = False
    told: set[str] = field(default_factory=set)


class Holdings:
    """Every select that loads alerts locks them in the order of their ids, all in one statement.

    So two transactions never wait for each other in a circle: what belongs together (an alert
    and what it hides, trouble and what explains it) is loaded together.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: dict[str, Held] = {}
        self._by_visit: dict[str, str] = {}

    def __getitem__(self, alert_id: str) -> Held:
        return self._held[alert_id]

    def add(self, held: Held) -> None:
        """Take in an alert that is not stored yet."""
        self._held[held.alert.id] = held

    def link(self, visit: str, alert_id: str) -> None:
        """Remember that a visit belongs to an alert."""
        self._by_visit[visit] = alert_id

    def load(self, alert_id: str, roots: Collection[str] = ()) -> Held | None:
        """The alert of that id, what it hides, and alerts of the keys ``roots``."""
        explaining = Causes(roots=frozenset(roots)).condition(datetime.min)
        statement = _ONE if explaining is None else _locked(or_(_MINE, explaining))
        self._load(statement, {"alert_id": alert_id})
        return self._held.get(alert_id)

    def load_candidates(
        self,
        *,
        visits: Collection[str],
        keys: Collection[str],
        since: datetime,
        now: datetime,
        causes: Causes,
    ) -> None:
        """What events of these visits and keys could join, end, hide, or hide behind."""
        links = schema.alert_events
        rows = self._connection.execute(
            select(links.c.visit, links.c.alert_id)
            .where(one_of(self._connection, links.c.visit, visits))
            .order_by(links.c.at, links.c.event_id)
        )
        self._by_visit.update({row.visit: row.alert_id for row in rows})
        alerts = schema.alerts.c
        # What goes on is joined and ended however long ago it was last seen.
        goes_on = alerts.state.in_([str(state) for state in EXPLAINING])
        of_keys = one_of(self._connection, alerts.dedup_key, keys)
        recent = and_(of_keys, or_(alerts.seen_at >= since, goes_on))
        mine = set(self._by_visit.values())
        wanted = or_(one_of(self._connection, alerts.id, mine), recent) if mine else recent
        others = causes.condition(now)
        self._load(_locked(wanted if others is None else or_(wanted, others)))

    def of_visit(self, visit: str) -> Held | None:
        """The alert that a visit belongs to."""
        alert_id = self._by_visit.get(visit)
        return self._held.get(alert_id) if alert_id is not None else None

    def of_key(self, key: str) -> Held | None:
        """The alert of a de-duplication key that was seen last."""
        return max(self._all_of(key), key=_seen, default=None)

    def of_trouble(self, key: str) -> Held | None:
        """As :meth:`of_key`, but of trouble: what goes on comes before what has ended.

        An older alert may go on beyond a newer one: somebody has taken it up again.
        """
        same = self._all_of(key)
        going_on = [held for held in same if held.alert.state in EXPLAINING]
        return max(going_on or same, key=_seen, default=None)

    def root(self, keys: Sequence[str]) -> Held | None:
        """The first of the alerts ``keys`` that explains trouble now."""
        for key in keys:
            held = self.of_trouble(key)
            if held is not None and held.alert.state in EXPLAINING:
                return held
        return None

    def _all_of(self, key: str) -> list[Held]:
        return [held for held in self._held.values() if held.about.dedup_key == key]

    def behind(self, subjects: Collection[str], now: datetime) -> Iterator[Held]:
        """Trouble of ``subjects`` that nobody has taken and that began not long before ``now``."""
        if not subjects:
            return
        names = set(subjects)
        for held in list(self._held.values()):
            is_theirs = held.about.kind is EventKind.HEALTH and held.about.place.camera in names
            is_open = held.alert.state in (State.OPEN, State.SUPPRESSED)
            if is_theirs and is_open and now - held.alert.opened_at <= LATE:
                yield held

    def hidden_by(self, alert_id: str) -> Iterator[Held]:
        """Suppressed alerts whose parent is ``alert_id``."""
        for held in list(self._held.values()):
            if held.alert.parent == alert_id and held.alert.state is State.SUPPRESSED:
                yield held

    def _load(
        self, statement: Select[Any], given: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        rows = self._connection.execute(statement, given).mappings().all()
        fresh = [row for row in rows if row["id"] not in self._held]
        for row in fresh:
            self._held[row["id"]] = Held(to_alert(row), to_about(row), stored=row["version"])
        self._load_children([row["id"] for row in fresh])

    def _load_children(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        for row in _CHILDREN.of(self._connection, ids).mappings():
            held = self._held[row["alert_id"]]
            if row["kind"] is not None:
                held.timer, held.is_armed = to_timer(row), True
            elif row["cycle"] == held.alert.cycle:
                held.told.add(row["person"])


def _seen(held: Held) -> datetime:
    return held.alert.seen_at


# What every transition asks is built once.


def _locked(condition: ColumnElement[bool]) -> Select[Any]:
    alerts = schema.alerts
    return select(alerts).where(condition).order_by(alerts.c.id).with_for_update()


_alerts, _sent = schema.alerts.c, schema.deliveries.c
_MINE = or_(
    _alerts.id == bindparam("alert_id"),
    and_(_alerts.parent == bindparam("alert_id"), _alerts.state == str(State.SUPPRESSED)),
)
_ONE = _locked(_MINE)


def _none(column: Column[Any]) -> ColumnElement[Any]:
    return cast(null(), column.type).label(column.name)


_timers = schema.timers.c
_TIMERS = select(
    _timers.alert_id, _timers.kind, _timers.due_at, _none(_sent.cycle), _none(_sent.person)
)
_TOLD = (
    select(_sent.alert_id, _none(_timers.kind), _none(_timers.due_at), _sent.cycle, _sent.person)
    .where(_sent.person.is_not(None))
    .distinct()
)
_CHILDREN = OfThese(_TIMERS, _timers.alert_id, (_TOLD, _sent.alert_id))
