"""What every channel promises: one attempt, an honest answer, the same key for the same notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from alerts.channels.budget import Budget
from alerts.life.state import State
from config.event import EventKind, Severity
from config.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notification:
    """What a channel sends: words and a link, never a picture, a face or a plate.

    ``key`` and ``reference`` are the same at every attempt, so that a receiver can drop a
    repetition; ``reference`` is a UUID, by which a provider's receipt finds the notice again.
    ``target`` is the person's or the webhook's id. ``is_home`` marks an alert of a household's
    own camera: channels that others can read then say no more than that there is one.
    ``is_owners`` is True when it is the receiver's own home. ``answer`` is where its receiver
    alone may answer once without a login; None: nowhere.
    ``is_test`` marks a message that a person sent to try a channel.
    ``is_duty`` marks a note about the receiver's own duty, which is of no alert.
    ``gathered`` are the notices that a digest to a webhook stands for, the loudest first;
    ``left_out`` counts those that are not among them.
    """

    key: str
    reference: str
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
    is_home: bool = False
    is_owners: bool = False
    answer: str | None = None
    is_test: bool = False
    is_duty: bool = False
    gathered: tuple[Notification, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    ``accepted``: the provider has it. ``retry``: try again, not before ``retry_after`` if
    given. ``refused``: this will never work; use the next channel. ``ref`` is the provider's
    own id of the message, if it gave one.
    """

    result: Literal["accepted", "retry", "refused"]
    problem: str = ""
    retry_after: timedelta | None = None
    ref: str | None = None


class Channel(Protocol):
    """One way to deliver; safe to call from several threads."""

    @property
    def name(self) -> str:
        """As in the column ``channel`` of deliveries; at most 16 characters."""

    def budget(self, target: str) -> Budget | None:
        """How fast the provider behind ``target`` may be used; None: as fast as it takes."""

    def send(self, notification: Notification) -> Attempt:
        """Make one attempt. A failure is an :class:`Attempt`, not an exception."""

    def close(self) -> None:
        """Let go of connections."""


def make_attempt(channel: Channel, notification: Notification) -> Attempt:
    """One attempt over ``channel``; a channel's own fault is a reason to try again."""
    try:
        return channel.send(notification)
    except Exception as error:  # noqa: BLE001 - a channel's fault must not stop the others
        _log.exception("a channel raised", channel=channel.name, alert_id=notification.alert_id)
        return Attempt("retry", f"the channel failed ({type(error).__name__})")
