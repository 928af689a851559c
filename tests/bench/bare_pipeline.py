"""The whole way without us: a bare client, mosquitto, and a bare client that inserts and acks."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho

from tests.bench.bare import connected, send_all
from tests.bench.bare_inserts import Inserter, Row, make_tables, open_inserter

_TOPIC = "bare/pipeline"
_PATIENCE_S = 60.0
_MESSAGES = 8_000
"""As many as the broker of the benchmark queues for a receiver that is behind, and some fewer."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the bare pipeline reached, and the processor time of its two clients per event."""

    events_per_s: float
    cpu_us_per_event: float


def pipeline(
    broker_url: str, database: str, rows: Sequence[Row], *, per_message: int, per_group: int
) -> Pipeline:
    """Send ``rows``, ``per_message`` of them as JSON in each QoS-1 message, and store them.

    The receiver does only what has to be done: it parses each message, inserts ``per_group``
    events (or what there is, when nothing more comes) in one transaction, and acknowledges.
    Nothing is checked, numbered or kept for a second try. Time runs from the first message sent
    to the last commit.
    """
    make_tables(database, rows)
    rows = rows[: _MESSAGES * per_message]
    parts = [rows[at : at + per_message] for at in range(0, len(rows), per_message)]
    payloads = [json.dumps(part).encode() for part in parts]
    context = multiprocessing.get_context("spawn")
    results, ready = context.Queue(), context.Event()
    receiver = context.Process(
        target=_receive, args=(broker_url, database, len(rows), per_group, ready, results)
    )
    sender = context.Process(target=_send, args=(broker_url, payloads, ready, results))
    try:
        receiver.start()
        sender.start()
        answers = dict(results.get(timeout=2 * _PATIENCE_S) for _ in range(2))
    finally:
        for process in (sender, receiver):
            process.join(5)
            process.kill()
    _, begun, sender_cpu = answers["sender"]
    stored, ended, receiver_cpu = answers["receiver"]
    return Pipeline(stored / (ended - begun), (sender_cpu + receiver_cpu) / max(stored, 1) * 1e6)


def _send(broker_url: str, payloads: list[bytes], ready: Any, results: Any) -> None:
    client = connected(broker_url, "bare-pipeline-sender")
    client.loop_start()
    ready.wait(_PATIENCE_S)
    begun, cpu = time.time(), time.process_time()
    send_all(client, _TOPIC, payloads)
    results.put(("sender", (len(payloads), begun, time.process_time() - cpu)))
    client.disconnect()
    client.loop_stop()


def _receive(
    broker_url: str, database: str, count: int, per_group: int, ready: Any, results: Any
) -> None:
    client = connected(broker_url, "bare-pipeline-receiver", manual_ack=True)
    store = _Receiver(client, open_inserter(database), per_group)
    client.on_message = lambda _client, _data, message: store.take(message)
    client.on_subscribe = lambda *_: ready.set()
    client.subscribe(_TOPIC, qos=1)
    cpu, until = time.process_time(), time.monotonic() + _PATIENCE_S
    while store.stored < count and time.monotonic() < until:
        before = len(store.messages)
        client.loop(timeout=0.01)
        if store.messages and len(store.messages) == before:
            store.commit()
    results.put(("receiver", (store.stored, time.time(), time.process_time() - cpu)))
    store.close()
    client.disconnect()


class _Receiver:
    """Gathers messages, and acknowledges them when they are stored."""

    def __init__(self, client: paho.Client, inserter: Inserter, per_group: int) -> None:
        self._client, self._inserter, self._per_group = client, inserter, per_group
        self._rows: list[Row] = []
        self.messages: list[paho.MQTTMessage] = []
        self.stored = 0

    def take(self, message: paho.MQTTMessage) -> None:
        self._rows += json.loads(message.payload)
        self.messages.append(message)
        if len(self._rows) >= self._per_group:
            self.commit()

    def commit(self) -> None:
        if self._rows:
            self._inserter.insert(self._rows)
        for message in self.messages:
            self._client.ack(message.mid, message.qos)
        self.stored += len(self._rows)
        self._rows, self.messages = [], []

    def close(self) -> None:
        self._inserter.close()
