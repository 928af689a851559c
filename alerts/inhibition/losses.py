"""Which nodes are lost, and which areas have lost most of theirs at once: pure, from signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.inhibition.roots import Area, Roots

SILENT_AFTER = timedelta(seconds=90)
"""Three heartbeats (design, section 4)."""
GONE_AFTER = timedelta(seconds=20)
"""A node that has said good-bye or whose last will was read may only be starting again."""
TOGETHER = timedelta(minutes=3)
"""Losses within this time of each other have one cause."""
FEWEST = 3
"""Fewer nodes than this are told of one by one."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The newest sign of life of a node: ``state`` is ``online`` or ``offline``."""

    state: str
    received_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """An area that has lost most of its nodes at once."""

    area: Area
    lost: tuple[str, ...]


def lost_nodes(signs: Mapping[str, Sign], now: datetime) -> dict[str, datetime]:
    """Nodes that are gone, and since when; one that was never heard of is not gone."""
    found = {}
    for node, sign in signs.items():
        if sign.state == "offline":
            if now - sign.changed_at >= GONE_AFTER:
                found[node] = sign.changed_at
        elif now - sign.received_at > SILENT_AFTER:
            found[node] = sign.received_at
    return found


def outages(roots: Roots, signs: Mapping[str, Sign], now: datetime) -> list[Outage]:
    """Areas of which at least three nodes, and half of all, were lost together; widest first.

    A grid inside a township that is told of is not told of again.
    """
    lost = lost_nodes(signs, now)
    found: list[Outage] = []
    covered: set[str] = set()
    for area in roots.areas:
        known = [node for node in area.nodes if node in signs]
        together = _together([(lost[node], node) for node in known if node in lost])
        enough = len(together) >= FEWEST and 2 * len(together) >= len(known)
        if enough and not covered.issuperset(together):
            found.append(Outage(area, together))
            covered.update(area.nodes)
    return found


def _together(lost: Sequence[tuple[datetime, str]]) -> tuple[str, ...]:
    """The largest number of nodes lost within one window."""
    ordered, best, start = sorted(lost), (0, 0), 0
    for end, (moment, _) in enumerate(ordered):
        while moment - ordered[start][0] > TOGETHER:
            start += 1
        if end + 1 - start > best[1] - best[0]:
            best = (start, end + 1)
    return tuple(node for _, node in ordered[best[0] : best[1]])
