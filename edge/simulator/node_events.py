"""Makes the events a simulated node reports: plausible kinds, sizes and plates, no pictures."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from functools import lru_cache

from config.event import Character, Event, EventKind, FaceShot, PlateReading, Severity
from config.ids import uuid7

_KINDS = (EventKind.PLATE, EventKind.MOTION, EventKind.FACE)
_WEIGHTS = (45, 40, 15)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def make_event(
    chance: random.Random, *, node: str, camera: str, now: datetime, thumbnail_bytes: int = 0
) -> Event:
    """One event seen at ``now``; its thumbnail is noise of that size, at most 20,000 bytes."""
    kind = chance.choices(_KINDS, _WEIGHTS)[0]
    left, top = round(chance.random() * 0.8, 4), round(chance.random() * 0.8, 4)
    return Event(
        id=uuid7(now),
        visit=uuid7(now),
        node=node,
        camera=camera,
        kind=kind,
        severity=Severity.INFO,
        started_at=now - timedelta(seconds=chance.uniform(0.5, 6.0)),
        captured_at=now,
        box=(left, top, 0.1, 0.15),
        path=tuple((left, round(top * step / 8, 4)) for step in range(8)),
        plate=_plate(chance.randrange(2_000)) if kind is EventKind.PLATE else None,
        face=FaceShot(quality=0.7, height_px=88) if kind is EventKind.FACE else None,
        thumbnail=chance.randbytes(thumbnail_bytes) if thumbnail_bytes else None,
    )


@lru_cache(maxsize=2_000)
def _plate(number: int) -> PlateReading:
    """One of the county's cars: the same ones come by again and again."""
    chance = random.Random(number)
    text = "京" + "".join(chance.choices(_LETTERS, k=6))
    return PlateReading(
        text=text,
        raw=text,
        confidence=0.93,
        characters=tuple(Character(text=letter, probability=0.97) for letter in text),
        colour="blue",
        plate_kind="blue",
        reads=5,
    )
