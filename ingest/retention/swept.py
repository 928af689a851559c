"""What one sweep deleted, counted while it goes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Swept:
    """What one sweep deleted."""

    events: int = 0
    files: int = 0
    letters: int = 0
    others: int = 0
    """What the follower deleted of its own: alerts whose record is past its time."""
    days_dropped: list[str] = field(default_factory=list)
    """Partitions of PostgreSQL that went whole; their events are counted in ``events``."""

    def anything(self) -> bool:
        """True when something was deleted."""
        return bool(self.events or self.files or self.letters or self.others)
