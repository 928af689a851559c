"""What every channel promises: one attempt, an honest answer, the same key for the same notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from alerts.state import State
from config.event import EventKind, Severity


@dataclass(frozen=True, slots=True)
class Notification:
    """What a channel sends: words and a link, never a picture, a face or a plate.

    ``key`` is the same at every attempt, so that a receiver can drop a repetition.
    ``target`` is the person's or the webhook's id.
    """

    key: str
    target: str
    alert_id: str
    version: int
    state: State
    step: int
    kind: EventKind
    severity: Severity
    title_zh: str
    title_en: str
    camera: str
    camera_name: str
    grid: str | None
    opened_at: datetime
    changed_at: datetime
    acked_by: str | None
    link: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    ``accepted``: the provider has it. ``retry``: try again, not before ``retry_after`` if
    given. ``refused``: this will never work; use the next channel.
    """

    result: Literal["accepted", "retry", "refused"]
    problem: str = ""
    retry_after: timedelta | None = None


class Channel(Protocol):
    """One way to deliver; safe to call from several threads."""

    name: str

    def send(self, notification: Notification) -> Attempt:
        """Make one attempt. A failure is an :class:`Attempt`, not an exception."""

    def close(self) -> None:
        """Let go of connections."""
