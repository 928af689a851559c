"""Nothing that an edge committed is lost and nothing is stored twice, whatever is killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest
from sqlalchemy import Engine, select

from config.clock import SystemClock
from config.topics import Topics
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.accounting import account
from ingest.broker import EmbeddedBroker
from ingest.engine import open_engine, reading
from ingest.migrate import upgrade
from ingest.schema import dead_letters, events, presence
from ingest.store import EventStore
from ingest.subscriber import Subscriber
from tests.delivery_actors import COUNTY, NODE, kill, start
from tests.events import motion, wait_until
from tests.servers import Mosquitto, Postgres, free_port

CLOCK = SystemClock()


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(port=free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["amqtt", "mosquitto"])
def broker_url(request: pytest.FixtureRequest) -> str:
    name = "embedded" if request.param == "amqtt" else "mosquitto"
    url: str = request.getfixturevalue(name).url
    return url


@contextmanager
def centre(engine: Engine, url: str, **options: Any) -> Iterator[Subscriber]:
    store = EventStore(engine, CLOCK)
    subscriber = Subscriber(broker_url=url, county=COUNTY, store=store, clock=CLOCK, **options)
    subscriber.start()
    assert subscriber.wait_until_up(60)
    try:
        yield subscriber
    finally:
        subscriber.stop()


@contextmanager
def node(path: Path, url: str, name: str = NODE) -> Iterator[Outbox]:
    outbox = Outbox.open(path, node=name, clock=CLOCK, budget_bytes=10**9)
    publisher = Publisher(outbox=outbox, broker_url=url, county=COUNTY, node=name, clock=CLOCK)
    publisher.start()
    try:
        yield outbox
    finally:
        publisher.stop()
        outbox.close()


def drained(outbox: Outbox) -> Callable[[], bool]:
    return lambda: outbox.pending() == 0


def test_from_the_outbox_to_the_store_and_back_as_a_receipt(
    broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    sent = [motion(camera=f"cam-{n % 3}", thumbnail=bytes(2_000)) for n in range(60)]
    with centre(engine, broker_url), node(tmp_path / "o.db", broker_url) as outbox:
        for event in sent:
            outbox.append(event)
        wait_until(drained(outbox), what="an empty outbox")
        store = EventStore(engine, CLOCK)
        assert [store.load(event.id) for event in sent] == sent
        result = account([tmp_path / "o.db"], engine)
        wait_until(lambda: state_of(engine) == "online", what="the birth")
    assert (result.committed, result.stored, result.outbox_left) == (60, 60, 0)
    assert (result.lost, result.duplicates, result.dead_letters) == (0, 0, 0)


def state_of(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return connection.execute(select(presence.c.state)).scalar_one_or_none()


def test_poison_is_buried_and_the_stream_goes_on(broker_url: str, tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    topics = Topics(COUNTY)
    port = int(broker_url.split(":")[-1].split("?")[0])
    poison = [b"", b"{", b"\xff" * 2_000, b"[" * 50_000, b'{"v":1,"node":"node-1","events":[]}']
    with centre(engine, broker_url), node(tmp_path / "o.db", broker_url) as outbox:
        for payload in poison:
            paho.mqtt.publish.single(topics.event("evil", "cam"), payload, qos=1, port=port)
        paho.mqtt.publish.single(topics.presence("evil"), b"alive", qos=1, port=port)
        # Receipts from somebody who is not the centre: nothing may be deleted for them.
        paho.mqtt.publish.single(topics.receipt(NODE), b"\0" * 100, qos=1, port=port)
        outbox.append(motion())
        wait_until(drained(outbox), what="an empty outbox")
        with reading(engine) as connection:
            rows = connection.execute(select(dead_letters)).all()
    assert len(rows) == len(poison) + 1
    assert all(row.reason for row in rows)
    assert account([tmp_path / "o.db"], engine).lost == 0
    engine.dispose()


def test_the_broker_loses_everything_and_nothing_is_lost(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    with node(tmp_path / "o.db", mosquitto.url) as outbox:
        for _ in range(30):
            outbox.append(motion())
        wait_until(lambda: "PUBLISH" in mosquitto.log, what="a message at the broker")
        mosquitto.kill()  # it has acknowledged; nobody had subscribed; all of it is gone
        for _ in range(30):
            outbox.append(motion())
        mosquitto.start()
        with centre(engine, mosquitto.url):
            wait_until(drained(outbox), what="an empty outbox")
    result = account([tmp_path / "o.db"], engine)
    assert (result.committed, result.stored) == (60, 60)
    assert (result.lost, result.duplicates) == (0, 0)
    engine.dispose()


def test_replicas_share_the_events_of_one_broker(
    mosquitto: Mosquitto, postgres_url: str, tmp_path: Path
) -> None:
    engines = [open_engine(postgres_url) for _ in range(2)]
    upgrade(engines[0])
    with (
        centre(engines[0], mosquitto.url, share="ingest"),
        centre(engines[1], mosquitto.url, share="ingest"),
        node(tmp_path / "a.db", mosquitto.url, "node-a") as first,
        node(tmp_path / "b.db", mosquitto.url, "node-b") as second,
    ):
        for _ in range(100):
            first.append(motion(node="node-a"))
            second.append(motion(node="node-b"))
        wait_until(lambda: first.pending() + second.pending() == 0, what="empty outboxes")
    result = account([tmp_path / "a.db", tmp_path / "b.db"], engines[0])
    assert (result.committed, result.stored) == (200, 200)
    assert (result.lost, result.duplicates, result.dead_letters) == (0, 0, 0)
    for engine in engines:
        engine.dispose()


def test_postgresql_is_killed_and_the_events_wait_for_it(
    mosquitto: Mosquitto, mortal_postgres: Postgres, tmp_path: Path
) -> None:
    engine = open_engine(mortal_postgres.new_database())
    upgrade(engine)
    with centre(engine, mosquitto.url), node(tmp_path / "o.db", mosquitto.url) as outbox:
        outbox.append(motion())
        wait_until(drained(outbox), what="the first receipt")
        mortal_postgres.kill()
        try:
            for _ in range(20):
                outbox.append(motion())
            wait_until(
                lambda: mosquitto.log.count("Received PUBLISH from edge") > 2, what="messages"
            )
            assert outbox.pending() == 20, "no receipt for what is not committed"
        finally:
            mortal_postgres.start()
        wait_until(drained(outbox), what="an empty outbox")
    result = account([tmp_path / "o.db"], engine)
    assert (result.committed, result.stored, result.lost, result.duplicates) == (21, 21, 0, 0)
    engine.dispose()


def test_what_the_access_list_denies_stays_in_the_outbox(tmp_path: Path) -> None:
    """MQTT acknowledges what the list denied; a receipt never comes, and nothing is lost."""
    access = tmp_path / "access"
    access.write_text(f"topic read #\ntopic write menshen/v1/{COUNTY}/presence/#\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {access}\n")
    access.chmod(0o644)
    broker.start()
    try:
        with node(tmp_path / "o.db", broker.url) as outbox:
            outbox.append(motion())
            wait_until(lambda: "Denied PUBLISH from edge" in broker.log, what="the denial")
            assert outbox.pending() == 1
    finally:
        broker.kill()


def test_a_node_whose_events_nobody_hears_says_so_until_the_centre_is_back(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A reason code of MQTT 5: the broker has taken the message, and had nobody to give it to."""
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    outbox = Outbox.open(tmp_path / "o.db", node=NODE, clock=CLOCK, budget_bytes=10**9)
    publisher = Publisher(
        outbox=outbox, broker_url=mosquitto.url, county=COUNTY, node=NODE, clock=CLOCK
    )
    publisher.start()
    try:
        outbox.append(motion())
        wait_until(lambda: "nobody listens" in publisher.trouble, what="the reason code")
        assert not publisher.is_denied
        with centre(engine, mosquitto.url):
            wait_until(drained(outbox), what="an empty outbox")
            wait_until(lambda: publisher.trouble == "", what="silence about it")
    finally:
        publisher.stop()
        outbox.close()
        engine.dispose()


