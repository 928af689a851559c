"""What one transaction of the router must know of causes, and the SQL that finds the alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from alerts.inhibition.roots import LATE, Roots
from alerts.life.state import LIVE, State
from alerts.store.schema import alerts
from config.event import Event, EventKind

EXPLAINING = LIVE | {State.SUPPRESSED}
"""A root that is itself hidden, behind a wider one or a silence, explains what it explains."""


@dataclass(frozen=True, slots=True)
class Causes:
    """``roots`` would explain events of the batch; ``behind`` are explained by events of it.

    ``keys`` are de-duplication keys of health events, which may be roots that end.
    """

    roots: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()

    def condition(self, since: datetime) -> ColumnElement[bool] | None:
        """Alerts to load and lock besides those of the events themselves; None for none."""
        column = alerts.c
        hidden = column.state == str(State.SUPPRESSED)
        parts: list[ColumnElement[bool]] = []
        if self.roots:
            explaining = [str(state) for state in EXPLAINING]
            parts.append(and_(column.dedup_key.in_(self.roots), column.state.in_(explaining)))
        if self.behind:
            unanswered = column.state.in_([str(State.OPEN), str(State.SUPPRESSED)])
            of_these = and_(column.kind == str(EventKind.HEALTH), column.camera.in_(self.behind))
            parts.append(and_(of_these, unanswered, column.opened_at >= since - LATE))
        if self.keys:
            parent = alerts.alias("parent")
            ending = select(parent.c.id).where(parent.c.dedup_key.in_(self.keys))
            parts.append(and_(hidden, column.parent.in_(ending)))
        return or_(*parts) if parts else None


def causes_of(roots: Roots, batch: Sequence[Event], key_of: Mapping[str, str]) -> Causes:
    """What must be known about a batch; ``key_of`` maps event ids to de-duplication keys."""
    health = [event for event in batch if event.kind is EventKind.HEALTH]
    return Causes(
        roots=frozenset(key for event in health for key in roots.explain(event)),
        behind=frozenset(name for event in health for name in roots.explained(event)),
        keys=frozenset(key_of[event.id] for event in health),
    )
