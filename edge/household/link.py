"""Carries over MQTT whom this node may recognise, and tells the centre whom it holds."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from pydantic import SecretStr

from config.clock import Clock
from config.desired import seal
from config.household import HouseholdReport
from config.mqtt import Delivery
from config.mqtt_worker import MqttWorker
from config.tls import TlsFiles
from config.topics import Topics

_LOOK_S = 0.5


class Listener(Protocol):
    """What lists are for (:class:`edge.household.household.Household`)."""

    def heed(self, payload: bytes, *, topic: str) -> None:
        """A signed list has come."""

    def news(self) -> HouseholdReport | None:
        """What is to be told, if anything."""

    def told(self, report: HouseholdReport) -> None:
        """It has been sent."""

    def tell_again(self) -> None:
        """The broker may have lost what it was told."""


class HouseholdLink(MqttWorker):
    """A connection and a thread of its own: erasing must not wait for anything else."""

    def __init__(
        self,
        listener: Listener,
        *,
        broker_url: str,
        county: str,
        node: str,
        key: SecretStr,
        clock: Clock,
        tls: TlsFiles | None = None,
    ) -> None:
        super().__init__(
            name="household",
            client_id=f"household-{node}",
            broker_url=broker_url,
            clock=clock,
            tls=tls,
        )
        self._listener = listener
        self._topics, self._node, self._key = Topics(county), node, key
        self._newest: deque[bytes] = deque(maxlen=1)
        """A list says everything: of several that wait only the last counts."""

    def _up(self) -> None:
        self._link.subscribe([self._topics.household(self._node)])
        self._listener.tell_again()

    def _arrived(self, delivery: Delivery) -> None:
        self._link.acknowledge(delivery)
        self._newest.append(delivery.payload)

    def _run(self) -> None:
        while not self._clock.wait(self._stopping, _LOOK_S):
            if self._newest:
                topic = self._topics.household(self._node)
                self._listener.heed(self._newest.popleft(), topic=topic)
            report = self._listener.news()
            if report is not None and self._link.is_up:
                payload = seal(report, self._key)
                topic = self._topics.enrolled(self._node)
                if self._link.publish(topic, payload, retain=True) >= 0:
                    self._listener.told(report)
