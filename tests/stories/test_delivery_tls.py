"""Each node proves who it is with its certificate, and can speak for nobody else."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from alerts.centre import Centre, Plan
from config.clock import SystemClock
from config.errors import UserError
from config.secrets import Secrets
from config.settings import Settings
from config.site import Site
from config.tls import TlsFiles, broker_tls, client_context
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from edge.node import EdgeNode
from edge.watching.group import GroupLimits
from ingest.accounting import account
from ingest.broker_setup import CENTRE, write_broker_files
from ingest.configs import ConfigStore
from ingest.deploy_cli import app
from ingest.engine import open_engine
from ingest.migrate import upgrade
from ingest.store import EventStore
from ingest.subscriber import Subscriber
from models.core import VisionCore
from tests.delivery_actors import COUNTY
from tests.events import motion, wait_until
from tests.servers import Mosquitto

CLOCK = SystemClock()
NODES = ("node-a", "node-b")


@pytest.fixture
def secured(tmp_path: Path) -> Mosquitto:
    folder = tmp_path / "broker"
    files = write_broker_files(
        folder, county=COUNTY, nodes=NODES, hosts=("127.0.0.1",), port=1, now=CLOCK.now()
    )
    # The test's server writes its own listener line; all else is as it was generated.
    rest = (
        files.configuration.read_text()
        .replace("listener 1\n", "")
        .replace("persistence false\nmax_inflight_messages 400\n", "")
    )
    return Mosquitto(tmp_path, extra=rest)


def tls(folder: Path, name: str) -> TlsFiles:
    return TlsFiles(folder / "ca.crt", folder / f"{name}.crt", folder / f"{name}.key")


@pytest.mark.parametrize("version", ["", "?version=3.1.1"])
@pytest.mark.parametrize("share", [None, "ingest"])
def test_a_node_cannot_speak_for_another(
    secured: Mosquitto, tmp_path: Path, version: str, share: str | None
) -> None:
    folder, url = tmp_path / "broker", f"mqtts://127.0.0.1:{secured.port}{version}"
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    centre = Subscriber(
        broker_url=url,
        county=COUNTY,
        store=EventStore(engine, CLOCK),
        clock=CLOCK,
        share=share,
        tls=tls(folder, CENTRE),
    )
    outboxes = {
        name: Outbox.open(tmp_path / f"{name}.db", node=name, clock=CLOCK, budget_bytes=10**9)
        for name in NODES
    }
    # node-a has taken node-b's name, but has only its own certificate.
    publishers = [
        Publisher(
            outbox=outboxes[name],
            broker_url=url,
            county=COUNTY,
            node=name,
            clock=CLOCK,
            tls=tls(folder, "node-a"),
        )
        for name in NODES
    ]
    secured.start()
    try:
        centre.start()
        for publisher in publishers:
            publisher.start()
        for name in NODES:
            outboxes[name].append(motion(node=name))
        wait_until(lambda: outboxes["node-a"].pending() == 0, what="node-a's receipt")
        wait_until(lambda: "Denied PUBLISH" in secured.log, what="the denial")
        assert outboxes["node-b"].pending() == 1
        assert publishers[0].trouble == ""
        if not version:
            # Only MQTT 5 has words for it; with 3.1.1 the growing outbox is all that is seen.
            wait_until(lambda: publishers[1].is_denied, what="the reason code")
            assert "access list denies" in publishers[1].trouble
    finally:
        for publisher in publishers:
            publisher.stop()
        centre.stop()
        secured.kill()
        for outbox in outboxes.values():
            outbox.close()
    result = account([tmp_path / f"{name}.db" for name in NODES], engine)
    assert (result.stored, result.outbox_left, result.lost, result.dead_letters) == (1, 1, 0, 0)
    engine.dispose()


@contextmanager
def node_a(
    secured: Mosquitto, tmp_path: Path, files: TlsFiles
) -> Iterator[tuple[Publisher, Outbox]]:
    """A node that knocks at the secured broker with ``files`` from now on."""
    secured.start()
    outbox = Outbox.open(tmp_path / "o.db", node="node-a", clock=CLOCK, budget_bytes=10**9)
    publisher = Publisher(
        outbox=outbox,
        broker_url=f"mqtts://127.0.0.1:{secured.port}",
        county=COUNTY,
        node="node-a",
        clock=CLOCK,
        tls=files,
    )
    try:
        publisher.start()
        yield publisher, outbox
    finally:
        publisher.stop()
        secured.kill()
        outbox.close()


def test_without_a_certificate_nobody_comes_in(secured: Mosquitto, tmp_path: Path) -> None:
    with node_a(secured, tmp_path, TlsFiles(tmp_path / "broker" / "ca.crt")) as (publisher, outbox):
        outbox.append(motion(node="node-a"))
        wait_until(lambda: "peer did not return a certificate" in secured.log, what="a refusal")
        assert not publisher.is_up
        assert outbox.pending() == 1


def test_a_certificate_of_another_authority_is_refused_and_the_node_says_why(
    secured: Mosquitto, tmp_path: Path
) -> None:
    write_broker_files(
        tmp_path / "other", county=COUNTY, nodes=NODES, hosts=("x",), port=1, now=CLOCK.now()
    )
    stranger = tls(tmp_path / "other", "node-a")
    files = TlsFiles(tmp_path / "broker" / "ca.crt", stranger.certificate, stranger.key)
    with node_a(secured, tmp_path, files) as (publisher, outbox):
        outbox.append(motion(node="node-a"))
        wait_until(lambda: "our certificate" in publisher.trouble, what="the refusal in words")
        assert not publisher.is_up
        assert outbox.pending() == 1


def test_a_broker_that_is_not_ours_is_not_spoken_to(secured: Mosquitto, tmp_path: Path) -> None:
    write_broker_files(
        tmp_path / "other", county=COUNTY, nodes=NODES, hosts=("x",), port=1, now=CLOCK.now()
    )
    with node_a(secured, tmp_path, tls(tmp_path / "other", "node-a")) as (publisher, _):
        wait_until(lambda: "not to be trusted" in publisher.trouble, what="our refusal")
        assert not publisher.is_up


@pytest.fixture
def county(secured: Mosquitto, example_site: Site, tmp_path: Path) -> Iterator[County]:
    made = County(secured, example_site, tmp_path)
    yield made
    made.stop()


class County:
    """A centre and its nodes, each with the certificates that its environment names."""

    def __init__(self, broker: Mosquitto, site: Site, folder: Path) -> None:
        self.broker, self.site, self.folder = broker, site, folder
        self.nodes = [node.id for node in site.nodes]
        write_broker_files(
            folder / "broker",
            county=site.county.id,
            nodes=self.nodes,
            hosts=("127.0.0.1",),
            port=1,
            now=CLOCK.now(),
        )
        rights = folder / "broker" / "access.acl"
        assert f"menshen/v1/{site.county.id}/" in rights.read_text()
        broker.start()
        self.secrets = Secrets(nodes={name: SecretStr(f"token-{name}") for name in self.nodes})
        plan = Plan(
            site=site,
            secrets=self.secrets,
            settings=self.settings(CENTRE, "centre"),
            parts=frozenset({"ingest"}),
        )
        self.centre = Centre(plan, CLOCK)
        self.centre.start()
        self.vision = VisionCore.open(
            models_dir=folder / "none", mirror=None, want=frozenset({"plates"})
        )
        self._running: list[tuple[EdgeNode, threading.Thread]] = []

    def settings(self, name: str, place: str) -> Settings:
        folder = self.folder / "broker"
        return Settings(
            broker=f"mqtts://127.0.0.1:{self.broker.port}",
            broker_ca=folder / "ca.crt",
            broker_certificate=folder / f"{name}.crt",
            broker_key=folder / f"{name}.key",
            data_dir=self.folder / place,
        )

    def node(self, name: str, *, certificate: str) -> EdgeNode:
        node = EdgeNode(
            site=self.site,
            node=name,
            secrets=self.secrets,
            settings=self.settings(certificate, f"edge-{name}-{certificate}"),
            vision=self.vision,
            clock=CLOCK,
            centre_url=None,
            seen=lambda event: None,
            limits=GroupLimits(log_level="error"),
        )
        thread = threading.Thread(target=node.run, kwargs={"seconds": None, "drain_s": 0.0})
        thread.start()
        self._running.append((node, thread))
        return node

    def stop(self) -> None:
        for node, _ in self._running:
            node.stop()
        for _, thread in self._running:
            thread.join()
        self.centre.stop()
        self.broker.kill()
        self.vision.close()


def test_node_and_centre_take_their_certificates_from_the_environment(county: County) -> None:
    name, other = county.nodes[:2]
    engine = open_engine(f"sqlite:///{county.folder / 'centre' / 'centre.db'}")
    store = ConfigStore(engine, CLOCK)
    good = county.node(name, certificate=name)
    liar = county.node(other, certificate=name)
    good._keep(motion(node=name))
    liar._keep(motion(node=other))
    try:
        wait_until(lambda: EventStore(engine, CLOCK).counts().events >= 1, what="the event")
        wait_until(lambda: "access list" in liar.report()["broker_trouble"], what="the denial")
        wait_until(lambda: good.report()["broker_trouble"] == "", what="a good node's silence")
        assert liar._outbox.pending() >= 1
        # The same certificate carries the configuration, and lets nobody read another's.
        store.want(name, county.site.cameras_of(name))
        store.want(other, county.site.cameras_of(other))
        wait_until(
            lambda: {one.node: one.state for one in store.states()}[name] == "applied",
            what="the configuration",
        )
        assert {one.node: one.state for one in store.states()}[other] is None
        assert liar.report()["configuration"] == 0
    finally:
        engine.dispose()


def test_files_that_do_not_fit_together_are_refused_in_words(tmp_path: Path) -> None:
    files = {"broker_certificate": tmp_path / "a.crt", "broker_key": tmp_path / "a.key"}
    with pytest.raises(UserError, match="MENSHEN_BROKER_KEY"):
        broker_tls(Settings(broker="mqtts://b", broker_certificate=tmp_path / "a.crt"))
    with pytest.raises(UserError, match="mqtts://host:8883"):
        broker_tls(Settings(broker="mqtt://b", **files))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="PEM"):
        client_context(broker_tls(Settings(broker="mqtts://b", **files)))  # type: ignore[arg-type]
    assert broker_tls(Settings(broker="mqtts://b")) is None


def test_the_command_writes_them_once_and_keys_are_private(tmp_path: Path) -> None:
    words = ["mosquitto", "--site", "config/example_county.toml", "--host", "broker.example"]
    words += ["--host", "192.0.2.7", "--out", str(tmp_path / "out")]
    for _ in range(2):
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    keys = list((tmp_path / "out").glob("*.key"))
    assert len(keys) >= 4
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    openssl = shutil.which("openssl")
    assert openssl is not None
    for certificate in (tmp_path / "out").glob("*.crt"):
        checked = subprocess.run(
            [openssl, "verify", "-CAfile", tmp_path / "out" / "ca.crt", certificate], check=False
        )
        assert checked.returncode == 0, certificate
