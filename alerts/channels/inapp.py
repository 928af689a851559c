"""In-app: the alert stream that open pages read; accepted once the change stands in it."""

from __future__ import annotations

from sqlalchemy import Engine, select

from alerts import schema
from alerts.channels.base import Attempt, Notification
from ingest.engine import reading


class InApp:
    """Checks that the stream holds the change; ``delivered`` is set when the page reads it."""

    name = "inapp"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def send(self, notification: Notification) -> Attempt:
        stream = schema.stream
        with reading(self._engine) as connection:
            row = connection.execute(
                select(stream.c.position).where(stream.c.alert_id == notification.alert_id).limit(1)
            ).first()
        if row is None:
            return Attempt("retry", "the alert is not in the stream yet")
        return Attempt("accepted")

    def close(self) -> None:
        """Nothing to let go of."""
