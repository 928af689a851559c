"""Each node proves who it is with its certificate, and can speak for nobody else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.clock import SystemClock
from config.tls import TlsFiles
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.accounting import account
from ingest.broker_setup import CENTRE, write_broker_files
from ingest.deploy_cli import app
from ingest.engine import open_engine
from ingest.migrate import upgrade
from ingest.store import EventStore
from ingest.subscriber import Subscriber
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
        .replace("persistence false\nmax_inflight_messages 200\n", "")
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
        for part in (centre, *publishers):
            part.start()
        for name in NODES:
            outboxes[name].append(motion(node=name))
        wait_until(lambda: outboxes["node-a"].pending() == 0, what="node-a's receipt")
        wait_until(lambda: "Denied PUBLISH" in secured.log, what="the denial")
        assert outboxes["node-b"].pending() == 1
    finally:
        for part in (*publishers, centre):
            part.stop()
        secured.kill()
        for outbox in outboxes.values():
            outbox.close()
    result = account([tmp_path / f"{name}.db" for name in NODES], engine)
    assert (result.stored, result.outbox_left, result.lost, result.dead_letters) == (1, 1, 0, 0)
    engine.dispose()


def test_without_a_certificate_nobody_comes_in(secured: Mosquitto, tmp_path: Path) -> None:
    secured.start()
    outbox = Outbox.open(tmp_path / "o.db", node="node-a", clock=CLOCK, budget_bytes=10**9)
    publisher = Publisher(
        outbox=outbox,
        broker_url=f"mqtts://127.0.0.1:{secured.port}",
        county=COUNTY,
        node="node-a",
        clock=CLOCK,
        tls=TlsFiles(tmp_path / "broker" / "ca.crt"),
    )
    try:
        publisher.start()
        outbox.append(motion(node="node-a"))
        wait_until(lambda: "peer did not return a certificate" in secured.log, what="a refusal")
        assert not publisher.is_up
        assert outbox.pending() == 1
    finally:
        publisher.stop()
        secured.kill()
        outbox.close()


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
