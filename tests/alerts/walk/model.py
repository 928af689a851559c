"""A naive centre: what every alert should be after each thing that happens, written plainly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RANKS = {"info": 0, "notice": 1, "warning": 2, "critical": 3}
LIVE = {"open", "acked", "onsite", "waiting", "done"}
FACTORS = {"step": 1.0, "ack_expiry": 3.0, "onsite_expiry": 12.0, "verify": 12.0}
TIMER_OF = {"open": "step", "acked": "ack_expiry", "onsite": "onsite_expiry", "done": "verify"}
WINDOW = timedelta(seconds=300)
DAY = timedelta(hours=24)
GRACE = timedelta(minutes=3)
LATE = timedelta(minutes=15)
CLIMBS_IN_S = {"plate": 300, "health": 600}
FLOOR = {"plate": "notice", "health": "warning"}
ROOT = "health|node-east||node_silent"
BEHIND = ("east-gate-in", "east-gate-out")
SILENCED_GRID = ("east-gate-in", "east-gate-out", "node-east")


@dataclass
class Thing:
    """One alert as the model has it."""

    key: str
    kind: str
    camera: str
    severity: str
    opened: datetime
    seen: datetime
    state: str = "new"
    sightings: int = 1
    acked_by: str | None = None
    outcome: str | None = None
    closed: datetime | None = None
    parent: object = None
    """The root, or the number of a silence."""
    timer: tuple[str, datetime] | None = None
    back_to: str | None = None
    visits: set[str] = field(default_factory=set)

    def shape(self) -> tuple[object, ...]:
        """What is compared with the row of the database."""
        parent = self.parent.key if isinstance(self.parent, Thing) else self.parent
        hidden = parent if self.state == "suppressed" else None
        return (
            self.key, self.state, self.severity, self.sightings, self.acked_by, self.outcome,
            hidden, self.timer,
        )  # fmt: skip


class Refusal(Exception):  # noqa: N818 - the model's own no
    """The command does not fit."""


class Model:
    """Every rule of the design once more, as one long list of ifs."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.things: list[Thing] = []
        self.silences: dict[int, datetime] = {}
        self.is_war = False

    # -- what arrives ----------------------------------------------------------------------------

    def plate(self, text: str, camera: str, severity: str, visit: str) -> None:
        severity = max(severity, FLOOR["plate"], key=RANKS.__getitem__)
        for thing in self.things:
            if visit in thing.visits:
                self._join(thing, severity, is_revision=True)
                return
        key = f"plate|{camera}||{text}"
        newest = self._newest(key)
        is_same = newest is not None and not self._was_never_heard_of(newest)
        if newest is not None and is_same and self.now - newest.seen < WINDOW:
            newest.visits.add(visit)
            self._join(newest, severity, is_revision=False)
            return
        self._raise(key, "plate", camera, severity).visits.add(visit)

    def health(self, camera: str, condition: str, severity: str, *, active: bool) -> None:
        key = f"health|{camera}||{condition}"
        newest = self._newest_trouble(key)
        goes_on = newest is not None and newest.state in LIVE | {"suppressed"}
        if not active:
            if newest is not None and goes_on:
                self._close(newest, "resolved")
            return
        severity = max(severity, FLOOR["health"], key=RANKS.__getitem__)
        if newest is not None and goes_on:
            self._join(newest, severity, is_revision=False)
        else:
            self._raise(key, "health", camera, severity)

    def _was_never_heard_of(self, thing: Thing) -> bool:
        """Its silence is over, and with it the sighting."""
        if thing.state == "closed":
            return thing.parent is not None
        return thing.timer is not None and thing.timer[0] == "lapse" and thing.timer[1] <= self.now

    def _newest(self, key: str) -> Thing | None:
        same = [thing for thing in self.things if thing.key == key]
        return max(same, key=lambda thing: thing.seen) if same else None

    def _newest_trouble(self, key: str) -> Thing | None:
        """What goes on, even when something newer has ended meanwhile."""
        going_on = [
            thing
            for thing in self.things
            if thing.key == key and thing.state in LIVE | {"suppressed"}
        ]
        return max(going_on, key=lambda thing: thing.seen) if going_on else self._newest(key)

    def _raise(self, key: str, kind: str, camera: str, severity: str) -> Thing:
        thing = Thing(key, kind, camera, severity, self.now, self.now)
        root = self._root_of(thing)
        self.things.append(thing)
        silence = self._silence_of(thing)
        if root is not None:
            thing.state, thing.parent = "suppressed", root
            return thing
        if silence is not None:
            what = "release" if kind == "health" else "lapse"
            thing.state, thing.parent = "suppressed", silence
            thing.timer = (what, self.silences[silence])
        else:
            self._open(thing)
        if key == ROOT:
            for other in self._behind(thing):
                other.state, other.parent, other.timer = "suppressed", thing, None
        return thing

    def _root_of(self, thing: Thing) -> Thing | None:
        if thing.kind != "health" or thing.camera not in BEHIND:
            return None
        root = self._newest_trouble(ROOT)
        if root is None or root.state not in LIVE | {"suppressed"}:
            return None
        return root if RANKS[thing.severity] <= RANKS[root.severity] else None

    def _behind(self, root: Thing) -> Iterator[Thing]:
        for thing in self.things:
            is_theirs = thing.kind == "health" and thing.camera in BEHIND
            is_quiet = RANKS[thing.severity] <= RANKS[root.severity]
            is_recent = self.now - thing.opened <= LATE
            is_open = thing.state == "open" or (
                thing.state == "suppressed" and thing.timer is not None
            )
            if is_theirs and is_quiet and is_recent and is_open:
                yield thing

    def _silence_of(self, thing: Thing) -> int | None:
        if thing.camera not in SILENCED_GRID or thing.severity == "critical":
            return None
        holding = [number for number, end in self.silences.items() if end > self.now]
        return max(holding, key=self.silences.__getitem__) if holding else None

    def _join(self, thing: Thing, severity: str, *, is_revision: bool) -> None:
        if not is_revision:
            thing.seen = self.now
            thing.sightings += 1
        if RANKS[severity] <= RANKS[thing.severity]:
            return
        thing.severity = severity
        if thing.state == "closed" and thing.closed is not None and self.now - thing.closed <= DAY:
            self._fresh(thing)
        elif thing.state == "suppressed" and severity == "critical":
            self._open(thing)

    # -- what people do --------------------------------------------------------------------------

    def acknowledge(self, thing: Thing, by: str) -> None:
        if thing.acked_by == by and thing.state in LIVE:
            return
        self._need(thing, "open")
        thing.acked_by = by
        self._to(thing, "acked")

    def arrive(self, thing: Thing, by: str) -> None:
        if thing.state == "onsite" and thing.acked_by == by:
            return
        self._need(thing, "acked")
        self._to(thing, "onsite")

    def report(self, thing: Thing) -> None:
        self._need(thing, "acked", "onsite")
        self._to(thing, "done")

    def verify(self, thing: Thing, outcome: str) -> None:
        self._need(thing, "done")
        self._close(thing, outcome)

    def whistle(self, thing: Thing, deadline: datetime) -> None:
        self._need(thing, "acked", "onsite")
        thing.back_to = thing.state
        thing.state, thing.timer = "waiting", ("departments", deadline)

    def department(self, thing: Thing) -> None:
        self._need(thing, "waiting")
        state, thing.back_to = thing.back_to, None
        assert state is not None
        self._to(thing, state)

    def reopen(self, thing: Thing) -> None:
        self._need(thing, "closed")
        if thing.closed is None or self.now - thing.closed > DAY:
            raise Refusal
        self._fresh(thing)

    def silence(self, number: int, end: datetime) -> None:
        self.silences[number] = end

    def unsilence(self, number: int) -> None:
        planned = self.silences.pop(number)
        for thing in self.things:
            is_behind = thing.state == "suppressed" and thing.parent == number
            if is_behind and thing.timer is not None and thing.timer[1] >= planned:
                thing.timer = ("release", self.now)

    # -- what time does --------------------------------------------------------------------------

    def fire(self) -> None:
        """Everything that is due, the oldest first, each once."""
        due = [thing for thing in self.things if thing.timer and thing.timer[1] <= self.now]
        for thing in sorted(due, key=lambda thing: thing.timer[1] if thing.timer else self.now):
            what = thing.timer[0] if thing.timer else ""
            if what == "lapse":
                self._close(thing, "no_action")
            elif what == "release":
                root = self._root_of(thing)
                silence = self._silence_of(thing) if isinstance(thing.parent, Thing) else None
                if root is not None:
                    thing.parent, thing.timer = root, None
                elif silence is not None:
                    thing.parent, thing.timer = silence, ("release", self.silences[silence])
                else:
                    self._open(thing)
            elif what == "verify":
                self._to(thing, "done")
            else:
                self._open(thing)

    # -- shared ----------------------------------------------------------------------------------

    def _open(self, thing: Thing) -> None:
        thing.acked_by, thing.back_to, thing.parent = None, None, None
        self._to(thing, "open")

    def _fresh(self, thing: Thing) -> None:
        thing.outcome, thing.closed = None, None
        self._open(thing)

    def _close(self, thing: Thing, outcome: str) -> None:
        thing.state, thing.outcome, thing.closed, thing.timer = "closed", outcome, self.now, None
        for other in self.things:
            if other.state == "suppressed" and other.parent is thing:
                other.timer = ("release", self.now + GRACE)

    def _to(self, thing: Thing, state: str) -> None:
        what = TIMER_OF[state]
        factor = FACTORS[what] * (0.5 if self.is_war and what in ("step", "ack_expiry") else 1.0)
        wait = timedelta(seconds=CLIMBS_IN_S[thing.kind] * factor)
        thing.state, thing.timer = state, (what, self.now + wait)

    def _need(self, thing: Thing, *states: str) -> None:
        if thing.state not in states:
            raise Refusal
