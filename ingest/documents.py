"""Publishes one signed document to each node, and keeps what the nodes report of it."""

from __future__ import annotations

import secrets
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from config.clock import Clock
from config.desired import seal, unseal
from config.errors import UserError
from config.logs import get_logger
from config.mqtt import Delivery
from config.mqtt_worker import MqttWorker
from config.node_document import NodeDocument
from config.tls import TlsFiles
from ingest.failures import UNSTORABLE, is_poison

log = get_logger(__name__)

_LOOK_S = 1.0
Document = TypeVar("Document", bound=NodeDocument)
Report = TypeVar("Report", bound=NodeDocument)


class DocumentService(MqttWorker, Generic[Document, Report]):
    """Documents are retained, so a node that was off reads its own first.

    Args:
        name: of what is carried, in logs and to the broker.
        kind: of the nodes' reports.
        down, up: the topic of a node's document, and of its report.
        keys: what each node signs with, and its documents are signed with.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: type[Report],
        down: Callable[[str], str],
        up: Callable[[str], str],
        broker_url: str,
        keys: Mapping[str, SecretStr],
        clock: Clock,
        tls: TlsFiles | None,
    ) -> None:
        super().__init__(
            name=name,
            client_id=f"{name}-{secrets.token_hex(4)}",
            broker_url=broker_url,
            clock=clock,
            tls=tls,
        )
        self._name, self._kind, self._down, self._up_topic, self._keys = name, kind, down, up, keys
        self._published: dict[str, object] = {}
        self._reports: dict[str, Report] = {}
        self._work = threading.Event()
        self._is_new = threading.Event()

    @abstractmethod
    def wanted(self) -> Iterable[Document]:
        """The newest document of every node."""

    @abstractmethod
    def record(self, report: Report) -> None:
        """Keep a node's newest report."""

    def mark(self, document: Document) -> object:
        """What differs when a document is to be published anew."""
        return document

    def answer(self, report: Report) -> None:
        """Say something to the node whose report is kept; nothing, unless overridden."""

    def stop(self) -> None:
        """End; retained documents stay at the broker."""
        self._stopping.set()
        self._work.set()
        super().stop()

    def _up(self) -> None:
        self._link.subscribe([self._up_topic("+")])
        self._is_new.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._work, _LOOK_S)
            self._work.clear()
            if self._is_new.is_set():
                self._is_new.clear()
                self._published.clear()
            try:
                self._record()
                self._publish()
            except SQLAlchemyError as error:
                log.warning(f"{self._name} wait for the database", why=type(error).__name__)

    def _publish(self) -> None:
        for document in self.wanted() if self._link.is_up else []:
            key, mark = self._keys.get(document.node), self.mark(document)
            if key is None or self._published.get(document.node) == mark:
                continue
            topic = self._down(document.node)
            if self._link.publish(topic, seal(document, key), retain=True) >= 0:
                self._published[document.node] = mark

    def _arrived(self, delivery: Delivery) -> None:
        node = delivery.topic.rpartition("/")[2]
        key = self._keys.get(node)
        try:
            if key is None:
                log.warning("report of an unknown node", topic=delivery.topic)
            else:
                self._reports[node] = unseal(
                    self._kind, delivery.payload, node=node, key=key, where=delivery.topic
                )
                self._work.set()
        except UserError as error:
            log.warning("report not kept", topic=delivery.topic, why=str(error)[:300])
        self._link.acknowledge(delivery)

    def _record(self) -> None:
        """Keep the newest report of each node, and answer it.

        One that the database does not take just now is tried again: the node says it only once.
        """
        for node, report in list(self._reports.items()):
            try:
                self.record(report)
            except (SQLAlchemyError, *UNSTORABLE) as error:
                if not is_poison(error):
                    raise
                log.warning("report cannot be stored", node=node, why=type(error).__name__)
            self.answer(report)
            if self._reports.get(node) is report:
                del self._reports[node]
