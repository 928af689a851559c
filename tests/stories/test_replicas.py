"""Replicas of ingest and router are replaced one by one under load, and nobody notices."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from alerts.auditing.findings import CENTRE
from alerts.store import schema
from config.clock import SystemClock
from config.event import Event, EventKind, PlateReading
from config.ids import uuid7
from config.site import Site
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.accounting import account
from ingest.engine import reading
from ingest.schema import events, routing_queue
from tests.events import wait_until
from tests.servers import Mosquitto

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "example_county.toml"
PARTS = ("ingest", "ingest", "router", "router")


class Replica:
    """One process of ``menshen centre run --only PART``."""

    def __init__(self, part: str, environment: dict[str, str], folder: Path, number: int) -> None:
        self.part = part
        self._log = folder / f"{part}-{number}.log"
        words = [sys.executable, "-m", "menshen", "centre", "run", "--site", str(EXAMPLE)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*words, "--only", part], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def wait_until_ready(self) -> None:
        """Wait for its word; fail with its log when it ends instead."""

        def is_ready() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return "is ready" in self._log.read_text()

        wait_until(is_ready, what=f"a ready {self.part}", limit_s=120)

    def end(self) -> None:
        """Ask it to end, as a service manager does, and see it end in order."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=60) == 0, self._log.read_text()

    def kill(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Only PostgreSQL, for ``engine``."""
    return postgres_url


@pytest.mark.timeout(900)
def test_a_rolling_restart_under_load(
    mosquitto: Mosquitto, postgres_url: str, engine: Engine, example_site: Site, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "MENSHEN_BROKER": mosquitto.url,
        "MENSHEN_DATABASE": postgres_url,
        "MENSHEN_DATA_DIR": str(tmp_path / "data"),
    }
    numbers = iter(range(1_000))
    replicas = [Replica(part, environment, tmp_path, next(numbers)) for part in PARTS]
    outboxes = {name: tmp_path / f"{name}.db" for name in ("node-east", "node-lixiang")}
    load = Load(mosquitto.url, outboxes, example_site.county.id)
    try:
        for replica in replicas:
            replica.wait_until_ready()
        load.start()
        wait_until(lambda: len(served(mosquitto)) == 2, what="a share for both")
        for place in range(len(replicas)):
            before = load.sent
            replicas[place].end()
            wait_until(lambda goal=before + 40: load.sent > goal, what="load")  # type: ignore[misc]
            replicas[place] = Replica(PARTS[place], environment, tmp_path, next(numbers))
            replicas[place].wait_until_ready()
            wait_until(lambda goal=before + 80: load.sent > goal, what="load")  # type: ignore[misc]
            if PARTS[place] == "ingest":
                wait_until(lambda goal=3 + place: len(served(mosquitto)) == goal, what="a share")  # type: ignore[misc]
        load.stop()
        wait_until(load.is_drained, what="empty outboxes", limit_s=120)
        wait_until(lambda: rows(engine, routing_queue) == 0, what="an empty queue", limit_s=120)
    finally:
        load.close()
        for replica in replicas:
            replica.kill()
    result = account(outboxes.values(), engine)
    assert result.stored == result.committed == load.sent
    assert (result.lost, result.duplicates, result.outbox_left, result.dead_letters) == (0, 0, 0, 0)
    assert decided(engine, outboxes) == load.sent, "each was decided about, and once"
    assert "audit_broken" not in found_by_the_centre(engine), "four writers, and one whole log"
    assert len(served(mosquitto)) == 4, "both replicas and their successors had their share"


def served(mosquitto: Mosquitto) -> set[str]:
    """The replicas of ingest that the broker has handed anything."""
    return set(re.findall(r"Sending PUBLISH to (ingest-\w+)", mosquitto.log))


def rows(engine: Engine, table: object) -> int:
    with reading(engine) as connection:
        counted = select(func.count()).select_from(table)  # type: ignore[arg-type]
        return int(connection.execute(counted).scalar_one())


def decided(engine: Engine, nodes: Iterable[str]) -> int:
    """How many events of these nodes the routers have decided about."""
    links = schema.alert_events.c
    with reading(engine) as connection:
        of_nodes = (
            select(func.count())
            .select_from(schema.alert_events)
            .join(events, events.c.id == links.event_id)
            .where(events.c.node.in_(list(nodes)))
        )
        return int(connection.execute(of_nodes).scalar_one())


def found_by_the_centre(engine: Engine) -> set[str]:
    """The conditions that the centre's own auditors have told of."""
    with reading(engine) as connection:
        bodies = connection.execute(select(events.c.body).where(events.c.node == CENTRE)).scalars()
        own = [Event.model_validate_json(body) for body in bodies]
    return {event.health.condition for event in own if event.health is not None}


class Load:
    """Nodes that see something for as long as it runs."""

    def __init__(self, broker: str, outboxes: dict[str, Path], county: str) -> None:
        clock = SystemClock()
        self._outboxes = {
            name: Outbox.open(path, node=name, clock=clock, budget_bytes=10**9)
            for name, path in outboxes.items()
        }
        self._publishers = [
            Publisher(outbox=box, broker_url=broker, county=county, node=name, clock=clock)
            for name, box in self._outboxes.items()
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self.sent = 0

    def start(self) -> None:
        """Begin."""
        for publisher in self._publishers:
            publisher.start()
        self._thread.start()

    def stop(self) -> None:
        """See nothing more; what is in the outboxes still goes its way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def is_drained(self) -> bool:
        """True when the centre has everything."""
        return all(box.pending() == 0 for box in self._outboxes.values())

    def close(self) -> None:
        """End everything."""
        self.stop()
        for publisher in self._publishers:
            publisher.stop()
        for box in self._outboxes.values():
            box.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for name, box in self._outboxes.items():
                box.append(_car(name, self.sent))
                self.sent += 1
            time.sleep(0.02)


def _car(node: str, number: int) -> Event:
    now, name = datetime.now(UTC), uuid7(datetime.now(UTC))
    text = f"冀A{number % 20:05}"
    return Event(
        id=name,
        visit=name,
        node=node,
        camera="east-gate-in",
        kind=EventKind.PLATE,
        started_at=now,
        captured_at=now,
        plate=PlateReading(
            text=text, raw=text, confidence=0.9, characters=(), colour="blue", plate_kind="blue"
        ),
    )
