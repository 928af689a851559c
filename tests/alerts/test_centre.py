"""The centre as a process's worth of parts, and the commands that look into its database."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import text, update
from typer.testing import CliRunner

from alerts import cli
from alerts.centre import Centre, Plan, chosen_parts, free_port
from alerts.journal import Journal
from alerts.store import schema
from alerts.store.work import Happened
from config.clock import SystemClock
from config.errors import UserError
from config.secrets import Secrets
from config.settings import Settings
from config.site import Site
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.engine import writing
from tests.alerts.county import County, county_at
from tests.events import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


class Listening(Journal):
    """A journal that also rings when an alert has opened."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.opened = threading.Event()
        super().__init__(self.text, SystemClock())

    def _alert(self, change: Happened, latency_ms: float | None) -> None:
        super()._alert(change, latency_ms)
        self.opened.set()


def test_an_event_from_an_edge_becomes_an_alert_and_the_edge_forgets_it(
    tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENSHEN_BROKER", raising=False)
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    clock, journal = SystemClock(), Listening()
    plan = Plan(
        site=example_site,
        secrets=Secrets(),
        settings=Settings(data_dir=tmp_path / "centre"),
        port=0,
        broker_port=free_port("127.0.0.1"),
        parts=frozenset({"ingest", "router"}),
    )
    centre = Centre(plan, clock, journal)
    centre.start()
    assert centre.broker_url is not None
    outbox = Outbox.open(tmp_path / "out.db", node="node-east", clock=clock, budget_bytes=10**7)
    publisher = Publisher(
        outbox=outbox, broker_url=centre.broker_url, county="qinghe", node="node-east", clock=clock
    )
    try:
        publisher.start()
        with county_at(f"sqlite:///{tmp_path / 'other.db'}", example_site) as other:
            event = other.plate()
        outbox.append(event)
        assert journal.opened.wait(60)
        wait_until(lambda: outbox.pending() == 0, what="the receipt that lets the edge forget it")
    finally:
        publisher.stop()
        outbox.close()
        centre.stop()
    lines = [json.loads(line) for line in journal.text.getvalue().splitlines()]
    assert [(line["line"], line["event_id"]) for line in lines] == [
        ("event", event.id),
        ("alert", event.id),
    ]
    assert lines[1]["what"] == "opened"
    assert lines[1]["committed_to_alerted_ms"] >= 0


@pytest.fixture
def stored(tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose centre has seen three plates; the environment points at it."""
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    with county_at(f"sqlite:///{tmp_path / 'centre.db'}", example_site) as county:
        events = [county.plate(f"冀A0000{number}") for number in range(3)]
        county.see(*events)
        (tmp_path / "event").write_text(events[0].id)
    return tmp_path


def test_verify_says_how_long_the_chain_is_or_names_the_first_bad_row(
    stored: Path, example_site: Site
) -> None:
    good = CliRunner().invoke(cli.audit, ["verify"])
    assert (good.exit_code, "3 rows" in good.stdout) == (0, True)
    kept = CliRunner().invoke(cli.audit, ["checkpoint"]).stdout.strip()
    with county_at(f"sqlite:///{stored / 'centre.db'}", example_site) as county:
        _forge(county)
    bad = CliRunner().invoke(cli.audit, ["verify", "--checkpoint", kept])
    assert (bad.exit_code, bad.stdout[:5]) == (1, "Row 2")


def _forge(county: County) -> None:
    with writing(county.engine) as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(
            update(schema.audit).where(schema.audit.c.seq == 2).values(actor="nobody")
        )


def test_explain_prints_whom_it_reached_and_why(stored: Path) -> None:
    event_id = (stored / "event").read_text()
    site = str(ROOT / "config" / "example_county.toml")
    told = CliRunner().invoke(cli.app, ["explain", event_id, "--site", site, "--json"])
    assert json.loads(told.stdout)["relation"] == "opened"
    words = CliRunner().invoke(cli.app, ["explain", event_id, "--site", site])
    assert "Told" in words.stdout
    missing = CliRunner().invoke(cli.app, ["explain", "0" * 36, "--site", site])
    assert isinstance(missing.exception, UserError)


@pytest.mark.parametrize("text", ["", "router,cinema"])
def test_only_takes_known_parts(text: str) -> None:
    with pytest.raises(UserError, match="ingest, router, web"):
        chosen_parts(text)


def test_a_data_folder_without_a_database_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    result = CliRunner().invoke(cli.audit, ["verify"])
    assert isinstance(result.exception, UserError)
    assert "MENSHEN_DATA_DIR" in str(result.exception)
