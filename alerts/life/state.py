"""The values of an alert's life: its states, its facts, what can be done to it, what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from config.event import Severity


class State(StrEnum):
    """Where an alert is in its life (design, section 5)."""

    NEW = "new"
    SUPPRESSED = "suppressed"
    REVIEW = "review"
    OPEN = "open"
    ACKED = "acked"
    ONSITE = "onsite"
    WAITING = "waiting"
    DONE = "done"
    CLOSED = "closed"


UNANSWERED = frozenset({State.REVIEW, State.OPEN})
LIVE = frozenset({State.REVIEW, State.OPEN, State.ACKED, State.ONSITE, State.WAITING, State.DONE})
"""States in which somebody still owes an answer: each must have an armed timer."""


class Outcome(StrEnum):
    """How an alert ended."""

    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"
    NO_ACTION = "no_action"


class TimerKind(StrEnum):
    """What a timer waits for; there is at most one timer per alert."""

    STEP = "step"
    ACK_EXPIRY = "ack_expiry"
    ONSITE_EXPIRY = "onsite_expiry"
    DEPARTMENTS = "departments"
    VERIFY = "verify"
    REVIEW = "review"
    RELEASE = "release"
    """What hid the alert has gone: it opens, unless its own cause ends first."""
    LAPSE = "lapse"
    """The silence that hid a sighting ends: it is over by then, and closes."""


@dataclass(frozen=True, slots=True)
class Department:
    """A department called by whistle (吹哨), which must report in before ``deadline``."""

    name: str
    deadline: datetime
    reported_by: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """What the state machine knows of an alert; where it happened is the router's business.

    ``cycle`` counts the lives of the alert (a reopening starts the next), ``step`` is the
    0-based rung of the ladder, ``turn`` counts the repetitions of the last rung.
    """

    id: str
    state: State
    severity: Severity
    escalate_after_s: int
    opened_at: datetime
    changed_at: datetime
    seen_at: datetime
    version: int = 0
    cycle: int = 0
    step: int = 0
    turn: int = 0
    sightings: int = 1
    acked_by: str | None = None
    acked_at: datetime | None = None
    departments: tuple[Department, ...] = ()
    back_to: State | None = None
    """Where WAITING returns to when every department has reported."""
    parent: str | None = None
    outcome: Outcome | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """What to arm: ``due_at`` in UTC."""

    kind: TimerKind
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Tell:
    """Whom to notify: everybody on rung ``step`` of the ladder, for the ``turn``-th time."""

    step: int
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rung that was passed over at once, and why."""

    step: int
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Transition:
    """What one command leads to; stored whole in one transaction, or not at all.

    ``timer`` replaces whatever timer the alert had; None leaves it without one. ``action`` and
    ``detail`` are the audit line. ``changed`` is False when the command had already been done
    (a second tap of the same person): nothing is stored.
    """

    alert: Alert
    timer: Timer | None
    action: str
    actor: str
    detail: str = ""
    tell: tuple[Tell, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    changed: bool = True


class Refused(Exception):  # noqa: N818 - an answer of the machine, not a fault of it
    """The command does not fit the alert's state.

    ``reason`` is one of ``taken`` (somebody else answered first), ``stale`` (a timer of an
    earlier version) or ``wrong_state``.
    """

    def __init__(self, reason: str, alert: Alert, problem: str) -> None:
        self.reason = reason
        self.alert = alert
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Open:
    """Tell the first rung."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Hide the alert behind ``parent``: the alert that explains it, or a silence.

    ``timer`` ends it by itself, as a silence has an end; None: the parent must say.
    """

    parent: str
    reason: str
    timer: Timer | None = None


@dataclass(frozen=True, slots=True)
class ParentGone:
    """What hid the alert has ended: it opens after ``grace``, unless it recovers first."""

    grace: timedelta


@dataclass(frozen=True, slots=True)
class Hold:
    """A possible match of a watch list: a person confirms before anyone is sent."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """``by`` says the possible match is one: the alert opens."""

    by: str


@dataclass(frozen=True, slots=True)
class Reject:
    """``by`` says the possible match is none: the alert closes as a false alarm."""

    by: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """``by`` takes it."""

    by: str


@dataclass(frozen=True, slots=True)
class Arrive:
    """``by`` is there."""

    by: str


@dataclass(frozen=True, slots=True)
class Report:
    """``by`` says what was found; from the spot, or from afar ("it is us")."""

    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verify:
    """``by`` closes it with an outcome."""

    by: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Whistle:
    """``by`` calls departments, each with its own deadline."""

    by: str
    departments: tuple[Department, ...]


@dataclass(frozen=True, slots=True)
class DepartmentReport:
    """A department reports in."""

    department: str
    by: str


@dataclass(frozen=True, slots=True)
class Join:
    """New evidence of the same thing; a revision of a visit already counted adds no sighting."""

    severity: Severity
    is_revision: bool = False
    is_unsilenced: bool = False
    """It is louder than its silence hides: hidden, it opens. Critical always does."""


@dataclass(frozen=True, slots=True)
class Recover:
    """The camera or node says that its condition has ended."""


@dataclass(frozen=True, slots=True)
class Reopen:
    """``by`` takes up a closed alert again, within 24 hours."""

    by: str


@dataclass(frozen=True, slots=True)
class Summon:
    """``by`` calls those on rung ``step`` at once, without waiting for the timer."""

    by: str
    step: int


@dataclass(frozen=True, slots=True)
class Fire:
    """The timer of ``kind`` is due."""

    kind: TimerKind


Command = (
    Open | Suppress | ParentGone | Hold | Confirm | Reject | Acknowledge | Arrive
    | Report | Verify | Whistle | DepartmentReport | Join | Recover | Reopen | Summon
    | Fire
)  # fmt: skip
