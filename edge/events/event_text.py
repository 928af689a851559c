"""One event as a line for a person, or as one line of JSON."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from config.clock import COUNTY_ZONE, local_text
from config.event import Event


def event_line(event: Event, zone: ZoneInfo = COUNTY_ZONE) -> str:
    """Local time with its zone, camera, what was seen, and whether it is news of a known visit."""
    when = local_text(event.captured_at, zone)
    state = "" if event.revision == 0 else "  (better)" if event.ended_at is None else "  (left)"
    return f"{when}  {event.camera}  {_what(event)}{state}"


def _what(event: Event) -> str:
    if event.plate is not None:
        plate = event.plate
        kind = plate.plate_kind or "unknown kind"
        return f"plate {plate.text} ({plate.confidence:.0%}, {kind}, {plate.reads} reads)"
    if event.face is not None:
        return f"face ({event.face.height_px} px high, quality {event.face.quality:.0%})"
    if event.health is not None:
        begun = "begins" if event.health.active else "is over"
        detail = f": {event.health.detail}" if event.health.detail else ""
        return f"{event.health.condition} {begun}{detail}"
    if event.zone is not None:
        return f"{event.kind.value} {event.zone}"
    return event.kind.value


def event_json(event: Event) -> str:
    """The event as it travels, without its thumbnail."""
    return event.model_dump_json(exclude={"thumbnail"}, exclude_defaults=True)
