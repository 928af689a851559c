"""Listens to every receipt and asks the store whether it is true: committed, before it was sent."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from config.clock import SystemClock
from config.errors import UserError
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.ranges import Range, SeqSet
from config.topics import Topics
from config.wire import Receipt, decode
from ingest.engine import reading
from ingest.schema import events
from tests.bench.chaos_clock import COUNTY


@dataclass(slots=True)
class Verdict:
    """How many receipts were seen and checked, and what was wrong with them."""

    checked: int = 0
    early: list[str] = field(default_factory=list)


class ReceiptWatch:
    """A client beside the nodes. It checks each number once, when a receipt first covers it.

    A database that is down just now is asked again: what a receipt has told must be there after
    it has come back, too.
    """

    def __init__(self, broker_url: str, engine: Engine) -> None:
        self.verdict = Verdict()
        self._engine = engine
        self._seen: queue.SimpleQueue[Receipt | None] = queue.SimpleQueue()
        self._checked: dict[tuple[str, str], SeqSet] = {}
        self._clock = SystemClock()
        self._ending = threading.Event()
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id="receipt-watch",
            clock=self._clock,
            on_up=lambda: self._link.subscribe([Topics(COUNTY).receipt("+")]),
            on_message=self._arrived,
        )
        self._thread = threading.Thread(target=self._run, name="receipt-watch")

    def start(self) -> None:
        """Begin to listen."""
        self._link.start()
        self._thread.start()

    def stop(self) -> Verdict:
        """Check what has come, then end."""
        if self._thread.is_alive():
            self._link.stop()
            self._seen.put(None)
            self._thread.join()
        return self.verdict

    def _arrived(self, delivery: Delivery) -> None:
        self._link.acknowledge(delivery)
        try:
            self._seen.put(decode(Receipt, delivery.payload, topic=delivery.topic))
        except UserError as error:
            self.verdict.early.append(str(error))

    def _run(self) -> None:
        while (receipt := self._seen.get()) is not None:
            key = (receipt.node, receipt.epoch)
            known = self._checked.get(key, SeqSet())
            for first, last in _new(receipt, known):
                self._check(key, first, last)
                known = known.including(range(first, last + 1))
            self._checked[key] = known
            self.verdict.checked += 1

    def _check(self, key: tuple[str, str], first: int, last: int) -> None:
        wanted = select(func.count()).where(
            events.c.node == key[0], events.c.epoch == key[1], events.c.seq.between(first, last)
        )
        while True:
            try:
                with reading(self._engine) as connection:
                    found = connection.execute(wanted).scalar_one()
                break
            except (SQLAlchemyError, OSError):
                self._clock.wait(self._ending, 0.2)
        if found != last - first + 1:
            self.verdict.early.append(f"{key[0]} {first}-{last}: only {found} stored")


def _new(receipt: Receipt, known: SeqSet) -> list[Range]:
    """The ranges that ``receipt`` covers and nobody has checked."""
    found = []
    for first, last in ((1, receipt.acked_upto), *receipt.also):
        for start, end in known.missing(last):
            low = max(start, first)
            if low <= end:
                found.append((low, end))
    return found
