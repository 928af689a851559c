"""An installer's change reaches the node and is kept, over a real broker, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, update
from sqlalchemy.exc import OperationalError

from config.clock import SystemClock
from config.desired import DesiredConfig, ReportedConfig
from config.site import Site
from edge.delivery.config_link import ConfigLink
from edge.delivery.configurator import Configurator
from ingest.configs import ConfigService, ConfigState, ConfigStore
from ingest.engine import writing
from ingest.schema import node_configs
from tests.events import wait_until
from tests.servers import Mosquitto
from tests.small_disk import SmallDisk

CLOCK = SystemClock()
KEY = SecretStr("a node's token")


def test_wanted_at_the_centre_applied_at_the_node(
    mosquitto: Mosquitto, engine: Engine, example_site: Site, tmp_path: Path
) -> None:
    node = example_site.nodes[0].id
    cameras = example_site.cameras_of(node)
    store = ConfigStore(engine, CLOCK)
    service = ConfigService(
        broker_url=mosquitto.url, county="demo", store=store, keys={node: KEY}, clock=CLOCK
    )
    applied: list[DesiredConfig | None] = []
    made = Configurator(tmp_path / "conf", node=node, key=KEY, clock=CLOCK, apply=applied.append)
    link = ConfigLink(
        made, broker_url=mosquitto.url, county="demo", node=node, key=KEY, clock=CLOCK
    )

    def state() -> ConfigState:
        (found,) = store.states()
        return found

    service.start()
    store.want(node, cameras[:1])
    link.start()  # comes later than the document, which the broker has kept
    try:
        wait_until(lambda: state().state == "applied", what="the first revision")
        store.want(node, cameras)
        wait_until(lambda: state().running == 2, what="the second revision")
        wait_until(lambda: state().state == "applied", what="its end")
    finally:
        link.stop()
        service.stop()
    assert [len(document.cameras) for document in applied if document] == [1, len(cameras)]
    assert (state().wanted, state().problem) == (2, "")


def test_what_a_node_has_said_is_known_whoever_was_away_when_it_said_so(
    mosquitto: Mosquitto,
    engine: Engine,
    example_site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node says once that it runs a revision: the database was away, or all was forgotten."""
    node = example_site.nodes[0].id
    store = ConfigStore(engine, CLOCK)
    real, failures = store.record, iter(range(3))

    def away(report: ReportedConfig) -> None:
        if next(failures, None) is not None:
            raise OperationalError("UPDATE", {}, OSError("the database is away"))
        real(report)

    monkeypatch.setattr(store, "record", away)
    service = ConfigService(
        broker_url=mosquitto.url, county="demo", store=store, keys={node: KEY}, clock=CLOCK
    )
    disk = SmallDisk(tmp_path / "node", megabytes=1)
    applied: list[DesiredConfig | None] = []

    def started() -> ConfigLink:
        made = Configurator(
            disk.folder / "conf", node=node, key=KEY, clock=CLOCK, apply=applied.append
        )
        link = ConfigLink(
            made, broker_url=mosquitto.url, county="demo", node=node, key=KEY, clock=CLOCK
        )
        link.start()
        return link

    def is_applied() -> bool:
        (state,) = store.states()
        return (state.state, state.running) == ("applied", 1)

    link = started()
    disk.fill()
    store.want(node, example_site.cameras_of(node))
    service.start()
    try:
        wait_until(lambda: len(link._arrivals) > 0, what="a document that finds no room")
        assert applied == []
        disk.make_room()
        wait_until(is_applied, what="the report, though the database was away")

        link.stop()
        with writing(engine) as connection:
            connection.execute(update(node_configs).values(running=None, state=None))
        mosquitto.kill()  # and with it what it had kept
        mosquitto.start()
        link = started()
        wait_until(is_applied, what="the same report from the node that starts again")
        with writing(engine) as connection:
            connection.execute(update(node_configs).values(running=None, state=None))
        mosquitto.kill()
        mosquitto.start()
        wait_until(is_applied, what="the same report on another connection")
    finally:
        link.stop()
        service.stop()
        disk.close()
