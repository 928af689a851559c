"""A connection to the broker and a thread that works beside it, begun and ended together."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from config.clock import Clock
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.tls import TlsFiles


class MqttWorker(ABC):
    """What carries documents over MQTT, apart from the events' own connection.

    Args:
        name: of the thread.
        client_id: of the connection; the broker ends another of the same.
    """

    def __init__(
        self, *, name: str, client_id: str, broker_url: str, clock: Clock, tls: TlsFiles | None
    ) -> None:
        self._clock = clock
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id=client_id,
            clock=clock,
            on_up=self._up,
            on_message=self._arrived,
            tls=tls,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Connect and work, in threads of its own."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """End; what is retained stays at the broker."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._link.stop()

    @abstractmethod
    def _up(self) -> None:
        """In the connection's thread, after each connection: subscribe."""

    @abstractmethod
    def _arrived(self, delivery: Delivery) -> None:
        """In the connection's thread: take note of a message and acknowledge it."""

    @abstractmethod
    def _run(self) -> None:
        """The thread's work, until ``_stopping`` is set."""
