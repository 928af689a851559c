"""Does an event become an alert: the first matching rule of the site answers, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from functools import cached_property
from zoneinfo import ZoneInfo

from config.event import Event, EventKind, Severity
from config.site import Camera, Rule, Site

DEFAULT_RULES = (
    Rule(id="default-ignore-motion", kinds=(EventKind.MOTION,), action="ignore"),
    Rule(id="default-alert"),
)
"""What holds when a site has no rules, and after its last rule: everything but motion alerts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one event.

    ``severity`` is the louder of the event's own and the rule's. ``passed_over`` names each
    earlier rule with the matcher that did not fit.
    """

    rule_id: str
    is_alert: bool
    severity: Severity
    escalate_after_s: int
    dedup_window_s: int
    passed_over: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RuleBook:
    """The rules of one site, ready to be asked."""

    site: Site

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The site's rules and then the default ones, so that some rule always answers."""
        return (*self.site.rules, *DEFAULT_RULES)

    def judge(self, event: Event, now: datetime) -> Verdict:
        """The verdict of the first rule that matches ``event`` at ``now`` (timezone-aware)."""
        camera = self.site.camera(event.camera)
        local = now.astimezone(ZoneInfo(self.site.county.zone)).time()
        passed_over: list[tuple[str, str]] = []
        for rule in self.rules:
            reason = mismatch(rule, event, camera, local)
            if reason is None:
                return _verdict(rule, event, tuple(passed_over))
            passed_over.append((rule.id, reason))
        raise AssertionError("the last default rule matches every event")


def mismatch(rule: Rule, event: Event, camera: Camera | None, local: time) -> str | None:
    """The first matcher of ``rule`` that does not fit, in words; None when all fit.

    ``camera`` is None when the site does not know it: then rules that ask for grids or legal
    classes do not match.
    """
    grid = camera.grid if camera is not None else None
    legal_class = camera.legal_class if camera is not None else None
    if rule.kinds and event.kind not in rule.kinds:
        return f"kind is {event.kind}, not one of {', '.join(rule.kinds)}"
    if rule.cameras and event.camera not in rule.cameras:
        return f"camera is {event.camera}, not one of {', '.join(rule.cameras)}"
    if rule.grids and grid not in rule.grids:
        return f"grid is {grid or 'unknown'}, not one of {', '.join(rule.grids)}"
    if rule.legal_classes and legal_class not in rule.legal_classes:
        wanted = ", ".join(rule.legal_classes)
        return f"legal class is {legal_class or 'unknown'}, not one of {wanted}"
    if rule.plates and not _plate_fits(rule.plates, event):
        return "the plate is not one of the rule's"
    if not within(local, rule.after, rule.before):
        start = f"{rule.after:%H:%M}" if rule.after else "00:00"
        end = f"{rule.before:%H:%M}" if rule.before else "24:00"
        return f"local time {local:%H:%M} is outside {start} to {end}"
    return None


def within(local: time, after: time | None, before: time | None) -> bool:
    """True when ``local`` lies in [after, before); past midnight when before <= after."""
    if after is None or before is None:
        return (after is None or local >= after) and (before is None or local < before)
    if after < before:
        return after <= local < before
    return local >= after or local < before


def plate_matches(pattern: str, text: str) -> bool:
    """True when ``text`` is ``pattern``, in which ``*`` stands for any characters, also none."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    if not text.startswith(first):
        return False
    position = len(first)
    *middle, last = rest
    for part in middle:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(text) - position >= len(last) and text.endswith(last)


def _plate_fits(patterns: tuple[str, ...], event: Event) -> bool:
    text = event.plate.text if event.plate is not None else None
    return text is not None and any(plate_matches(pattern, text) for pattern in patterns)


def _verdict(rule: Rule, event: Event, passed_over: tuple[tuple[str, str], ...]) -> Verdict:
    return Verdict(
        rule_id=rule.id,
        is_alert=rule.action == "alert",
        severity=max(event.severity, rule.severity, key=lambda severity: severity.rank),
        escalate_after_s=rule.escalate_after_s,
        dedup_window_s=rule.dedup_window_s,
        passed_over=passed_over,
    )
