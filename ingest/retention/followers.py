"""What others must do when events go: the interface between retention and the alerts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Gone:
    """What a follower deleted: how many things, and the files that nobody needs without them."""

    count: int = 0
    files: tuple[str, ...] = ()
    rule: str = ""


class Follower(Protocol):
    """Keeps copies of, or references to, what events hold. Each call is in our transaction."""

    def refresh_holds(self, connection: Connection, now: datetime) -> None:
        """Write to ``hold_events`` which events the holds of alerts keep."""

    def events_go(self, connection: Connection, ids: Sequence[str]) -> None:
        """These events are being deleted: forget what was copied from them."""

    def names(self, connection: Connection, sha256s: Sequence[str]) -> frozenset[str]:
        """Those files that something other than an event still needs."""

    def sweep(self, connection: Connection, now: datetime) -> Gone:
        """Delete what is due of one's own, a batch of it, with proof."""


class Nobody:
    """The follower of a centre that has only events."""

    def refresh_holds(self, connection: Connection, now: datetime) -> None:
        """Nothing."""

    def events_go(self, connection: Connection, ids: Sequence[str]) -> None:
        """Nothing."""

    def names(self, connection: Connection, sha256s: Sequence[str]) -> frozenset[str]:  # noqa: ARG002
        """None."""
        return frozenset()

    def sweep(self, connection: Connection, now: datetime) -> Gone:  # noqa: ARG002
        """Nothing."""
        return Gone()
