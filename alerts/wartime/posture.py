"""What wartime changes of one alert: its roster, its timers, and how many are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from alerts.deciding.routing import ladder
from alerts.life.escalation import PEACETIME, WARTIME, Profile
from alerts.life.ladders import NO_TERMS, HomeTerms, Ladder, Place, Recipient, Rung
from alerts.rosters.duty import NOTHING_ARRANGED, Arrangements, people_on_duty
from config.site import Site

LASTS = timedelta(hours=72)
"""Wartime ends by itself after this; who still needs it switches it on again, two by two."""
ASKED_FOR = timedelta(hours=1)
"""A request that nobody has confirmed by then is void."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order: ``townships`` is empty for the whole county; times in UTC."""

    id: str
    townships: frozenset[str]
    reason: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def state(self, now: datetime) -> str:
        """``asked``, ``active``, ``ended`` (by hand), ``expired`` or ``void`` (unconfirmed)."""
        if self.confirmed_by is None:
            return "asked" if self.ended_at is None and now < self.ends_at else "void"
        if self.ended_at is not None and self.ended_at < self.ends_at:
            return "ended"
        return "active" if now < self.ends_at else "expired"

    def covers(self, township: str | None) -> bool:
        """True when it holds in ``township``; a place without one is the whole county's."""
        return not self.townships or township in self.townships


@dataclass(frozen=True)
class Posture:
    """Peace or war for every place of a site, as of one moment."""

    site: Site
    orders: tuple[Order, ...] = ()

    def order(self, place: Place) -> Order | None:
        """The order that holds at ``place``; None in peace."""
        if not self.orders:
            return None
        grid = self.site.grid(place.grid) if place.grid is not None else None
        township = grid.township if grid is not None else None
        return next((order for order in self.orders if order.covers(township)), None)

    def profile(self, place: Place) -> Profile:
        """How long each state may last there."""
        return PEACETIME if self.order(place) is None else WARTIME

    def ladder(
        self,
        place: Place,
        now: datetime,
        arranged: Arrangements = NOTHING_ARRANGED,
        *,
        rule: str | None = None,
        terms: HomeTerms = NO_TERMS,
    ) -> Ladder:
        """Whom to tell there, rung by rung (see :func:`alerts.deciding.routing.ladder`).

        In wartime a grid's wartime roster replaces its own, the whole shift is told instead of
        its first, and each rung takes in the next. The ladder of a home stays what it is in
        peace: who learns of a household does not widen.
        """
        if self.order(place) is None or place.is_home:
            return ladder(self.site, place, now, arranged, rule=rule, terms=terms)
        site = self.site.in_wartime
        peace = ladder(site, place, now, arranged, rule=rule, terms=terms)
        shift = people_on_duty(site, place.grid, now, arranged) if place.grid is not None else ()
        return widened(peace, shift)


def widened(peace: Ladder, shift: Iterable[str]) -> Ladder:
    """Each rung with those of the next one, and the first with the whole ``shift``."""
    first, *above = peace.rungs
    if first.recipients:
        told = {person.person for person in first.recipients}
        also = [_on_shift(name) for name in shift if name not in told]
        named = {person.person for person in also}
        others = tuple(other for other in first.others if other.person not in named)
        first = replace(first, recipients=(*first.recipients, *also), others=others)
    joined = [_join(rung, next_one) for rung, next_one in pairwise((first, *above))]
    return replace(peace, rungs=(*joined, peace.rungs[-1]) if above else (first,))


def _join(rung: Rung, above: Rung) -> Rung:
    seen: dict[str, Recipient] = {}
    for person in (*rung.recipients, *map(_now_too, above.recipients)):
        seen.setdefault(person.person, person)
    return replace(rung, recipients=tuple(seen.values()))


def _on_shift(name: str) -> Recipient:
    return Recipient(name, "战时同班人员一并通知", "on the shift: all of it is told in wartime")


def _now_too(person: Recipient) -> Recipient:
    return replace(
        person,
        reason_zh=f"战时同时通知：{person.reason_zh}",
        reason_en=f"told at once in wartime: {person.reason_en}",
    )
