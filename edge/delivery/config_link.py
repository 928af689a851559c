"""Carries a node's configuration over MQTT: wanted in, reports out, the centre's answer in."""

from __future__ import annotations

import threading
from collections import deque

from pydantic import SecretStr

from config.clock import Clock
from config.desired import ReportedConfig, Seen, seal, unseal
from config.errors import UserError
from config.logs import get_logger
from config.mqtt import Delivery
from config.mqtt_worker import MqttWorker
from config.tls import TlsFiles
from config.topics import Topics
from edge.delivery.configurator import Configurator

log = get_logger(__name__)

_LOOK_S = 0.5
_REMIND_S = 10.0
_MOST_WAITING = 100
"""Documents that wait for room on the disk; the centre repeats what was forgotten."""


class ConfigLink(MqttWorker):
    """A connection and a thread for one :class:`Configurator`; apart from the events' own."""

    def __init__(
        self,
        configurator: Configurator,
        *,
        broker_url: str,
        county: str,
        node: str,
        key: SecretStr,
        clock: Clock,
        tls: TlsFiles | None = None,
    ) -> None:
        super().__init__(
            name="configuration",
            client_id=f"config-{node}",
            broker_url=broker_url,
            clock=clock,
            tls=tls,
        )
        self._configurator = configurator
        self._topics, self._node, self._key = Topics(county), node, key
        self._arrivals: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._report: ReportedConfig | None = None
        self._told_at: float | None = None
        self._is_up_again = threading.Event()

    @property
    def running(self) -> int:
        """The revision that the cameras run; 0 is what the node was installed with."""
        return self._configurator.running

    def start(self) -> None:
        """Apply what the node ran last, then listen. A trial goes on when the node starts again."""
        self._say(self._configurator.start())
        super().start()

    def _up(self) -> None:
        self._link.subscribe([self._topics.desired(self._node)])
        self._is_up_again.set()

    def _arrived(self, delivery: Delivery) -> None:
        self._link.acknowledge(delivery)
        self._arrivals.append(delivery.payload)

    def _run(self) -> None:
        while not self._clock.wait(self._stopping, _LOOK_S):
            try:
                self._take_all()
                self._say(self._configurator.look())
            except OSError as error:
                # What has come waits; a full disk has room again some day.
                log.error("configuration not kept", node=self._node, why=str(error.strerror))
            self._tell()

    def _take_all(self) -> None:
        while self._arrivals:
            payload = self._arrivals.popleft()
            try:
                self._take(payload)
            except OSError:
                self._arrivals.appendleft(payload)
                raise

    def _take(self, payload: bytes) -> None:
        topic = self._topics.desired(self._node)
        try:
            seen = unseal(Seen, payload, node=self._node, key=self._key, where=topic)
        except UserError:
            self._say(self._configurator.offer(payload, topic=topic))
            return
        if seen.seen == self._configurator.running:
            self._say(self._configurator.reached_centre())

    def _say(self, report: ReportedConfig | None) -> None:
        if report is not None:
            self._report, self._told_at = report, None

    def _tell(self) -> None:
        """Publish the newest report; while one is on trial again and again, for the answer.

        Also on each new connection: the broker may have lost it with its disk.
        """
        now = self._clock.monotonic()
        if self._is_up_again.is_set():
            self._is_up_again.clear()
            self._told_at = None
        is_due = self._told_at is None or (
            self._configurator.is_trying and now >= self._told_at + _REMIND_S
        )
        if self._report is None or not is_due:
            return
        payload = seal(self._report, self._key)
        if self._link.publish(self._topics.reported(self._node), payload, retain=True) >= 0:
            self._told_at = now
