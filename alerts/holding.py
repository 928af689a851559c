"""The alerts that one transaction has loaded and locked, and what it may ask of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from alerts import schema
from alerts.inhibition.causes import EXPLAINING, Causes
from alerts.inhibition.roots import LATE
from alerts.records import About, to_about, to_alert, to_timer
from alerts.rows import one_of
from alerts.state import Alert, State, Timer
from config.event import EventKind


@dataclass(slots=True)
class Held:
    """An alert while a transaction works on it; ``stored`` is the version in the database."""

    alert: Alert
    about: About
    timer: Timer | None = None
    stored: int | None = None
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
        alerts = schema.alerts.c
        hidden = and_(alerts.parent == alert_id, alerts.state == str(State.SUPPRESSED))
        mine = or_(alerts.id == alert_id, hidden)
        explaining = Causes(roots=frozenset(roots)).condition(datetime.min)
        self._load(mine if explaining is None else or_(mine, explaining))
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
        self._load(wanted if others is None else or_(wanted, others))

    def of_visit(self, visit: str) -> Held | None:
        """The alert that a visit belongs to."""
        alert_id = self._by_visit.get(visit)
        return self._held.get(alert_id) if alert_id is not None else None

    def of_key(self, key: str) -> Held | None:
        """The alert of a de-duplication key that was seen last."""
        same = [held for held in self._held.values() if held.about.dedup_key == key]
        return max(same, key=lambda held: held.alert.seen_at, default=None)

    def root(self, keys: Sequence[str]) -> Held | None:
        """The first of the alerts ``keys`` that explains trouble now."""
        for key in keys:
            held = self.of_key(key)
            if held is not None and held.alert.state in EXPLAINING:
                return held
        return None

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

    def _load(self, condition: ColumnElement[bool]) -> None:
        alerts = schema.alerts
        statement = select(alerts).where(condition).order_by(alerts.c.id).with_for_update()
        rows = self._connection.execute(statement).mappings().all()
        fresh = [row for row in rows if row["id"] not in self._held]
        for row in fresh:
            self._held[row["id"]] = Held(to_alert(row), to_about(row), stored=row["version"])
        self._load_children([row["id"] for row in fresh])

    def _load_children(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        timers, sent = schema.timers, schema.deliveries
        for row in self._connection.execute(
            select(timers).where(one_of(self._connection, timers.c.alert_id, ids))
        ).mappings():
            self._held[row["alert_id"]].timer = to_timer(row)
        for told in self._connection.execute(
            select(sent.c.alert_id, sent.c.cycle, sent.c.person)
            .where(one_of(self._connection, sent.c.alert_id, ids), sent.c.person.is_not(None))
            .distinct()
        ):
            held = self._held[told.alert_id]
            if told.cycle == held.alert.cycle:
                held.told.add(told.person)
