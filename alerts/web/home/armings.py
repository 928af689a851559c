"""Armings: stores what a home's owner chose: mode by hand, silence for a while, and the plan."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from alerts.arming import Arming, Mode, Turn
from alerts.choices import arming_of
from alerts.store.choices_schema import arming
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

    def choose(self, camera: str, mode: Mode | None, *, by: str) -> None:
        """Choose a mode by hand, until it is changed; None goes back to the schedule."""
        self._change(camera, {"mode": mode, "until": None}, by)

    def snooze(self, camera: str, until: datetime | None, *, by: str) -> None:
        """Silence until then, whatever mode holds; None ends it."""
        self._change(camera, {"snoozed_until": until}, by)

    def schedule(self, camera: str, turns: tuple[Turn, ...], *, by: str) -> None:
        """Replace the schedule; a mode chosen by hand stays.

        Raises:
            pydantic.ValidationError: there are more turns than a week can hold.
        """
        self._change(camera, {"schedule": turns}, by)

    def _change(self, camera: str, changes: dict[str, Any], by: str) -> None:
        """Change some of it; the row is locked meanwhile, so that two taps both count."""
        with writing(self._engine) as connection:
            row = connection.execute(
                select(arming).where(arming.c.camera == camera).with_for_update()
            ).one_or_none()
            kept = Arming() if row is None else arming_of(row)
            choice = Arming.model_validate({**dict(kept), **changes})
            connection.execute(delete(arming).where(arming.c.camera == camera))
            connection.execute(insert(arming).values(self._row(camera, choice, by)))

    def _row(self, camera: str, choice: Arming, by: str) -> dict[str, Any]:
        schedule = json.dumps([turn.model_dump(mode="json") for turn in choice.schedule])
        return {
            "camera": camera,
            "mode": choice.mode and str(choice.mode),
            "until": choice.until,
            "schedule": schedule,
            "snoozed_until": choice.snoozed_until,
            "changed_by": by,
            "changed_at": self._clock.now(),
        }
