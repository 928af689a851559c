"""Looks for silence that must not be: alerts nobody will hear of again, and stuck work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, func, or_, select

from alerts.auditing.audit import AuditLog, Head
from alerts.auditing.findings import AUDIT_LOG, CENTRE, duty_subject
from alerts.life.escalation import RAREST
from alerts.life.state import LIVE, State
from alerts.rosters.arranged import load_arrangements
from alerts.rosters.duty import gaps
from alerts.rosters.schema import duty_notes
from alerts.store import schema
from alerts.store.choices_schema import home_consents, owner_calls
from alerts.store.quiet_schema import digests
from config.clock import Clock, local_text
from config.legal_class import LegalClass
from config.site import Site
from ingest.engine import reading
from ingest.schema import routing_queue

OVERDUE = timedelta(seconds=60)
"""Longer than this past its time, a timer, an event or a delivery is stuck."""
LOOK_AHEAD = timedelta(hours=24)
UNHEARD = timedelta(hours=1)
"""After this an alert that only its own home may answer is counted as unheard."""
Condition = Literal[
    "nobody_on_duty", "no_next_step", "work_stuck", "node_silent", "power_cut", "audit_broken"
]


@dataclass(frozen=True, slots=True)
class Silence:
    """One thing found: ``about`` names the alert or grid, ``problem`` says what is wrong.

    ``subject`` and ``condition`` are those of the event that tells people of it.
    """

    about: str
    problem: str
    subject: str
    condition: Condition


class Auditor:
    """Checks one database and its site; changes nothing."""

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._log = AuditLog(engine, clock)
        self._log_end: Head | None = None

    def run(self) -> list[Silence]:
        """Everything wrong at this moment; an empty list is the promise kept."""
        return [
            *self._no_timer(),
            *self._too_rare(),
            *self._orphans(),
            *self._stuck(),
            *self._empty_duty(),
            *self._broken_log(),
        ]

    def _no_timer(self) -> list[Silence]:
        alerts, timers = schema.alerts, schema.timers
        live = [str(state) for state in LIVE]
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(alerts.c.id, alerts.c.state)
                .outerjoin(timers, timers.c.alert_id == alerts.c.id)
                .where(alerts.c.state.in_(live), timers.c.alert_id.is_(None))
                .order_by(alerts.c.opened_at)
            ).all()
        return [
            Silence(
                f"alert {row.id}",
                f"is {row.state} but no timer is armed: nobody will be told",
                CENTRE,
                "no_next_step",
            )
            for row in rows
        ]

    def _too_rare(self) -> list[Silence]:
        """Open alerts whose next step lies farther ahead than even the rarest repetition."""
        alerts, timers = schema.alerts.c, schema.timers.c
        now = self._clock.now()
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(alerts.id, alerts.escalate_after_s, timers.due_at)
                .join(schema.timers, timers.alert_id == alerts.id)
                .where(alerts.state == str(State.OPEN), timers.due_at > now + RAREST)
                .order_by(alerts.opened_at)
            ).all()
        problem = "is open, but its next step lies too far ahead: nobody will be told until then"
        return [
            Silence(f"alert {row.id}", problem, CENTRE, "no_next_step")
            for row in rows
            if row.due_at > now + timedelta(seconds=row.escalate_after_s)
        ]

    def _orphans(self) -> list[Silence]:
        """Hidden alerts that nothing hides any more and no timer opens."""
        alerts, timers = schema.alerts, schema.timers
        parent = alerts.alias("parent")
        rows = (
            select(alerts.c.id)
            .outerjoin(timers, timers.c.alert_id == alerts.c.id)
            .outerjoin(parent, parent.c.id == alerts.c.parent)
            .where(alerts.c.state == str(State.SUPPRESSED), timers.c.alert_id.is_(None))
            .where(or_(parent.c.id.is_(None), parent.c.state == str(State.CLOSED)))
        )
        with reading(self._engine) as connection:
            ids = list(connection.execute(rows.order_by(alerts.c.opened_at)).scalars())
        problem = "is hidden, but what hid it has ended: nobody will be told"
        return [Silence(f"alert {name}", problem, CENTRE, "no_next_step") for name in ids]

    def _stuck(self) -> list[Silence]:
        late = self._clock.now() - OVERDUE
        timers, sent = schema.timers, schema.deliveries
        checks = (
            (timers.c.due_at, "timers are overdue: is the timer loop running?"),
            (sent.c.next_attempt_at, "deliveries are overdue: is the dispatcher running?"),
            (sent.c.fall_over_at, "next ways are overdue: is the part `reach` running?"),
            (digests.c.due_at, "digests are overdue: is the part `digests` running?"),
            (
                duty_notes.c.next_attempt_at,
                "notes about duty are overdue: is `duty-notes` running?",
            ),
            (routing_queue.c.enqueued_at, "events wait for a decision: is a router running?"),
        )
        found = []
        with reading(self._engine) as connection:
            for column, problem in checks:
                waits = select(func.count()).where(column <= late)
                if column is digests.c.due_at:
                    waits = waits.where(digests.c.sent_at.is_(None))
                count = connection.execute(waits).scalar_one()
                if count:
                    found.append(Silence("centre", f"{count} {problem}", CENTRE, "work_stuck"))
        return found

    def _empty_duty(self) -> list[Silence]:
        """Grids whose duty has a hole within a day, after swaps and leave."""
        now = self._clock.now()
        zone = ZoneInfo(self._site.county.zone)
        with reading(self._engine) as connection:
            arranged = load_arrangements(connection, now)
        found = []
        for grid in self._site.grids:
            # Looked at twice as far, so that the end of the hole is its own and not our look's.
            holes = gaps(self._site, grid.id, now, now + 2 * LOOK_AHEAD, arranged)
            if holes and holes[0][0] < now + LOOK_AHEAD:
                start, end = (local_text(moment, zone) for moment in holes[0])
                later = " or later" if holes[0][1] >= now + 2 * LOOK_AHEAD else ""
                problem = f"nobody is on duty from {start} to {end}{later}"
                subject = duty_subject(grid.id)
                found.append(Silence(f"grid {grid.id}", problem, subject, "nobody_on_duty"))
        return found

    def _broken_log(self) -> list[Silence]:
        """The audit log since the last look: its old end is there, and what follows fits."""
        if self._log_end is None:
            self._log_end = self._log.head()
        found = self._log.verify_from(self._log_end)
        if isinstance(found, Head):
            self._log_end = found
            return []
        problem = f"row {found.seq} {found.problem}: run `menshen audit verify`"
        return [Silence("audit log", problem, AUDIT_LOG, "audit_broken")]


def unheard_homes(engine: Engine, now: datetime) -> int:
    """Homes' alerts unanswered for an hour whose owners let nobody else be told.

    They repeat, so they are no silence, and no finding: that would tell others of them.
    """
    alerts, consent = schema.alerts.c, home_consents.c
    agreed = select(consent.owner).where(consent.owner == alerts.owner, consent.agreed)
    called = select(owner_calls.c.alert_id).where(owner_calls.c.alert_id == alerts.id)
    waiting = (
        select(func.count())
        .select_from(schema.alerts)
        .where(alerts.state == str(State.OPEN), alerts.legal_class == str(LegalClass.HOME))
        .where(alerts.opened_at <= now - UNHEARD)
        .where(~agreed.exists(), ~called.exists())
    )
    with reading(engine) as connection:
        return int(connection.execute(waiting).scalar_one())
