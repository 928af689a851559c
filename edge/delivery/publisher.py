"""Publishes the outbox over MQTT, live events before backlog, until receipts have emptied it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.mqtt import BrokerAddress, Delivery, MqttLink, Refusal
from config.tls import TlsFiles
from config.topics import Topics
from config.wire import Receipt, decode
from edge.delivery.outbox import Outbox
from edge.delivery.presence import PresenceSender

log = get_logger(__name__)

_LONGEST_NAP_S = 30.0
_TROUBLE_NAP_S = 5.0
_LINGER_S = 0.03
"""After waking up, so that events of one moment share a message and the waking is paid once."""
_BUSY_LINGER_S = 0.2
"""The same for a node that sent something only just now: it is busy, and its events share more."""
_DENIED = (
    "the broker's access list denies this node its topic: check that its certificate is in the "
    "node's own name, and run `menshen deploy mosquitto` again"
)
_UNHEARD = "nobody listens at the centre: check that its part ingest runs"
_UNANSWERED_MESSAGES = 16
"""How many messages may wait for the broker's acknowledgement at a time."""


class Publisher:
    """One connection to the broker and one thread that keeps it busy.

    The broker's acknowledgement only paces it; what was sent is deleted when the centre's
    receipt says that it is committed.

    Args:
        broker_url: ``mqtt://`` or ``mqtts://``, see :class:`config.mqtt.BrokerAddress`.
        cameras_online: asked at each heartbeat.
        credentials: user and password that take the place of those in ``broker_url``.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        broker_url: str,
        county: str,
        node: str,
        clock: Clock,
        credentials: tuple[str, str] | None = None,
        cameras_online: Callable[[], int] = lambda: 0,
        tls: TlsFiles | None = None,
    ) -> None:
        self._outbox = outbox
        self._topics = Topics(county)
        self._node = node
        self._clock = clock
        self._presence = PresenceSender(
            county=county,
            node=node,
            clock=clock,
            outbox_events=outbox.pending,
            cameras_online=cameras_online,
        )
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url).with_login(credentials),
            client_id=f"edge-{node}",
            clock=clock,
            on_up=self._up,
            on_message=self._receipt,
            on_published=self._published,
            will=self._presence.will(),
            tls=tls,
        )
        self._unanswered: set[int] = set()  # of this thread only, so no answer comes too early
        self._answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._refusal: Refusal | None = None
        self._sent_at = -_BUSY_LINGER_S
        self._is_held = False
        self._is_new = threading.Event()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")

    @property
    def is_up(self) -> bool:
        """True while the broker answers."""
        return self._link.is_up

    @property
    def trouble(self) -> str:
        """Why events do not reach the centre, in words; empty when nothing is known against it."""
        return self._link.trouble if not self.is_up else _words(self._refusal)

    @property
    def is_denied(self) -> bool:
        """True while the broker lets this node connect but not publish."""
        return self._refusal is not None and self._refusal.is_denied

    def start(self) -> None:
        """Connect and publish from now on, in threads of its own."""
        self._outbox.listen(self._wake.set)
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and end; what has no receipt stays in the outbox."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._presence.goodbye(self._link)
        self._link.stop()

    # -- the publishing thread -----------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                nap = self._work() if self._link.is_up else _LONGEST_NAP_S
            except Exception as error:  # noqa: BLE001 - a thread that ends sends nothing, for ever
                log.error("events cannot be sent now", node=self._node, why=str(error))
                nap = _TROUBLE_NAP_S
            if not self._stopping.is_set() and self._clock.wait(self._wake, nap):
                self._clock.wait(self._stopping, self._linger_s())

    def _linger_s(self) -> float:
        """Not long while much waits: then messages are full without lingering."""
        if self._is_held or self._outbox.is_held_back:
            return _LINGER_S
        return max(_LINGER_S, self._sent_at + _BUSY_LINGER_S - self._clock.monotonic())

    def _work(self) -> float:
        """Send what may be sent now; seconds until there may be more, unless woken."""
        if self._is_new.is_set():
            self._is_new.clear()
            self._unanswered.clear()
            self._outbox.reconnected()
            self._presence.birth(self._link)
        while self._may_send() and (batch := self._outbox.take()) is not None:
            mid = self._link.publish(self._topics.event(self._node, batch.camera), batch.payload)
            if mid < 0:
                break  # the connection went; what was taken comes again after it is back
            self._unanswered.add(mid)
            self._sent_at = self._clock.monotonic()
        due = self._outbox.next_due_s()
        return min(self._presence.beat(self._link), _LONGEST_NAP_S if due is None else due + 0.01)

    def _may_send(self) -> bool:
        if not self._link.is_up or self._stopping.is_set() or self._is_new.is_set():
            return False
        self._is_held = False
        if not self._has_room():
            self._is_held = True  # from here on an answer wakes us; one may have come just before
        return not self._is_held or self._has_room()

    def _has_room(self) -> bool:
        while not self._answers.empty():
            self._unanswered.discard(self._answers.get())
        return len(self._unanswered) < _UNANSWERED_MESSAGES

    # -- callbacks, in the connection's thread -------------------------------------------------

    def _up(self) -> None:
        self._link.subscribe([self._topics.receipt(self._node)])
        self._is_new.set()
        self._wake.set()

    def _published(self, mid: int, refusal: Refusal | None) -> None:
        self._answers.put(mid)
        if refusal is not None and refusal != self._refusal:
            # The event stays in the outbox and comes again, later each time.
            log.error("events are not passed on", node=self._node, why=_words(refusal))
        self._refusal = refusal
        if self._is_held:
            self._wake.set()

    def _receipt(self, delivery: Delivery) -> None:
        self._link.acknowledge(delivery)
        try:
            receipt = decode(Receipt, delivery.payload, topic=delivery.topic)
        except UserError as error:
            log.warning("receipt ignored", node=self._node, reason=str(error))
            return
        try:
            is_believed = self._outbox.receive(receipt)
        except Exception as error:  # noqa: BLE001 - it would end the connection's thread
            log.error("receipt not heeded", node=self._node, why=str(error))
            return
        if not is_believed or self._outbox.is_held_back:
            self._wake.set()  # there is room in flight for more, or more to publish first


def _words(refusal: Refusal | None) -> str:
    if refusal is None:
        return ""
    if refusal.is_denied:
        return _DENIED
    return _UNHEARD if refusal.is_unheard else f"the broker refuses events: {refusal.reason}"
