"""What a node shall run, at a centre that came back from a backup older than the node."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select, update

from config.clock import FakeClock
from config.desired import ReportedConfig, seal
from config.site import Site
from edge.delivery.configurator import Configurator
from ingest.configs import ConfigStore
from ingest.engine import reading, writing
from ingest.schema import node_configs

KEY = SecretStr("a node's token")
TOPIC = "menshen/v1/demo/desired/node-east"


class World:
    """A centre and its node, with the broker left out."""

    def __init__(self, engine: Engine, site: Site, folder: Path) -> None:
        self.engine, self.clock = engine, FakeClock()
        self.store = ConfigStore(engine, self.clock)
        self.node = site.nodes[0].id
        self.cameras = site.cameras_of(self.node)
        self._folder = folder
        self.made = self._started()

    def _started(self) -> Configurator:
        return Configurator(
            self._folder, node=self.node, key=KEY, clock=self.clock, apply=lambda _document: None
        )

    def want(self, cameras: int) -> None:
        self.clock.advance(60)
        self.store.want(self.node, self.cameras[:cameras])

    def carry(self) -> None:
        """What is wanted reaches the node, and what it says the centre."""
        self.clock.advance(60)
        (document,) = self.store.wanted()
        self._heard(self.made.offer(seal(document, KEY), topic=TOPIC))
        self._heard(self.made.reached_centre())

    def connect_again(self) -> None:
        self.clock.advance(60)
        self.made = self._started()
        self._heard(self.made.start())

    def _heard(self, report: ReportedConfig | None) -> None:
        if report is not None:
            self.store.record(report)

    def give_up(self) -> None:
        """The newest document has reached the node, and the centre's answer has not."""
        (document,) = self.store.wanted()
        self.made.offer(seal(document, KEY), topic=TOPIC)
        self.clock.advance(121)
        self._heard(self.made.look())

    def row(self) -> dict[str, object]:
        with reading(self.engine) as connection:
            return dict(connection.execute(select(node_configs)).one()._mapping)

    def restore(self, row: dict[str, object]) -> None:
        with writing(self.engine) as connection:
            connection.execute(update(node_configs).values(**row))


@pytest.fixture
def world(engine: Engine, example_site: Site, tmp_path: Path) -> World:
    return World(engine, example_site, tmp_path / "conf")


@pytest.mark.parametrize(
    ("is_heard_first", "is_given_up"), [(True, False), (False, False), (False, True)]
)
def test_a_roll_out_after_a_restored_backup_reaches_the_node(
    world: World, is_heard_first: bool, is_given_up: bool
) -> None:
    world.want(1)
    world.carry()
    backup = world.row()
    for cameras in (2, 1, 2):
        world.want(cameras)
        world.carry()
    if is_given_up:
        world.want(1)
        world.give_up()
    world.restore(backup)
    if is_heard_first:
        world.connect_again()
    world.want(1)
    world.carry()
    if not is_heard_first:
        # The node passes over a number that it knows, and says where it is when it comes back.
        world.connect_again()
        world.carry()
    (state,) = world.store.states()
    assert (state.state, state.running) == ("applied", state.wanted)
    assert len(world.store.wanted()[0].cameras) == 1


def test_what_a_backup_wanted_is_not_wanted_anew_by_itself(world: World) -> None:
    """It may lack the newest mask: somebody decides."""
    world.want(1)
    world.carry()
    backup = world.row()
    world.want(2)
    world.carry()
    world.restore(backup)
    world.connect_again()
    (state,) = world.store.states()
    assert (state.wanted, state.running) == (1, 2)
    assert [document.revision for document in world.store.wanted()] == [1]
