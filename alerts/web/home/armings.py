"""Armings: stores what a home's owner chose: mode by hand, and the weekly schedule."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from alerts.arming import Arming, Mode, Turn
from alerts.choices import arming_of
from alerts.choices_schema import arming
from config.clock import Clock
from ingest.engine import reading, writing


class Armings:
    """The choices of one county's home owners; the router heeds them from the next event on."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, camera: str) -> Arming:
        """The choice for a camera; the default one alerts on everything."""
        with reading(self._engine) as connection:
            row = connection.execute(select(arming).where(arming.c.camera == camera)).one_or_none()
        return Arming() if row is None else arming_of(row)

    def choose(self, camera: str, mode: Mode | None, *, until: datetime | None, by: str) -> None:
        """Choose a mode by hand; None goes back to the schedule."""
        kept = self.of(camera).schedule
        self._store(camera, Arming(mode=mode, until=until, schedule=kept), by)

    def schedule(self, camera: str, turns: tuple[Turn, ...], *, by: str) -> None:
        """Replace the schedule; a mode chosen by hand stays.

        Raises:
            pydantic.ValidationError: there are more turns than a week can hold.
        """
        kept = self.of(camera)
        self._store(camera, Arming(mode=kept.mode, until=kept.until, schedule=turns), by)

    def _store(self, camera: str, choice: Arming, by: str) -> None:
        schedule = json.dumps([turn.model_dump(mode="json") for turn in choice.schedule])
        row: dict[str, Any] = {
            "camera": camera,
            "mode": choice.mode and str(choice.mode),
            "until": choice.until,
            "schedule": schedule,
            "changed_by": by,
            "changed_at": self._clock.now(),
        }
        with writing(self._engine) as connection:
            connection.execute(delete(arming).where(arming.c.camera == camera))
            connection.execute(insert(arming).values(row))