@pytest.mark.timeout(600)
def test_kill_9_of_the_edge_the_ingest_and_the_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Every event that was told to be committed before a kill is stored, and once."""
    outbox, told, database = tmp_path / "o.db", tmp_path / "told", f"sqlite:///{tmp_path / 'c.db'}"
    edge_arguments = ("edge", str(outbox), mosquitto.url)
    ingest_arguments = ("ingest", database, mosquitto.url)
    running = {
        "edge": start(*edge_arguments, output=told),
        "ingest": start(*ingest_arguments, output=tmp_path / "log"),
    }
    chance = random.Random(20260301)
    try:
        for victim in ("edge", "ingest", "broker", "edge", "ingest"):
            goal = lines(told) + chance.randint(20, 60)
            wait_until(lambda goal=goal: lines(told) >= goal, what="more events")  # type: ignore[misc]
            if victim == "broker":
                mosquitto.kill()
                mosquitto.start()
                continue
            kill(running[victim])
            arguments = edge_arguments if victim == "edge" else ingest_arguments
            output = told if victim == "edge" else tmp_path / "log"
            running[victim] = start(*arguments, output=output)
        wait_until(lambda: state_in(database) == "online", what="the birth")
        kill(running.pop("edge"))
        wait_until(lambda: state_in(database) == "offline", what="the last will")
        running["edge"] = start(*edge_arguments, "drain", output=tmp_path / "log")
        assert running["edge"].wait(timeout=180) == 0
    finally:
        for process in running.values():
            kill(process)
    engine = open_engine(database)
    result = account([outbox], engine)
    assert (result.lost, result.duplicates, result.outbox_left) == (0, 0, 0)
    assert result.stored == result.committed >= lines(told)
    with reading(engine) as connection:
        stored = {
            (seq, name) for seq, name in connection.execute(select(events.c.seq, events.c.id))
        }
    promised = [line.split() for line in told.read_text().splitlines() if line.count("-") == 4]
    assert {(int(seq), name) for seq, name in promised} <= stored
    engine.dispose()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def state_in(database: str) -> str | None:
    engine = open_engine(database)
    try:
        return state_of(engine)
    finally:
        engine.dispose()


def test_an_outbox_in_use_is_refused_to_a_second_process(tmp_path: Path) -> None:
    outbox = Outbox.open(tmp_path / "o.db", node=NODE, clock=CLOCK, budget_bytes=10**9)
    second = start("edge", str(tmp_path / "o.db"), "mqtt://127.0.0.1:1", output=tmp_path / "log")
    assert second.wait(timeout=60) != 0
    assert outbox.append(motion()) == 1
    outbox.close()
