"""Does an event become an alert: the first matching rule of each level answers, with its path."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from config.event import Event, Severity
from config.routes import DEFAULT_RULES, Route, Rule, Window
from config.site import Camera, Grid, Site


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one event.

    ``severity`` is the louder of the event's own and the rule's. ``passed_over`` names each
    rule that was asked before and the matcher that did not fit.
    """

    rule_id: str
    is_alert: bool
    severity: Severity
    escalate_after_s: int
    dedup_window_s: int
    passed_over: tuple[tuple[str, str], ...]
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the matchers look at: the event, where it happened, and when in local time.

    ``camera`` and ``grid`` are None when the site does not know the camera: then rules that
    ask for grids, townships or legal classes do not match.
    """

    event: Event
    camera: Camera | None
    grid: Grid | None
    local: datetime
    site: Site


@dataclass(frozen=True)
class RuleBook:
    """The rules of one site, ready to be asked."""

    site: Site

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The site's rules and then the default ones, so that some rule always answers."""
        return (*self.site.rules, *DEFAULT_RULES)

    def judge(self, event: Event, now: datetime) -> Verdict:
        """The verdict of the tree on ``event`` at ``now`` (timezone-aware)."""
        camera = self.site.camera(event.camera)
        grid = self.site.grid(camera.grid) if camera is not None else None
        sight = Sight(event, camera, grid, now.astimezone(self.site.duty.zone), self.site)
        passed_over: list[tuple[str, str]] = []
        rule = _first(self.rules, sight, passed_over)
        if rule is None:
            raise AssertionError("the last default rule matches every event")
        while (inner := _first(rule.rules, sight, passed_over)) is not None:
            rule = inner
        return _verdict(self.site.routes[rule.id], event, tuple(passed_over))


def route_of(site: Site, rule_id: str | None) -> Route:
    """The route of a rule; that of the root for a rule that the site has no more, or for None."""
    return site.routes.get(rule_id or "", site.routes[DEFAULT_RULES[-1].id])


def mismatch(rule: Rule, sight: Sight) -> str | None:
    """The first matcher of ``rule`` that does not fit, in words; None when all fit."""
    event, camera, grid = sight.event, sight.camera, sight.grid
    checks: tuple[tuple[str, Collection[str], str | None], ...] = (
        ("kind", rule.kinds, event.kind),
        ("severity", rule.severities, event.severity),
        ("camera", rule.cameras, event.camera),
        ("grid", rule.grids, grid.id if grid is not None else None),
        ("township", rule.townships, grid.township if grid is not None else None),
        ("legal class", rule.legal_classes, camera.legal_class if camera is not None else None),
        ("zone", rule.zones, event.zone),
    )
    for what, wanted, found in checks:
        if wanted and found not in wanted:
            return f"{what} is {found or 'unknown'}, not one of {', '.join(wanted)}"
    if rule.plates and not _plate_fits(rule.plates, event):
        return "the plate is not one of the rule's"
    return _wrong_time(rule, sight)


def in_window(window: Window, local: datetime, site: Site) -> bool:
    """True when ``local`` lies in the window; past midnight when it ends at or before its start.

    A window past midnight belongs to the day on which it began.
    """
    clock, today = local.time(), local.date()
    if window.after < window.before:
        return window.after <= clock < window.before and _day_fits(window, today, site)
    if clock >= window.after and _day_fits(window, today, site):
        return True
    return clock < window.before and _day_fits(window, today - timedelta(days=1), site)


def plate_matches(pattern: str, text: str) -> bool:
    """True when ``text`` is ``pattern``: ``*`` is any characters, also none; ``?`` is one.

    Walks both once and goes back to the last ``*`` only, so no pattern takes long.
    """
    at, star, resume = 0, -1, 0
    place = 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return set(pattern[at:]) <= {"*"}


def _first(rules: Iterable[Rule], sight: Sight, passed_over: list[tuple[str, str]]) -> Rule | None:
    for rule in rules:
        reason = mismatch(rule, sight)
        if reason is None:
            return rule
        passed_over.append((rule.id, reason))
    return None


def _wrong_time(rule: Rule, sight: Sight) -> str | None:
    midnight = Window().after
    windows = list(rule.windows)
    if rule.days or rule.after is not None or rule.before is not None:
        own = Window(days=rule.days, after=rule.after or midnight, before=rule.before or midnight)
        if not in_window(own, sight.local, sight.site):
            return f"local time {sight.local:%a %H:%M} is outside {_window_text(own)}"
    if windows and not any(in_window(one, sight.local, sight.site) for one in windows):
        spans = "; ".join(_window_text(one) for one in windows)
        return f"local time {sight.local:%a %H:%M} is outside {spans}"
    return None


def _window_text(window: Window) -> str:
    days = f"{', '.join(window.days)} " if window.days else ""
    end = f"{window.before:%H:%M}" if window.before != Window().before else "24:00"
    return f"{days}{window.after:%H:%M} to {end}"


def _day_fits(window: Window, day: date, site: Site) -> bool:
    return not window.days or site.calendar.fits(window.days, day)


def _plate_fits(patterns: tuple[str, ...], event: Event) -> bool:
    text = event.plate.text if event.plate is not None else None
    return text is not None and any(plate_matches(pattern, text) for pattern in patterns)


def _verdict(route: Route, event: Event, passed_over: tuple[tuple[str, str], ...]) -> Verdict:
    return Verdict(
        rule_id=route.id,
        is_alert=route.is_alert,
        severity=max(event.severity, route.severity, key=lambda severity: severity.rank),
        escalate_after_s=route.escalate_after_s,
        dedup_window_s=route.dedup_window_s,
        passed_over=passed_over,
        path=route.path,
    )
