"""Asks for, confirms and releases legal holds: who may, and what the audit log says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from alerts.auditing.audit import AuditLog
from alerts.store import schema
from config.clock import Clock
from config.errors import UserError
from config.site import Camera, Person, Role, Site
from ingest.engine import reading
from ingest.letters.bury import Totals, totals
from ingest.retention.holds import Hold, Holds, Scope, held
from ingest.retention.proof import Head, read_head
from ingest.retention.rules import any_due, rules_of
from ingest.retention.schema import doomed_media
from ingest.schema import events, media

MAY_HOLD = frozenset({Role.POLICE, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Status:
    """Where retention stands at one moment."""

    events: int
    due: int
    """Events past their time and not held: the next sweep deletes them."""
    held_beyond: int
    """Events past their time that a hold keeps."""
    files: int
    waiting_files: int
    """Files whose deletion is ordered, and that are still there."""
    chain: Head
    letters: Totals


class HoldDesk:
    """The holds of one county, as people use them.

    Each method raises :class:`config.errors.UserError` when the person may not, or a rule of
    holds is broken.
    """

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._audit = AuditLog(engine, clock)
        self.holds = Holds(engine, clock)

    def ask(
        self, scope: Scope, *, by: str, case_number: str, reason: str, ends_at: datetime
    ) -> Hold:
        """Begin a hold of what the site and the database know."""
        self._holder(by)
        if scope.camera is not None and self._site.camera(scope.camera) is None:
            raise _refused(f"the site has no camera {scope.camera!r}")
        if scope.alert_id is not None and not self._has_alert(scope.alert_id):
            raise _refused(f"there is no alert {scope.alert_id!r}")
        try:
            hold = self.holds.ask(
                scope, owner=by, case_number=case_number, reason=reason, ends_at=ends_at
            )
        except ValueError as error:
            raise _refused(str(error)) from None
        what = f"alert {scope.alert_id}" if scope.alert_id else f"camera {scope.camera}"
        detail = f"case {hold.case_number}; {what}; until {hold.ends_at.isoformat()}"
        self._note(by, "hold-asked", hold.id, detail)
        return hold

    def confirm(self, hold_id: str, *, by: str) -> None:
        """The second person's word."""
        self._holder(by)
        if not self.holds.confirm(hold_id, by):
            raise _refused("this hold is not waiting for a second person, or you asked for it")
        self._note(by, "hold-confirmed", hold_id, "")

    def release(self, hold_id: str, *, by: str, reason: str) -> None:
        """End it before its time."""
        self._holder(by)
        try:
            is_released = self.holds.release(hold_id, by, reason)
        except ValueError as error:
            raise _refused(str(error)) from None
        if not is_released:
            raise _refused("there is no such hold, or it is over")
        self._note(by, "hold-released", hold_id, reason.strip())

    def may_erase(self, person_id: str, camera: Camera) -> None:
        """Erasing early is for the home's owner, police and administrators."""
        if camera.owner != person_id:
            self._holder(person_id)

    def status(self) -> Status:
        """Counts, from the database as it is."""
        now = self._clock.now()
        rules = list(rules_of(self._site).values())
        due, kept = any_due(events, rules, now), held(events, now)
        counts = {
            "events": select(func.count()).select_from(events),
            "due": select(func.count()).select_from(events).where(due, ~kept),
            "held_beyond": select(func.count()).select_from(events).where(due, kept),
            "files": select(func.count()).select_from(media),
            "waiting_files": select(func.count()).select_from(doomed_media),
        }
        with reading(self._engine) as connection:
            found = {
                name: int(connection.execute(count).scalar_one()) for name, count in counts.items()
            }
            chain = read_head(connection)
        return Status(**found, chain=chain, letters=totals(self._engine))

    def _holder(self, person_id: str) -> Person:
        person = self._site.person(person_id)
        if person is None or person.role not in MAY_HOLD:
            raise _refused(f"{person_id!r} is neither police nor administrator in the site file")
        return person

    def _has_alert(self, alert_id: str) -> bool:
        wanted = select(schema.alerts.c.id).where(schema.alerts.c.id == alert_id)
        with reading(self._engine) as connection:
            return connection.execute(wanted).first() is not None

    def _note(self, by: str, action: str, hold_id: str, detail: str) -> None:
        self._audit.append(actor=by, action=action, object=f"hold {hold_id}", detail=detail)


def _refused(problem: str) -> UserError:
    return UserError(
        where="legal hold",
        problem=problem,
        remedy="see `menshen retention holds`; the page 保全 shows them too",
    )
