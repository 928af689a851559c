"""An installer rolls out other cameras: a running node takes them, or goes back by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from alerts.config_cli import app
from config.clock import FakeClock, SystemClock
from config.desired import DesiredConfig, seal
from config.mqtt import BrokerAddress, MqttLink
from config.site import Site
from config.topics import Topics
from edge.delivery.config_link import ConfigLink
from edge.delivery.configurator import TRIAL_S, Configurator
from ingest.configs import ConfigService, ConfigState, ConfigStore
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.edge.cameras import encode_clip
from tests.events import wait_until
from tests.servers import Mosquitto
from tests.stories.live_world import NODE, LiveWorld, live_site_text

pytestmark = pytest.mark.timeout(900)
KEY = SecretStr("a node's token")
CLOCK = SystemClock()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LiveWorld]:
    built = LiveWorld(tmp_path, encode_clip(tmp_path / "yard.mp4", seconds=10, gop=20))
    built.start()
    yield built
    built.stop()


def menshen_config(world: LiveWorld, *words: str) -> dict[str, Any]:
    environment = {"MENSHEN_DATA_DIR": str(world.settings.data_dir)}
    done = CliRunner().invoke(app, [*words, "--json"], env=environment, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_masks_are_changed_in_a_running_stream_and_a_camera_less_starts_its_group_anew(
    world: LiveWorld, tmp_path: Path
) -> None:
    worker = world.node._worker
    (group,) = worker.groups
    wait_until(lambda: worker.cameras_online() == 3, what="the cameras")
    child = group.pid

    def roll_out(text: str) -> int:
        site = tmp_path / "county.toml"
        site.write_text(text)
        return int(menshen_config(world, "roll-out", "--site", str(site))[NODE])

    def applied(revision: int) -> bool:
        (state,) = menshen_config(world, "status")["nodes"]
        return (state["wanted"], state["running"], state["state"]) == (
            revision,
            revision,
            "applied",
        )

    text = live_site_text(world.rtsp_port)
    anew = text.replace("[0.5, 1.0]", "[0.25, 1.0]").replace("[0.5, 0.0]", "[0.25, 0.0]")
    assert roll_out(anew) == 1
    wait_until(lambda: applied(1), what="other masks")
    wait_until(lambda: group.cameras[1].masks[0][1] == (0.25, 0.0), what="the masks in the group")
    assert group.pid == child
    assert world.node.report()["configuration"] == 1

    head, _, rest = anew.partition('\n[[cameras]]\nid = "yard"')
    without_yard = head + rest[rest.index("\n[[cameras]]") :]
    assert roll_out(without_yard) == 2
    wait_until(lambda: applied(2), what="a camera less")
    wait_until(lambda: group.pid not in (None, child), what="another child")
    wait_until(lambda: worker.cameras_online() == 2, what="the two that are left")
    assert set(world.node.report()["cameras"]) == {"masked", "home"}
    assert group.restarts == 0, "a change is no crash"

    # What worked is there after a restart of the node, though its site file has three cameras.
    world.stop_node()
    world.start_node()
    wait_until(lambda: world.node.report()["configuration"] == 2, what="what was kept")
    wait_until(lambda: set(world.node.report()["cameras"]) == {"masked", "home"}, what="it")


def test_a_camera_that_cannot_run_is_refused_in_words(world: LiveWorld, tmp_path: Path) -> None:
    site = tmp_path / "county.toml"
    text = live_site_text(world.rtsp_port)
    head, _, rest = text.partition(f'sub_url = "rtsp://127.0.0.1:{world.rtsp_port}/yard/sub"\n')
    site.write_text(f'{head}gate = "substream"\n{rest}')
    menshen_config(world, "roll-out", "--site", str(site))

    def state() -> dict[str, Any]:
        (found,) = menshen_config(world, "status")["nodes"]
        return dict(found)

    wait_until(lambda: state()["state"] == "refused", what="the refusal")
    assert "sub_url" in state()["problem"]
    assert (state()["wanted"], state()["running"]) == (1, 0)
    assert world.node.report()["configuration"] == 0


class CutOff:
    """A node whose clock is ours, and a broker that keeps what a centre said before it died."""

    def __init__(self, broker: Mosquitto, site: Site, folder: Path) -> None:
        self.clock, self.node = FakeClock(), site.nodes[0].id
        self.applied: list[int] = []
        self._broker = broker
        self.engine = open_engine(f"sqlite:///{folder / 'c.db'}")
        upgrade(self.engine)
        self.store = ConfigStore(self.engine, CLOCK)
        self.configurator = Configurator(
            folder / "conf", node=self.node, key=KEY, clock=self.clock, apply=self._apply
        )
        self.link = ConfigLink(
            self.configurator,
            broker_url=broker.url,
            county="demo",
            node=self.node,
            key=KEY,
            clock=self.clock,
        )

    def _apply(self, document: DesiredConfig | None) -> None:
        self.applied.append(0 if document is None else document.revision)

    def centre(self) -> ConfigService:
        return ConfigService(
            broker_url=self._broker.url,
            county="demo",
            store=self.store,
            keys={self.node: KEY},
            clock=CLOCK,
        )

    def say_and_die(self, document: DesiredConfig) -> None:
        link = MqttLink(
            address=BrokerAddress.parse(self._broker.url),
            client_id="dying-centre",
            clock=CLOCK,
            on_up=lambda: None,
        )
        link.start()
        topic, payload = Topics("demo").desired(self.node), seal(document, KEY)
        wait_until(lambda: link.publish(topic, payload, retain=True) >= 0, what="the document")
        link.stop()

    def state(self) -> ConfigState:
        (found,) = self.store.states()
        return found

    def goes_on(self, seconds: float = 0.125) -> bool:
        """Called each 10 ms: no faster than that, or a slow answer would end a trial."""
        self.clock.advance(seconds)
        return True


def test_two_minutes_without_the_centre_bring_the_last_good_one_back(
    mosquitto: Mosquitto, example_site: Site, tmp_path: Path
) -> None:
    world = CutOff(mosquitto, example_site, tmp_path)
    cameras = example_site.cameras_of(world.node)
    centre = world.centre()
    centre.start()
    world.store.want(world.node, cameras)
    world.link.start()
    try:
        wait_until(lambda: world.goes_on() and world.state().state == "applied", what="the first")
        centre.stop()

        world.say_and_die(world.store.want(world.node, cameras[:1]))
        wait_until(lambda: world.goes_on() and world.configurator.is_trying, what="the second")
        assert world.applied[-1] == 2
        began = world.clock.monotonic()
        while world.clock.monotonic() < began + TRIAL_S - 5:
            world.goes_on(5)
        wait_until(lambda: world.goes_on(0.25) and world.applied[-1] == 1, what="going back")
        assert TRIAL_S <= world.clock.monotonic() - began <= TRIAL_S + 60

        centre = world.centre()
        centre.start()
        wait_until(
            lambda: world.goes_on() and world.state().state == "rolled_back", what="the report"
        )
        assert (world.state().wanted, world.state().running) == (2, 1)
        assert "not reached within 120 s" in world.state().problem
        assert world.applied[-1] == 1, "what was given up is not tried again by itself"

        world.store.want(world.node, cameras[:1])
        wait_until(lambda: world.goes_on() and world.state().running == 3, what="the third")
        wait_until(lambda: world.goes_on() and world.state().state == "applied", what="its end")
    finally:
        centre.stop()
        world.link.stop()
        world.engine.dispose()
