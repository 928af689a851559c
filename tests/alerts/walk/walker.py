"""One random walk: events, people, timers and two routers, compared with the model each step."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from sqlalchemy import Engine, func, select

from alerts.auditing.audit import AuditLog
from alerts.deciding.router import Router
from alerts.life.state import Outcome
from alerts.seeing.service import AlertConflict
from alerts.silences.matching import Matchers
from alerts.store import schema
from alerts.store.work import Work
from alerts.timers import Timers
from config.clock import FakeClock
from config.errors import UserError
from config.event import Event, Severity
from config.site import Site
from ingest.schema import routing_queue
from tests.alerts.county import DAY, County
from tests.alerts.walk.model import Model, Refusal, Thing

PEOPLE = ("wang-fang", "police-desk")
TROUBLE = (
    ("east-gate-in", "offline"),
    ("east-gate-out", "black"),
    ("lixiang-road", "offline"),
    ("node-east", "node_silent"),
)
plates = st.sampled_from(["冀A00001", "冀A00002"])
cameras = st.sampled_from(["east-gate-in", "lixiang-road"])
severities = st.sampled_from([Severity.INFO, Severity.INFO, Severity.WARNING, Severity.CRITICAL])
trouble = st.sampled_from(TROUBLE)


_alerts, _timers = schema.alerts.c, schema.timers.c
# Only what is compared: reading all 33 columns of each alert took longer than comparing them.
ROWS = select(
    _alerts.id, _alerts.dedup_key, _alerts.state, _alerts.severity, _alerts.sightings,
    _alerts.acked_by, _alerts.outcome, _alerts.parent,
    _timers.kind.label("timer"), _timers.due_at,
).outerjoin(schema.timers, _timers.alert_id == _alerts.id)  # fmt: skip


def shape(row: Any, parents: Mapping[str, object]) -> tuple[object, ...]:
    """What :meth:`alerts.walk.model.Thing.shape` says of the same alert."""
    hidden = parents[row.parent] if row.state == "suppressed" else None
    timer = (row.timer, row.due_at) if row.timer is not None else None
    return (
        row.dedup_key, row.state, row.severity, row.sightings, row.acked_by, row.outcome, hidden,
        timer,
    )  # fmt: skip


def together(loops: Sequence[Router] | Sequence[Timers]) -> None:
    """Run them side by side until none finds work; what one raises, the test raises."""
    raised: list[Exception] = []

    def work(loop: Router | Timers) -> None:
        try:
            while loop.run_once():
                pass
        except Exception as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=work, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


class Killed(BaseException):
    """The router's process ends here."""


