"""An installer's change reaches the node and is kept, over a real broker, on both databases."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Engine

from config.clock import SystemClock
from config.desired import DesiredConfig
from config.site import Site
from edge.delivery.config_link import ConfigLink
from edge.delivery.configurator import Configurator
from ingest.configs import ConfigService, ConfigState, ConfigStore
from tests.events import wait_until
from tests.servers import Mosquitto

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
