"""Tells the centre that this node lives: birth, heartbeat, and the last will it leaves behind."""

from __future__ import annotations

from collections.abc import Callable

from config.clock import Clock
from config.mqtt import MqttLink, Will
from config.topics import Topics
from config.wire import Presence, encode

HEARTBEAT_S = 30.0


class PresenceSender:
    """Retained presence of one node; :meth:`beat` is called often and sends when it is time."""

    def __init__(
        self,
        *,
        county: str,
        node: str,
        clock: Clock,
        outbox_events: Callable[[], int],
        cameras_online: Callable[[], int] = lambda: 0,
    ) -> None:
        self._topic = Topics(county).presence(node)
        self._node = node
        self._clock = clock
        self._outbox_events = outbox_events
        self._cameras_online = cameras_online
        self._next_at = 0.0

    def will(self) -> Will:
        """What the broker says when the node dies without a goodbye."""
        return Will(self._topic, encode(Presence(node=self._node, state="offline")))

    def birth(self, link: MqttLink) -> None:
        """Say that the node is here, now, and begin the heartbeat."""
        self._next_at = self._clock.monotonic() + HEARTBEAT_S
        sign = Presence(
            node=self._node,
            state="online",
            at=self._clock.now(),
            outbox_events=self._outbox_events(),
            cameras_online=self._cameras_online(),
        )
        link.publish(self._topic, encode(sign), qos=1, retain=True)

    def beat(self, link: MqttLink) -> float:
        """Send a heartbeat when it is due; seconds until the next one."""
        left = self._next_at - self._clock.monotonic()
        if left > 0:
            return left
        self.birth(link)
        return HEARTBEAT_S

    def goodbye(self, link: MqttLink) -> None:
        """Say that the node goes on purpose."""
        sign = Presence(node=self._node, state="offline", at=self._clock.now())
        link.publish(self._topic, encode(sign), qos=1, retain=True)
