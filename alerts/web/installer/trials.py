"""Trials: a found camera that an installer tries before it is part of the site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, delete, insert, select, update

from alerts.web.schema import camera_trials
from config.clock import Clock
from config.discovery import TrialReport
from config.ids import uuid7
from ingest.engine import reading, writing

PATIENCE = timedelta(seconds=50)
"""A node gives a camera 40 s; after this no answer is taken."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial; ``report`` is None until the node has answered, and then without its picture."""

    id: str
    node: str
    by: str
    report: TrialReport | None
    has_picture: bool


class Trials:
    """Trials that are going on; of what has ended nothing is kept.

    A picture can be taken once and is gone then. What nobody has taken is deleted when the next
    trial begins, at the latest; nothing else of a trial holds what a camera saw.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, node: str, *, by: str) -> str:
        """Its id. Trials that have ended are forgotten."""
        now = self._clock.now()
        trial = uuid7(now)
        with writing(self._engine) as connection:
            old = camera_trials.c.asked_at <= now - PATIENCE
            connection.execute(delete(camera_trials).where(old))
            row = {"id": trial, "node": node, "asked_at": now, "asked_by": by, "body": ""}
            connection.execute(insert(camera_trials).values(row))
        return trial

    def report(self, trial: str, *, node: str, report: TrialReport) -> bool:
        """What came of it; False when nobody waits for that any more, or not from this node."""
        now = self._clock.now()
        change = (
            update(camera_trials)
            .where(camera_trials.c.id == trial, camera_trials.c.node == node)
            .where(camera_trials.c.reported_at.is_(None))
            .where(camera_trials.c.asked_at > now - PATIENCE)
            .values(
                reported_at=now,
                body=report.model_copy(update={"picture": b""}).model_dump_json(),
                picture=report.picture or None,
            )
        )
        with writing(self._engine) as connection:
            return bool(connection.execute(change).rowcount)

    def get(self, trial: str) -> Trial | None:
        """The trial, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(camera_trials).where(camera_trials.c.id == trial)
            ).one_or_none()
        if row is None:
            return None
        report = TrialReport.model_validate_json(row.body) if row.reported_at else None
        return Trial(row.id, row.node, row.asked_by, report, row.picture is not None)

    def forget(self, trial: str) -> None:
        """Delete it."""
        with writing(self._engine) as connection:
            connection.execute(delete(camera_trials).where(camera_trials.c.id == trial))

    def take_picture(self, trial: str, *, by: str) -> bytes | None:
        """The picture, for who asked for the trial and once; the trial is deleted with it."""
        with writing(self._engine) as connection:
            picture = connection.execute(
                select(camera_trials.c.picture).where(
                    camera_trials.c.id == trial, camera_trials.c.asked_by == by
                )
            ).scalar_one_or_none()
            if picture is not None:
                connection.execute(delete(camera_trials).where(camera_trials.c.id == trial))
        return None if picture is None else bytes(picture)
