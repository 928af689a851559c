"""Takes events from the broker, commits them in groups, then acknowledges and sends receipts."""

from __future__ import annotations

import contextlib
import queue
import random
import secrets
import threading
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.tls import TlsFiles
from config.topics import Topics, node_of
from config.wire import Presence, Receipt, decode, encode
from ingest.arrival import Batch, size_of
from ingest.failures import UNSTORABLE, in_words, is_poison
from ingest.letters.reading import DeadLetter, read_events
from ingest.presence import record_presence
from ingest.store import EventStore
from ingest.trouble import Troubles

log = get_logger(__name__)

PART = "ingest"
"""What readiness, metrics and heartbeat call this part."""
_QUEUE_MESSAGES = 64
_GROUP_EVENTS = 4_000
_GROUP_MESSAGES = 500
_LONGEST_PAUSE_S = 10.0
_POLL_S = 0.2
_GATHER_S = 0.05
"""Groups follow each other at this distance at least while less than a whole one waits: what comes
meanwhile shares a commit. A message after a silence is committed at once."""
_RECEIPTS_EVERY_S = 0.2
"""Receipts of a node that follow each other this closely are sent as one, the newest."""


@dataclass(slots=True)
class _Group:
    """Messages that share one commit."""

    deliveries: list[Delivery] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    signs: list[Presence] = field(default_factory=list)

    def is_full(self) -> bool:
        """More would make one commit too long, or be too much to hold."""
        events = sum(map(size_of, self.batches))
        return events >= _GROUP_EVENTS or len(self.deliveries) >= _GROUP_MESSAGES


