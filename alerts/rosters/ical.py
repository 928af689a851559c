"""A person's turns of duty as a calendar file (iCalendar, RFC 5545) in the county's time zone."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from icalendar import Calendar, Event

from alerts.rosters.duty import NOTHING_ARRANGED, Arrangements, Duty, turns
from config.site import Grid, Site

MEDIA_TYPE = "text/calendar"
_AROUND = timedelta(days=400)
"""How far beyond the turns the time zone is described."""


def duty_calendar(
    site: Site,
    person_id: str,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    arranged: Arrangements = NOTHING_ARRANGED,
) -> bytes:
    """Every turn in [start, end) on which ``person_id`` stands, swaps and leave counted in.

    UTF-8 text with CRLF, lines folded at 75 octets, and one VTIMEZONE. A turn keeps its UID
    from one export to the next, so that a calendar replaces it instead of doubling it.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Menshen//duty roster//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"值班 {site.county.name}")
    for grid in site.grids:
        for turn in turns(site, grid.id, start, end, arranged):
            if person_id in turn.people:
                calendar.add_component(_event(site, grid, turn, person_id, now))
    calendar.add_missing_timezones(
        first_date=(start - _AROUND).date(),
        last_date=(end + _AROUND).date(),
    )
    text: bytes = calendar.to_ical()
    return text


def _event(site: Site, grid: Grid, turn: Duty, person_id: str, now: datetime) -> Event:
    zone = site.duty.zone
    is_first = turn.people[0] == person_id
    event = Event()
    event.add("uid", _uid(site, grid, turn, person_id))
    event.add("dtstamp", now)
    event.add("dtstart", turn.start.astimezone(zone))
    event.add("dtend", turn.end.astimezone(zone))
    event.add("summary", f"值班 {grid.name}" + ("" if is_first else "（副班）"))
    event.add("location", grid.township)
    others = [site.name_of(other) for other in turn.people if other != person_id]
    event.add("description", f"同班：{'、'.join(others)}" if others else "一人当班")
    event.add("transp", "OPAQUE")
    return event


def _uid(site: Site, grid: Grid, turn: Duty, person_id: str) -> str:
    text = "|".join((site.county.id, grid.id, person_id, turn.start.isoformat()))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}@menshen"
