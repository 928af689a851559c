"""Hostile messages through a real broker, hostile uploads to a real HTTP server with S3."""

from __future__ import annotations

import contextlib
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from alerts.centre import Centre, Plan
from config.clock import SystemClock
from config.ids import uuid7
from config.mqtt import BrokerAddress, MqttLink, Refusal
from config.secrets import Secrets
from config.settings import Settings
from config.site import load_site
from config.topics import Topics
from config.wire import encode
from ingest.store import EventStore
from tests.bench.hostile import COUNTY, hostile_message, hostile_request
from tests.events import batch_of, motion
from tests.s3_server import RcloneServer
from tests.servers import Mosquitto

_ON_THE_WAY = 100
_PATIENCE_S = 60.0
_SENTINEL = "node-9"
_EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "example_county.toml"


class StuckError(Exception):
    """Something does not answer any more."""


@dataclass
class Pipe:
    """A client of the broker that ingest listens to: ``send``, then ``settle``."""

    store: EventStore
    broker_url: str
    sent: int = 0
    unsendable: int = 0

    def __post_init__(self) -> None:
        clock = SystemClock()
        self._epoch = uuid7(clock.now())
        self._settled = 0
        self._free = threading.Semaphore(_ON_THE_WAY)
        self._link = MqttLink(
            address=BrokerAddress.parse(self.broker_url),
            client_id="hostile",
            clock=clock,
            on_up=lambda: None,
            on_published=self._published,
        )

    def start(self) -> None:
        """Connect."""
        self._link.start()
        _wait(lambda: self._link.is_up, "the broker does not answer")

    def stop(self) -> None:
        """Disconnect."""
        self._link.stop()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1.

        A topic with a NUL has no form in MQTT (5.0, 1.5.4-2): it is counted, and not sent.
        """
        if "\0" in topic:
            self.unsendable += 1
            return
        if not self._free.acquire(timeout=_PATIENCE_S):
            raise StuckError("the broker acknowledges nothing any more")
        _wait(lambda: self._link.publish(topic, payload) >= 0, "the broker does not answer")
        self.sent += 1

    def settle(self) -> None:
        """Wait until all that was sent has been dealt with: a good event behind it is stored.

        Raises:
            StuckError: it is not.
        """
        self._settled += 1
        seq = self._settled
        batch = batch_of([(seq, motion(node=_SENTINEL))], epoch=self._epoch, node=_SENTINEL)
        self.send(Topics(COUNTY).event(_SENTINEL, "cam-1"), encode(batch))
        _wait(
            lambda: self.store.received(_SENTINEL, self._epoch).covers(seq),
            "ingest stores nothing any more",
        )

    def _published(self, _mid: int, _refusal: Refusal | None) -> None:
        self._free.release()


@contextmanager
def centre(database: str, token: str) -> Iterator[tuple[str, str]]:
    """A whole centre with mosquitto and a real server that speaks S3: broker's and pages' address.

    Args:
        database: its address; the centre migrates it.
        token: of ``node-1``.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="menshen-fuzz-")))
        broker, bucket_server = Mosquitto(folder, is_verbose=False), RcloneServer(folder)
        broker.start()
        stack.callback(broker.kill)
        bucket_server.start()
        stack.callback(bucket_server.stop)
        bucket = bucket_server.new_bucket("evidence")
        settings = Settings(
            data_dir=folder / "centre",
            database=database,
            broker=broker.url,
            media=f"s3://{bucket.name}/files",
            s3_endpoint=bucket_server.endpoint,
            s3_access_key=bucket.access_key,
            s3_secret_key=bucket.secret_key,
        )
        example = load_site(_EXAMPLE)
        county = example.county.model_copy(update={"id": COUNTY})
        plan = Plan(
            site=example.model_copy(update={"county": county}),
            secrets=Secrets(nodes={"node-1": SecretStr(token)}),
            settings=settings,
            port=0,
            parts=frozenset({"ingest", "web"}),
        )
        running = Centre(plan, SystemClock())
        stack.callback(running.stop)
        running.start()
        assert running.url is not None
        yield broker.url, running.url


def upload(address: str, chance: random.Random, token: str) -> int | None:
    """One hostile upload, byte by byte as it is; the status, or None where no answer came back."""
    place, request = urlsplit(address), hostile_request(chance, token)
    headers = {"Host": place.netloc, "Connection": "close", "Content-Length": len(request.body)}
    lines = [f"PUT /v1/media/{request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (headers | request.headers).items()]
    told = ("\r\n".join(lines) + "\r\n\r\n").encode() + request.body
    with socket.create_connection((place.hostname, place.port), _PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(told)  # who is refused early is not read to the end
        try:
            first = connection.makefile("rb").readline()
        except OSError:
            return None
    words = first.split()
    return int(words[1]) if len(words) > 1 else None


def send_some(to: Pipe, count: int, chance: random.Random) -> None:
    """``count`` hostile messages, and the wait for their end."""
    for _ in range(count):
        to.send(*hostile_message(chance))
    to.settle()


def _wait(is_so: Callable[[], bool], problem: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise StuckError(problem)
        time.sleep(0.01)