class Subscriber:
    """One ingest replica: a connection, a thread that reads, and one that stores.

    Nothing is acknowledged before it is committed. While the database is in trouble the same
    group is tried again, for ever, and the broker and the edges hold the rest.

    Args:
        share: name of the group of replicas that share the events (MQTT 5 ``$share``); a broker
            that speaks only 3.1.1 sends every replica everything, which is stored once as well.
        troubles: is told when the database does not store, and when it does again.
    """

    def __init__(
        self,
        *,
        broker_url: str,
        county: str,
        store: EventStore,
        clock: Clock,
        share: str | None = None,
        tls: TlsFiles | None = None,
        troubles: Troubles | None = None,
    ) -> None:
        self._troubles = troubles or Troubles(clock)
        self._topics = Topics(county)
        self._store = store
        self._clock = clock
        self._share = share
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id=f"ingest-{secrets.token_hex(4)}",
            clock=clock,
            on_up=self._up,
            on_message=self._arrived,
            tls=tls,
        )
        self._arrivals: queue.Queue[Delivery] = queue.Queue(_QUEUE_MESSAGES)
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._unsent: dict[tuple[str, str], Receipt] = {}
        self._send_at = 0.0
        self._gathered_at = -_GATHER_S
        self._groups: queue.Queue[_Group] = queue.Queue(1)
        self._threads = [
            threading.Thread(target=self._read, name="ingest-read"),
            threading.Thread(target=self._run, name="ingest"),
        ]

    @property
    def is_up(self) -> bool:
        """True while the broker answers."""
        return self._link.is_up

    def wait_until_up(self, timeout_s: float) -> bool:
        """Wait for the first connection; False when it did not come in time."""
        return self._subscribed.wait(timeout_s)

    def start(self) -> None:
        """Begin to take events, in threads of its own."""
        self._link.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the group in hand and end. What was not committed comes again from the edges."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._link.stop()

    # -- callbacks, in the connection's thread -------------------------------------------------

    def _up(self) -> None:
        share = self._share if self._link.speaks_mqtt5 else None
        if share != self._share:
            log.warning("this broker has no shared subscriptions: every replica gets every event")
        self._link.subscribe([self._topics.all_events(share), self._topics.all_presence()])
        self._subscribed.set()

    def _arrived(self, delivery: Delivery) -> None:
        # A full queue holds up the connection, and so the broker, not our memory.
        _put(self._arrivals, delivery, self._stopping)

    # -- the reading thread --------------------------------------------------------------------

    def _read(self) -> None:
        """Read and check messages while the group before them is being stored."""
        while not self._stopping.is_set():
            group = self._collect()
            if group.deliveries:
                self._gathered_at = self._clock.monotonic()
                _put(self._groups, group, self._stopping)

    def _collect(self) -> _Group:
        """Everything that waits now, up to a limit; returns empty after a moment of silence."""
        group = _Group()
        try:
            self._sort(self._arrivals.get(timeout=_POLL_S), group)
            while not group.is_full():
                left = self._gathered_at + _GATHER_S - self._clock.monotonic()
                self._sort(self._arrivals.get(timeout=max(left, 0.0)), group)
        except queue.Empty:
            pass
        return group

    def _sort(self, delivery: Delivery, group: _Group) -> None:
        group.deliveries.append(delivery)
        if node_of(delivery.topic) is None:
            self._sort_presence(delivery, group)
            return
        mail = read_events(delivery.topic, delivery.payload)
        group.letters += mail.letters
        if mail.batch is not None:
            group.batches.append(mail.batch)
        for letter in mail.letters:
            log.warning("poison message", topic=letter.topic, reason=letter.reason)

    def _sort_presence(self, delivery: Delivery, group: _Group) -> None:
        try:
            sign = decode(Presence, delivery.payload, topic=delivery.topic)
        except UserError as error:
            group.letters.append(DeadLetter.of(delivery.topic, delivery.payload, str(error)))
            return
        if self._topics.presence(sign.node) != delivery.topic:
            reason = f"the topic is not that of node {sign.node}"
            group.letters.append(DeadLetter.of(delivery.topic, delivery.payload, reason))
            return
        group.signs.append(sign)

    # -- the storing thread --------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait = _RECEIPTS_EVERY_S / 4 if self._unsent else _POLL_S
            group = None
            with contextlib.suppress(queue.Empty):
                group = self._groups.get(timeout=wait)
            if group is not None:
                self._settle(group)
            if self._unsent and self._clock.monotonic() >= self._send_at:
                self._send_receipts()
        self._send_receipts()

    def _settle(self, group: _Group) -> None:
        """Commit, however long it takes; then acknowledge, and let receipts follow."""
        failures = 0
        while True:
            try:
                receipts = self._store.insert_resilient(group.batches, group.letters)
                self._record(group.signs)
                break
            except (SQLAlchemyError, OSError) as error:
                failures += 1
                problem = in_words(error)
                self._troubles.say(PART, problem)
                log.error(
                    "database in trouble, trying again",
                    problem=problem,
                    why=_brief(error),
                    tries=failures,
                )
            longest = min(0.1 * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
            if self._clock.wait(self._stopping, random.uniform(longest / 2, longest)):
                return  # not committed: neither acknowledged nor receipted
        self._troubles.clear(PART)
        for delivery in group.deliveries:
            self._link.acknowledge(delivery)
        if receipts and not self._unsent:
            self._send_at = self._clock.monotonic() + _RECEIPTS_EVERY_S
        self._unsent |= {(receipt.node, receipt.epoch): receipt for receipt in receipts}

    def _send_receipts(self) -> None:
        for receipt in self._unsent.values():
            self._link.publish(self._topics.receipt(receipt.node), encode(receipt), qos=0)
        self._unsent.clear()

    def _record(self, signs: list[Presence]) -> None:
        for sign in signs:
            try:
                record_presence(self._store.engine, self._clock, sign)
            except (SQLAlchemyError, *UNSTORABLE) as error:
                if not is_poison(error):
                    raise
                log.warning("presence cannot be stored", node=sign.node, why=_brief(error))


Item = TypeVar("Item")


def _put(place: queue.Queue[Item], item: Item, stopping: threading.Event) -> None:
    """Wait for room, and give up only when everything ends: what is dropped comes again."""
    while not stopping.is_set():
        with contextlib.suppress(queue.Full):
            place.put(item, timeout=_POLL_S)
            return


def _brief(error: Exception) -> str:
    kind = "refused data" if is_poison(error) else type(error).__name__
    original = error.orig if isinstance(error, DBAPIError) else None
    return f"{kind}: {original}"[:300] if original else kind
