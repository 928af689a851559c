"""Makes events of what the auditor finds, once per finding, so that people are told as of any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import case, select

from alerts.auditing.auditor import Silence
from alerts.auditing.findings import CENTRE
from config.clock import SKEW, Clock
from config.event import Event, EventKind, HealthReport, Severity
from config.ids import uuid7
from config.logs import get_logger
from config.wire import EventBatch, Numbered
from ingest.engine import reading
from ingest.schema import events
from ingest.store import EventStore

Finding = tuple[str, str]
"""Subject and condition."""
_DETAIL_LIMIT = 500

_log = get_logger(__name__)


class Alarm:
    """Tells of findings that have begun and of those that have ended.

    What was told is read back from the stored events, so a restart repeats nothing. Two
    auditors that find the same thing at once store two events, which the router joins.
    """

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._epoch = uuid7(clock.now())
        self._seq = 0

    def tell(self, found: Iterable[Silence]) -> int:
        """Store what is new and what has ended; returns how many events that made."""
        problems: dict[Finding, list[str]] = defaultdict(list)
        for silence in found:
            problem = f"{silence.about}: {silence.problem}"
            problems[silence.subject, silence.condition].append(problem)
        known = self._open_findings()
        fresh = [
            self._event(finding, "; ".join(problems[finding]))
            for finding in problems
            if finding not in known
        ]
        over = [self._event(finding, None) for finding in sorted(known - problems.keys())]
        self._insert([*fresh, *over])
        return len(fresh) + len(over)

    def _open_findings(self) -> set[Finding]:
        """Those whose newest event says that they are there."""
        # What lies ahead was told before the clock was set back, so it is older than the rest.
        is_ahead = events.c.received_at > self._clock.now() + SKEW
        order = case((is_ahead, 0), else_=1), events.c.id
        with reading(self._store.engine) as connection:
            bodies = connection.execute(
                select(events.c.body).where(events.c.node == CENTRE).order_by(*order)
            ).scalars()
            newest: dict[Finding, bool] = {}
            for body in bodies:
                event = Event.model_validate_json(body)
                if event.health is not None:
                    newest[event.camera, event.health.condition] = event.health.active
        return {finding for finding, is_active in newest.items() if is_active}

    def _event(self, finding: Finding, problem: str | None) -> Event:
        """``problem`` is None for the end of a finding."""
        now = self._clock.now()
        own = uuid7(now)
        subject, condition = finding
        if problem is not None:
            _log.warning("silence found", about=subject, problem=problem)
        report = {
            "condition": condition,
            "active": problem is not None,
            "detail": (problem or "")[:_DETAIL_LIMIT],
        }
        return Event(
            id=own,
            visit=own,
            node=CENTRE,
            camera=subject,
            kind=EventKind.HEALTH,
            severity=Severity.WARNING,
            started_at=now,
            captured_at=now,
            health=HealthReport.model_validate(report),
        )

    def _insert(self, new: list[Event]) -> None:
        for event in new:
            self._seq += 1
            numbered = Numbered(seq=self._seq, event=event)
            batch = EventBatch(node=CENTRE, epoch=self._epoch, oldest=1, events=(numbered,))
            self._store.insert(batch)
