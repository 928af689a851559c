"""The publisher's thread goes on, whatever the disk does under it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from config.clock import SystemClock
from config.mqtt import Delivery
from config.wire import EventBatch, Receipt, decode, encode
from edge.delivery import publisher as publisher_module
from edge.delivery.outbox import Outbox, OutboxBatch
from edge.delivery.publisher import Publisher
from tests.events import motion, wait_until


class Link:
    """A connection that is up and keeps what it is given."""

    is_up = True
    trouble = ""

    def __init__(self, *, on_message: Any, **_more: Any) -> None:
        self.receive = on_message
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes, **_how: Any) -> int:
        self.sent.append((topic, payload))
        return len(self.sent)

    def acknowledge(self, _delivery: Delivery) -> None:
        """Nobody waits for it."""

    def start(self) -> None:
        """It is up already."""

    def stop(self) -> None:
        """It stays up."""

    def seqs(self) -> list[int]:
        batches = [decode(EventBatch, sent, topic=t) for t, sent in self.sent if "/evt/" in t]
        return [numbered.seq for batch in batches for numbered in batch.events]


def test_an_error_of_the_disk_ends_neither_sending_nor_hearing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[str] = []

    class Unlucky(Outbox):
        def take(self, limit: int = 500) -> OutboxBatch | None:
            self._fail("take")
            return super().take(limit)

        def receive(self, receipt: Receipt) -> bool:
            self._fail("receive")
            return super().receive(receipt)

        def _fail(self, what: str) -> None:
            if what not in errors:
                errors.append(what)
                raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(publisher_module, "MqttLink", Link)
    outbox = Unlucky.open(tmp_path / "o.db", node="node-1", clock=SystemClock(), budget_bytes=10**9)
    publisher = Publisher(
        outbox=outbox, broker_url="mqtt://h", county="c", node="node-1", clock=SystemClock()
    )
    link: Any = publisher._link
    try:
        publisher.start()
        wait_until(lambda: errors == ["take"], what="an error")
        outbox.append(motion())
        wait_until(lambda: link.seqs() == [1], what="the event")
        receipt = Receipt(node="node-1", epoch=outbox.epoch, acked_upto=1)
        for _ in range(2):
            link.receive(Delivery("rcpt", encode(receipt), False, 1, 1, 1))
        wait_until(lambda: outbox.pending() == 0, what="an empty outbox")
    finally:
        publisher.stop()
        outbox.close()
