"""Publishes to each node whom it may recognise, and keeps what the nodes report of it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from config.clock import Clock
from config.desired import seal, unseal
from config.errors import UserError
from config.household import HouseholdList, HouseholdReport
from config.logs import get_logger
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.tls import TlsFiles
from config.topics import Topics
from ingest.households import Households

log = get_logger(__name__)

_LOOK_S = 1.0


class HouseholdService:
    """A connection and a thread; lists are retained, so a node that was off reads its own first."""

    def __init__(
        self,
        *,
        broker_url: str,
        county: str,
        households: Households,
        keys: Mapping[str, SecretStr],
        clock: Clock,
        tls: TlsFiles | None = None,
    ) -> None:
        self._topics, self._keys, self._clock = Topics(county), keys, clock
        self._households = households
        self._published: dict[str, HouseholdList] = {}
        self._reports: dict[str, HouseholdReport] = {}
        self._is_new = threading.Event()
        self._stopping = threading.Event()
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id=f"households-{secrets.token_hex(4)}",
            clock=clock,
            on_up=self._up,
            on_message=self._arrived,
            tls=tls,
        )
        self._thread = threading.Thread(target=self._run, name="households")

    def start(self) -> None:
        """Publish, and listen to reports, in threads of its own."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """End; retained lists stay at the broker."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._link.stop()

    def _up(self) -> None:
        self._link.subscribe([self._topics.enrolled("+")])
        self._is_new.set()

    def _run(self) -> None:
        while not self._clock.wait(self._stopping, _LOOK_S):
            if self._is_new.is_set():
                self._is_new.clear()
                self._published.clear()
            try:
                self._record()
                self._publish()
            except SQLAlchemyError as error:
                log.warning("household lists wait for the database", why=type(error).__name__)

    def _publish(self) -> None:
        for wanted in self._households.lists() if self._link.is_up else []:
            key = self._keys.get(wanted.node)
            if key is None or self._published.get(wanted.node) == wanted:
                continue
            topic = self._topics.household(wanted.node)
            if self._link.publish(topic, seal(wanted, key), retain=True) >= 0:
                self._published[wanted.node] = wanted

    def _record(self) -> None:
        """Keep the newest report of each node; one that the database refuses now is kept later."""
        for node, report in list(self._reports.items()):
            self._households.record(report)
            if self._reports.get(node) is report:
                del self._reports[node]

    def _arrived(self, delivery: Delivery) -> None:
        node = delivery.topic.rpartition("/")[2]
        key = self._keys.get(node)
        try:
            if key is None:
                log.warning("household report of an unknown node", topic=delivery.topic)
            else:
                self._reports[node] = unseal(
                    HouseholdReport, delivery.payload, node=node, key=key, where=delivery.topic
                )
        except UserError as error:
            log.warning("household report not kept", topic=delivery.topic, why=str(error)[:300])
        self._link.acknowledge(delivery)
