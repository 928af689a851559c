"""A machine-readable line for each event and each change of an alert, as it is committed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from alerts.life.state import State
from alerts.store.work import Happened
from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger, redact_event

if TYPE_CHECKING:
    from alerts.deciding.decider import Routed


_log = get_logger(__name__)


class Journal:
    """Writes JSON lines, flushed one by one; those that cannot be written are lost.

    What it tells of is committed by then, so its trouble is nobody else's: it is logged once.

    ``{"line": "event", …}`` once per stored event, with the decision about it;
    ``{"line": "alert", "what": "opened" | "acknowledged" | "escalated" | …, …}`` once per
    transition. ``committed_to_alerted_ms`` is the time from when the centre began to commit
    the event to when the alert was committed; only alerts that were opened have it.
    """

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._out = out
        self._is_broken = False
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(out),
            processors=[redact_event, structlog.processors.JSONRenderer(ensure_ascii=False)],
            wrapper_class=structlog.BoundLogger,
        )

    @classmethod
    def open(cls, path: Path, out: TextIO, clock: Clock) -> Journal:
        """Append to ``path``, or to ``out`` when it is ``-``.

        Raises:
            UserError: the file cannot be written.
        """
        if str(path) == "-":
            return cls(out, clock)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path.open("a", encoding="utf-8"), clock)
        except OSError as error:
            raise UserError(
                where=str(path),
                problem=f"the events log cannot be written ({error.strerror})",
                remedy="give another path to --events-log",
            ) from None

    def routed(self, routed: Sequence[Routed], happened: Sequence[Happened]) -> None:
        """Write a batch that a router has committed: its events, then what they led to."""
        now = self._clock.now()
        stored = {item.queued.event.id: item.queued.stored_at for item in routed}
        for item in routed:
            event = item.queued.event
            self._write(
                line="event",
                at=now.isoformat(),
                event_id=event.id,
                visit=event.visit,
                revision=event.revision,
                camera=event.camera,
                kind=str(event.kind),
                captured_at=event.captured_at.isoformat(),
                stored_at=item.queued.stored_at.isoformat(),
                decision=item.decision,
                alert_id=item.alert_id,
            )
        for change in happened:
            since = stored.get(change.event_id or "")
            self._alert(change, (now - since).total_seconds() * 1000 if since else None)

    def changes(self, happened: Sequence[Happened]) -> None:
        """Write what people and timers did; what events did comes from :meth:`routed`."""
        for change in happened:
            if change.event_id is None:
                self._alert(change, None)

    def close(self) -> None:
        """Flush; the file is closed when it is this journal's own."""
        with self._lock, suppress(OSError):
            self._out.flush()
            if self._out.fileno() > 2:
                self._out.close()

    def _alert(self, change: Happened, latency_ms: float | None) -> None:
        alert, about = change.transition.alert, change.about
        extra: dict[str, Any] = {}
        if alert.acked_by is not None:
            extra["acked_by"] = alert.acked_by
        if latency_ms is not None and change.transition.action == "opened":
            extra["committed_to_alerted_ms"] = round(latency_ms, 1)
        self._write(
            line="alert",
            what=change.transition.action if alert.state is not State.CLOSED else "closed",
            at=self._clock.now().isoformat(),
            alert_id=alert.id,
            event_id=change.event_id or about.event_id,
            camera=about.place.camera,
            grid=about.place.grid,
            kind=str(about.kind),
            severity=str(alert.severity),
            state=str(alert.state),
            step=alert.step,
            version=alert.version,
            sightings=alert.sightings,
            actor=change.transition.actor,
            told=list(change.told),
            **extra,
        )

    def _write(self, **fields: Any) -> None:
        with self._lock:
            try:
                self._log.info(None, **fields)
                self._out.flush()
            except OSError as error:
                if not self._is_broken:
                    _log.error("the events log cannot be written", problem=error.strerror)
                self._is_broken = True
            else:
                self._is_broken = False
