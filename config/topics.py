"""The MQTT topics: one place that spells them, and takes them apart again."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ROOT = "menshen/v1"
_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
_EVENT = re.compile(rf"^{_ROOT}/(?P<county>{_NAME})/evt/(?P<node>{_NAME})/(?P<camera>{_NAME})$")


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one county (``menshen/v1/<county>/…``)."""

    county: str

    def event(self, node: str, camera: str) -> str:
        """Where a node publishes; a batch of several cameras goes to its first camera's topic."""
        return f"{_ROOT}/{self.county}/evt/{node}/{camera}"

    def all_events(self, share: str | None = None) -> str:
        """What ingest subscribes to; ``share`` names the group of ingest replicas (MQTT 5)."""
        plain = f"{_ROOT}/{self.county}/evt/+/+"
        return plain if share is None else f"$share/{share}/{plain}"

    def receipt(self, node: str) -> str:
        """Where the centre tells a node what it has committed."""
        return f"{_ROOT}/{self.county}/rcpt/{node}"

    def presence(self, node: str) -> str:
        """Retained birth, last will and heartbeat of a node."""
        return f"{_ROOT}/{self.county}/presence/{node}"

    def all_presence(self) -> str:
        """What the centre subscribes to for node presence."""
        return f"{_ROOT}/{self.county}/presence/+"

    def desired(self, node: str) -> str:
        """Retained configuration the centre wants a node to run."""
        return f"{_ROOT}/{self.county}/desired/{node}"

    def reported(self, node: str) -> str:
        """Retained configuration a node says it runs."""
        return f"{_ROOT}/{self.county}/reported/{node}"

    def household(self, node: str) -> str:
        """Retained list of whom a node may recognise at their own homes."""
        return f"{_ROOT}/{self.county}/household/{node}"

    def enrolled(self, node: str) -> str:
        """Retained report of whom a node holds."""
        return f"{_ROOT}/{self.county}/enrolled/{node}"


def node_of(topic: str) -> str | None:
    """The node named by an event topic, or None when ``topic`` is not one."""
    match = _EVENT.match(topic)
    return match["node"] if match else None
