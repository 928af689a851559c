"""When the events of a camera are due, from the site description; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, FromClause, and_, false, or_

from config.errors import UserError
from config.site import Site

UNKNOWN_DAYS = 30
"""For events of a camera that the site no longer names, and of nodes and the centre itself."""
LATE = timedelta(days=1)
"""What arrives after its time was long on its way: it is decided about, then deleted."""
WRONG_CLOCK = timedelta(days=400)
"""Captured longer before its arrival than this, or after it: the node's clock was wrong, and
the age counts from the arrival."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Why and when the events of one camera go: ``days`` after their capture."""

    camera: str
    days: int
    words: str
    late: timedelta = LATE

    def cutoff(self, now: datetime) -> datetime:
        """What was captured before is due."""
        return now - timedelta(days=self.days)


def rules_of(site: Site) -> dict[str, Rule]:
    """The rule of every camera of the site."""
    found = {}
    for camera in site.cameras:
        bounds = site.retention.of(camera.legal_class)
        words = (
            f"{camera.legal_class}: kept {camera.retention_days} days"
            f" ({bounds.min_days} to {bounds.max_days} allowed)"
        )
        found[camera.id] = Rule(camera.id, camera.retention_days, words)
    return found


def unknown_rule(camera: str) -> Rule:
    """The rule of a camera that the site does not name."""
    return Rule(camera, UNKNOWN_DAYS, f"not in the site description: kept {UNKNOWN_DAYS} days")


def erasure(site: Site, camera: str, before: datetime, now: datetime, by: str) -> Rule:
    """The rule under which somebody asks to delete earlier than ``retention_days``.

    Args:
        before: what was captured before is to go; a whole number of days back, rounded up.

    Raises:
        UserError: the camera is not known, or its class keeps what is asked for.
    """
    known = site.camera(camera)
    if known is None:
        raise UserError(
            where="--camera",
            problem=f"the site has no camera {camera!r}",
            remedy="give a camera's id as the site file has it",
        )
    least = site.retention.of(known.legal_class).min_days
    if before > now - timedelta(days=least):
        raise UserError(
            where=f"camera {camera}",
            problem=f"class {known.legal_class} keeps everything for at least {least} days",
            remedy=f"erase what is older than {least} days",
        )
    days = -((before - now) // timedelta(days=1))
    words = f"erased before its time, asked by {by}"
    return Rule(camera, days, words, late=timedelta(0))


def any_due(table: FromClause, rules: Sequence[Rule], now: datetime) -> ColumnElement[bool]:
    """The condition under which a row of ``table`` is due by the rule of its own camera."""
    conditions = []
    for days, group in groupby(sorted(rules, key=lambda rule: rule.days), lambda rule: rule.days):
        names = [rule.camera for rule in group]
        conditions.append(
            and_(table.c.camera.in_(names), is_due(table, Rule("", days, words=""), now))
        )
    return or_(false(), *conditions)


def is_due(table: FromClause, rule: Rule, now: datetime) -> ColumnElement[bool]:
    """The condition under which a row of ``table`` is old enough; its camera is not asked."""
    captured, received, cutoff = table.c.captured_at, table.c.received_at, rule.cutoff(now)
    return or_(
        and_(captured < cutoff, captured >= now - WRONG_CLOCK, received <= now - rule.late),
        and_(captured < now - WRONG_CLOCK, received < cutoff),
        and_(captured > now, received < cutoff),
    )
