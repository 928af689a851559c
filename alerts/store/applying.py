"""Applies commands to stored alerts: one transaction each, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, select

from alerts.hub import Bell, Hub
from alerts.inhibition.hiding import heed_root, root_keys
from alerts.inhibition.roots import roots_of
from alerts.life.state import Command, Fire, TimerKind, Transition
from alerts.silences.hiding import heed_silences
from alerts.store import schema
from alerts.store.work import Happened, LostRace, Work
from config.clock import Clock
from config.errors import UserError
from config.event import EventKind
from config.site import Site
from ingest.engine import writing

Listener = Callable[[Sequence[Happened]], None]
_TRIES = 5


class AlertStore:
    """The stored alerts of one database; safe to use from several threads and processes."""

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        hub: Hub | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._hub = hub or Hub()
        self._listener = listener

    def apply(self, alert_id: str, command: Command) -> Transition:
        """Run ``command`` on an alert as it is now.

        Raises:
            Refused: the command does not fit the state; nothing was changed.
            UserError: there is no such alert.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return self._apply_once(alert_id, command)
            except LostRace:
                if attempt == _TRIES:
                    raise
        raise AssertionError("the loop returns or raises")

    def committed(self, happened: Sequence[Happened]) -> None:
        """Tell this process what a transaction has committed: wakes waiters, feeds the journal."""
        self._hub.ring(Bell.CHANGES)
        if self._listener is not None and happened:
            self._listener(happened)

    def apply_within(
        self, connection: Connection, alert_id: str, command: Command
    ) -> tuple[Transition, Sequence[Happened]]:
        """As :meth:`apply`, in the caller's transaction; hand what happened to :meth:`committed`.

        Raises:
            LostRace: another transaction changed the alert first; roll back.
        """
        work = Work(connection, self._site, self._clock.now())
        keys = self._root_keys(connection, alert_id, command)
        held = work.load(alert_id, keys)
        if held is None:
            raise UserError(
                where=f"alert {alert_id}",
                problem="does not exist",
                remedy="take the id from the list of alerts",
            )
        heeded = heed_silences(work, held, heed_root(work, held, command, keys))
        transition = work.apply(held, heeded)
        work.flush()
        return transition, work.happened

    def _apply_once(self, alert_id: str, command: Command) -> Transition:
        with writing(self._engine) as connection:
            transition, happened = self.apply_within(connection, alert_id, command)
        self.committed(happened)
        return transition

    def _root_keys(
        self, connection: Connection, alert_id: str, command: Command
    ) -> tuple[str, ...]:
        """What may still explain an alert whose time behind a root is over."""
        if command != Fire(TimerKind.RELEASE):
            return ()
        alerts = schema.alerts.c
        row = connection.execute(
            select(alerts.kind, alerts.camera, alerts.dedup_key).where(alerts.id == alert_id)
        ).first()
        if row is None:
            return ()
        return root_keys(roots_of(self._site), EventKind(row.kind), row.camera, row.dedup_key)
