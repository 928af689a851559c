"""What mosquitto of the same machine does without us, between two bare clients."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

_TOPIC = "bare/limit"
_UNANSWERED = 100


def messages_per_s(broker_url: str, payload_bytes: int, seconds: float) -> float:
    """QoS-1 messages of that size a second, from one bare paho client through to another."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ready = context.Event()
    arguments = (broker_url, payload_bytes, seconds)
    receiver = context.Process(target=_receive, args=(*arguments, ready, results), daemon=True)
    sender = context.Process(target=_send, args=(*arguments, ready), daemon=True)
    receiver.start()
    sender.start()
    rate: float = results.get(timeout=seconds + 60)
    sender.join()
    receiver.join()
    return rate


def connected(broker_url: str, name: str, *, manual_ack: bool = False) -> paho.Client:
    """A paho client that has asked the broker to connect."""
    parts = urlsplit(broker_url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, manual_ack=manual_ack)
    client.max_inflight_messages_set(0xFFFF)
    client.connect(parts.hostname or "127.0.0.1", parts.port or 1883)
    return client


def send_all(client: paho.Client, topic: str, payloads: Iterable[bytes]) -> None:
    """Publish with QoS 1, some messages ahead of the broker's answers; wait for the last one."""
    free = threading.Semaphore(_UNANSWERED)
    client.on_publish = lambda *_: free.release()
    for payload in payloads:
        free.acquire(timeout=5)
        client.publish(topic, payload, qos=1)
    client.publish(topic, b"[]", qos=1).wait_for_publish(10)


def _send(broker_url: str, payload_bytes: int, seconds: float, ready: Any) -> None:
    client = connected(broker_url, "bare-sender")
    client.loop_start()
    ready.wait()
    send_all(client, _TOPIC, _until(b"x" * payload_bytes, time.monotonic() + seconds))
    client.disconnect()
    client.loop_stop()


def _until(payload: bytes, moment: float) -> Iterator[bytes]:
    while time.monotonic() < moment:
        yield payload


def _receive(broker_url: str, _bytes: int, seconds: float, ready: Any, results: Any) -> None:
    client = connected(broker_url, "bare-receiver")
    times: list[float] = []
    ended = threading.Event()

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        times.append(time.monotonic())
        if message.payload == b"[]":
            ended.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.subscribe(_TOPIC, qos=1)
    client.loop_start()
    ended.wait(seconds + 30)
    client.disconnect()
    client.loop_stop()
    results.put((len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0)
