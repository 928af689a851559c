"""Fall-backs of a home: its owner's consent, neighbours who agreed, and calls for help."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.life.state import State, TimerKind
from alerts.store import schema
from alerts.store.choices_schema import home_consents, home_neighbours, owner_calls
from config.clock import Clock
from ingest.engine import reading, writing

NEIGHBOUR_LIMIT = 3
_LIVING = ("asked", "accepted")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """``owner`` asked ``neighbour`` to be told in their place; ``state`` as in the table."""

    owner: str
    neighbour: str
    state: str
    asked_at: datetime
    decided_at: datetime | None


class Fallbacks:
    """Who is told when a home is silent; nobody unless its owner, and the neighbour, agreed."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def agreed(self, owner: str) -> bool:
        """True when the owner lets the grid's people be told."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(home_consents.c.agreed).where(home_consents.c.owner == owner)
            ).scalar_one_or_none()
        return bool(found)

    def agree(self, owner: str, *, is_agreed: bool) -> None:
        """Give or take back the consent; it holds from the next step of any alert on.

        That step comes no later than the rule of its alert says, however rarely the home was
        reminded before.
        """
        now = self._clock.now()
        row = {"owner": owner, "agreed": is_agreed, "changed_at": now}
        with writing(self._engine) as connection:
            connection.execute(delete(home_consents).where(home_consents.c.owner == owner))
            connection.execute(insert(home_consents).values(row))
            if is_agreed:
                _bring_forward(connection, owner, now)

    def called(self, alert_id: str) -> bool:
        """True when the home itself called for help about that alert."""
        table = owner_calls.c
        with reading(self._engine) as connection:
            found = connection.execute(
                select(table.alert_id).where(table.alert_id == alert_id)
            ).first()
        return found is not None

    def neighbours(self, owner: str) -> list[Neighbour]:
        """Those whom the owner asked and who have not said no, oldest first."""
        return self._find(home_neighbours.c.owner == owner)

    def asked_of(self, neighbour: str) -> list[Neighbour]:
        """Homes for which ``neighbour`` was asked, or stands in, oldest first."""
        return self._find(home_neighbours.c.neighbour == neighbour)

    def ask(self, owner: str, neighbour: str) -> None:
        """Ask somebody; asking anew, also after a yes or a no, needs a new yes."""
        table = home_neighbours.c
        row = {"owner": owner, "neighbour": neighbour, "state": "asked"}
        with writing(self._engine) as connection:
            connection.execute(
                delete(home_neighbours).where(table.owner == owner, table.neighbour == neighbour)
            )
            connection.execute(insert(home_neighbours).values(**row, asked_at=self._clock.now()))

    def decide(self, owner: str, neighbour: str, state: str, *, earlier: Collection[str]) -> bool:
        """Move from one of the ``earlier`` states to ``state``; False when it is in none."""
        table = home_neighbours.c
        with writing(self._engine) as connection:
            result = connection.execute(
                update(home_neighbours)
                .where(table.owner == owner, table.neighbour == neighbour)
                .where(table.state.in_(earlier))
                .values(state=state, decided_at=self._clock.now())
            )
        return result.rowcount == 1

    def call(self, alert_id: str, owner: str) -> None:
        """The home itself calls for help about one alert; a second call changes nothing."""
        row = {"alert_id": alert_id, "owner": owner, "called_at": self._clock.now()}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(owner_calls).values(row))
        except IntegrityError:
            pass  # It has called before.

    def _find(self, condition: ColumnElement[bool]) -> list[Neighbour]:
        table = home_neighbours.c
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(home_neighbours)
                .where(condition, table.state.in_(_LIVING))
                .order_by(table.asked_at, table.neighbour, table.owner)
            ).all()
        return [
            Neighbour(**{name: getattr(row, name) for name in Neighbour.__slots__}) for row in rows
        ]


def _bring_forward(connection: Connection, owner: str, now: datetime) -> None:
    alerts, timers = schema.alerts, schema.timers
    # Alerts are locked before their timers, by id, as every transition does.
    waiting = connection.execute(
        select(alerts.c.id, alerts.c.escalate_after_s)
        .where(alerts.c.owner == owner, alerts.c.state == str(State.OPEN))
        .order_by(alerts.c.id)
        .with_for_update()
    ).all()
    for alert in waiting:
        soon = now + timedelta(seconds=alert.escalate_after_s)
        connection.execute(
            update(timers)
            .where(timers.c.alert_id == alert.id, timers.c.kind == str(TimerKind.STEP))
            .where(timers.c.due_at > soon)
            .values(due_at=soon)
        )