class Walk(RuleBasedStateMachine):
    """``new_engine`` gives an empty, migrated database."""

    new_engine: Callable[[], Engine]
    site: Site
    walked = 0

    @initialize()
    def begin(self) -> None:
        self.county = County(type(self).new_engine(), type(self).site, FakeClock(DAY))
        self.clock: FakeClock = self.county.clock
        self.model = Model(self.clock.now())
        self.visits: list[tuple[Event, str]] = []
        self.seen: list[Event] = []
        self.silences: dict[int, str] = {}
        self.numbers: dict[str, int] = {}
        self.order: str | None = None
        engine, site = self.county.engine, self.county.site
        self.routers = [Router(engine, site, self.clock, store=self.county.store) for _ in range(2)]
        self.timers = [Timers(engine, self.clock, store=self.county.store) for _ in range(2)]

    # -- events ----------------------------------------------------------------------------------

    @rule(text=plates, camera=cameras, severity=severities)
    def a_car_passes(self, text: str, camera: str, severity: Severity) -> None:
        self._tick()
        event = self.county.plate(text, camera=camera).model_copy(update={"severity": severity})
        self._arrive(event)
        self.visits.append((event, text))
        self.model.plate(text, camera, severity, event.visit)
        self._route()

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), severity=severities)
    def a_visit_is_revised(self, data: st.DataObject, severity: Severity) -> None:
        first, text = data.draw(st.sampled_from(self.visits[-4:]))
        event = self.county.plate(text, camera=first.camera, visit=first)
        event = event.model_copy(update={"severity": severity})
        self._arrive(event)
        self.model.plate(text, first.camera, severity, first.visit)
        self._route()

    @rule(what=trouble, severity=severities, active=st.booleans())
    def trouble(self, what: tuple[str, str], severity: Severity, active: bool) -> None:
        camera, condition = what
        self._tick()
        event = self.county.health(
            active=active, severity=severity, camera=camera, condition=condition
        )
        self._arrive(event)
        self.model.health(camera, condition, severity, active=active)
        self._route()

    @rule(
        order=st.permutations(range(3)),
        severity=severities,
        dies=st.sampled_from(["nobody", "before", "after"]),
    )
    def two_routers_at_once(self, order: list[int], severity: Severity, dies: str) -> None:
        """Things that have nothing to do with each other arrive together; one router may die."""
        self._tick()
        makers = [
            lambda: self._plate_of("冀B00001", "lixiang-road", severity),
            lambda: self._plate_of("冀B00002", "east-gate-out", severity),
            lambda: self._health_of("lixiang-road", "frozen", severity),
        ]
        self._arrive(*[makers[number]() for number in order])
        if dies != "nobody":
            self._die(self.routers[0], dies)
        together(self.routers)
        self._route()

    def _plate_of(self, text: str, camera: str, severity: Severity) -> Event:
        event = self.county.plate(text, camera=camera).model_copy(update={"severity": severity})
        self.model.plate(text, camera, severity, event.visit)
        return event

    def _health_of(self, camera: str, condition: str, severity: Severity) -> Event:
        self.model.health(camera, condition, severity, active=True)
        return self.county.health(
            active=True, severity=severity, camera=camera, condition=condition
        )

    # -- people ----------------------------------------------------------------------------------

    @precondition(lambda self: self.model.things)
    @rule(
        data=st.data(),
        who=st.sampled_from(PEOPLE),
        what=st.sampled_from(
            ["acknowledge", "acknowledge", "arrive", "report", "verify", "whistle", "department",
             "reopen"]
        ),
    )  # fmt: skip
    def somebody_acts(self, data: st.DataObject, who: str, what: str) -> None:
        thing = data.draw(st.sampled_from(self.model.things))
        alert_id = self._ids()[self.model.things.index(thing)]
        expected: type[BaseException] | None = None
        try:
            self._in_model(thing, who, what)
        except Refusal:
            expected = AlertConflict
        try:
            self._in_centre(alert_id, who, what)
        except AlertConflict as conflict:
            assert expected is AlertConflict, conflict
        else:
            assert expected is None, f"{what} was allowed in state {thing.state}"
        self._compare()

    def _in_model(self, thing: Thing, who: str, what: str) -> None:
        deadline = self.clock.now() + timedelta(minutes=30)
        {
            "acknowledge": lambda: self.model.acknowledge(thing, who),
            "arrive": lambda: self.model.arrive(thing, who),
            "report": lambda: self.model.report(thing),
            "verify": lambda: self.model.verify(thing, "resolved"),
            "whistle": lambda: self.model.whistle(thing, deadline),
            "department": lambda: self.model.department(thing),
            "reopen": lambda: self.model.reopen(thing),
        }[what]()

    def _in_centre(self, alert_id: str, who: str, what: str) -> None:
        service, viewer = self.county.service, self.county.viewer("police-desk")
        viewer = type(viewer)(who, viewer.role, viewer.grid)
        deadline = self.clock.now() + timedelta(minutes=30)
        {
            "acknowledge": lambda: service.acknowledge(viewer, alert_id, version=None),
            "arrive": lambda: service.arrive(viewer, alert_id),
            "report": lambda: service.report(viewer, alert_id),
            "verify": lambda: service.close(viewer, alert_id, outcome=Outcome.RESOLVED),
            "whistle": lambda: service.whistle(viewer, alert_id, departments=[("消防", deadline)]),
            "department": lambda: service.department_report(viewer, alert_id, department="消防"),
            "reopen": lambda: service.reopen(viewer, alert_id),
        }[what]()

    @precondition(lambda self: len(self.silences) < 2)
    @rule(minutes=st.integers(1, 600))
    def a_silence_begins(self, minutes: int) -> None:
        self._tick()
        end = self.clock.now() + timedelta(minutes=minutes)
        made = self.county.silences.add(
            self.county.person("police-desk"),
            Matchers(grids=("east-gate",)),
            reason="检修",
            ends_at=end,
        )
        number = self.numbers[made.id] = len(self.numbers)
        self.silences[number] = made.id
        self.model.silence(number, end)
        self._compare()

    @precondition(lambda self: self.silences)
    @rule()
    def a_silence_is_ended(self) -> None:
        number, silence_id = self.silences.popitem()
        try:
            self.county.silences.end(self.county.person("police-desk"), silence_id)
        except UserError:
            assert self.model.silences[number] <= self.clock.now(), "it had ended by itself"
            return
        self.model.unsilence(number)
        self._compare()

    @rule()
    def war_or_peace(self) -> None:
        orders, police = self.county.wartime, self.county.person("police-desk")
        if self.order is None:
            self.order = orders.ask(police, reason="汛情").id
            orders.confirm(self.county.person("town-chengguan"), self.order)
            self.model.is_war = True
        else:
            if orders.posture().orders:
                orders.end(police, self.order)
            self.order, self.model.is_war = None, False
        self._compare()

    # -- time ------------------------------------------------------------------------------------

    @rule(seconds=st.integers(0, 100_000))
    def time_passes(self, seconds: int) -> None:
        self._advance(seconds)

    @rule(seconds=st.integers(1, 400))
    def a_little_time_passes(self, seconds: int) -> None:
        self._advance(seconds)

    @precondition(lambda self: any(thing.timer for thing in self.model.things))
    @rule()
    def the_next_timer_fires(self) -> None:
        due = min(thing.timer[1] for thing in self.model.things if thing.timer)
        self._advance(max(0.0, (due - self.clock.now()).total_seconds()))

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now()
        self.model.is_war = bool(self.county.wartime.posture().orders)
        self.model.fire()
        together(self.timers)
        self._compare()

    # -- comparing -------------------------------------------------------------------------------

    def _arrive(self, *events: Event) -> None:
        self.county.arrive(*events)
        self.seen += events

    def _tick(self) -> None:
        """Ids sort by the millisecond: no two alerts of a key, and no two silences, are of one."""
        self.clock.advance(0.001)
        self.model.now = self.clock.now()

    def _route(self) -> None:
        while self.routers[len(self.seen) % 2].run_once():
            pass
        self._compare()

    def _die(self, router: Router, when: str) -> None:
        """The next transaction of this router never commits: its process was killed."""
        original = Work.flush

        def flush(work: Work) -> None:
            if when == "after":
                original(work)
            raise Killed

        Work.flush = flush  # type: ignore[method-assign]
        try:
            router._route(1)
        except Killed:
            pass
        finally:
            Work.flush = original  # type: ignore[method-assign]

    def _ids(self) -> list[str]:
        """Ids of the model's things: the n-th alert of a key is the n-th thing of it."""
        alerts = schema.alerts.c
        ids: dict[str, list[str]] = {}
        with self.county.engine.connect() as connection:
            for row in connection.execute(select(alerts.id, alerts.dedup_key).order_by(alerts.id)):
                ids.setdefault(row.dedup_key, []).append(row.id)
        return [ids[thing.key].pop(0) for thing in self.model.things]

    def _compare(self) -> None:
        type(self).walked += 1
        with self.county.engine.connect() as connection:
            rows = connection.execute(ROWS).all()
            waiting = connection.execute(select(func.count()).select_from(routing_queue)).scalar()
        parents: dict[str, object] = {row.id: row.dedup_key for row in rows} | self.numbers
        found = Counter(shape(row, parents) for row in rows)
        wanted = Counter(thing.shape() for thing in self.model.things)
        assert not found - wanted, f"in the database only; the model has {wanted - found}"
        assert not wanted - found, "in the model only"
        assert waiting == 0, "an event waits for its decision"

    def teardown(self) -> None:
        if not hasattr(self, "county"):
            return
        engine = self.county.engine
        assert AuditLog(engine, self.clock).verify() is None
        with engine.connect() as connection:
            positions = list(
                connection.execute(
                    select(schema.stream.c.position).order_by(schema.stream.c.position)
                ).scalars()
            )
            links = set(connection.execute(select(schema.alert_events.c.event_id)).scalars())
            decided = set(
                connection.execute(select(schema.decisions.c.event_id).distinct()).scalars()
            )
        assert positions == list(range(1, len(positions) + 1))
        lost = {event.id for event in self.seen} - links - decided
        assert not lost, "an event left no trace"
        engine.dispose()
