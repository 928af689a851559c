"""Which way a person is told next outside the pages, and why not the others: a pure choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from config.channel_site import WEBPUSH
from config.event import Severity

LOW = frozenset({Severity.INFO, Severity.NOTICE})
"""Only these keep quiet hours; a warning or worse never does."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Local hours without ringing; that end at or before their start run past midnight."""

    starts: time
    ends: time

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """True when ``moment`` (timezone-aware) lies in them."""
        local = moment.astimezone(zone).time()
        if self.starts < self.ends:
            return self.starts <= local < self.ends
        return local >= self.starts or local < self.ends


@dataclass(frozen=True, slots=True)
class Reachable:
    """How one person may be told: ways in order, and those for which there is an address."""

    order: tuple[str, ...]
    has: frozenset[str]
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A way that is not used, and why."""

    channel: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The way to use now, None when there is none (left); and those passed over for it."""

    channel: str | None
    passed: tuple[Passed, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for everybody: the county's zone, and from which severity a way is used."""

    zone: ZoneInfo
    from_severity: Mapping[str, Severity] = field(default_factory=dict)


def choose(
    person: Reachable,
    *,
    tried: Collection[str],
    severity: Severity,
    now: datetime,
    rules: Rules,
) -> Choice:
    """The first way that was not ``tried``, has an address, and may be used for ``severity``."""
    left = [name for name in person.order if name not in tried]
    quiet = person.quiet if severity in LOW else None
    if quiet is not None and quiet.holds(now, rules.zone):
        hours = f"{quiet.starts:%H:%M}–{quiet.ends:%H:%M}"
        zh = f"本人的安静时段（{hours}），低级别告警只显示在页面上"
        en = f"quiet hours ({hours}): an alert of low severity only stands on the page"
        return Choice(None, tuple(Passed(name, zh, en) for name in left))
    passed: list[Passed] = []
    for name in left:
        reason = _unusable(person, name, severity, rules)
        if reason is None:
            return Choice(name, tuple(passed))
        passed.append(reason)
    return Choice(None, tuple(passed))


def _unusable(person: Reachable, name: str, severity: Severity, rules: Rules) -> Passed | None:
    if name not in person.has:
        return Passed(name, *_NO_ADDRESS.get(name, _NO_OTHER))
    least = rules.from_severity.get(name, Severity.INFO)
    if severity.rank < least.rank:
        zh = f"该渠道只用于 {least} 及以上级别"
        return Passed(name, zh, f"this way is for severity {least} and above")
    return None


_NO_ADDRESS: Mapping[str, tuple[str, str]] = {
    WEBPUSH: ("本人没有开启浏览器推送", "no browser of theirs takes push messages"),
    "email": ("没有登记邮箱，或没有邮件服务器", "no mail address, or no mail server"),
}
_NO_OTHER = ("没有登记电话，或没有该网关的密钥", "no phone number, or no such gateway")
