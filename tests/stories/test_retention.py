"""What a county saw is gone at its time, from everywhere, and the proof of it stays."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, select, text
from typer.testing import CliRunner

from alerts.auditing.audit import AuditLog
from alerts.centre import Centre, Plan
from alerts.retention.cli import app
from alerts.retention.desk import HoldDesk
from alerts.retention.job import ACTION, RetentionJob, verify
from alerts.store import schema
from config.clock import FakeClock, SystemClock
from config.errors import UserError
from config.secrets import Secrets
from config.settings import Settings
from config.site import Site
from ingest.engine import open_engine, reading
from ingest.media import DiskStore
from ingest.migrate import upgrade
from ingest.retention import proof
from ingest.retention.holds import Scope
from ingest.schema import events
from tests.alerts.county import County, county_at
from tests.events import wait_until
from tests.retention import RetentionCentre

ROOT = Path(__file__).resolve().parents[2]
PLATE = "冀T8Q2W7"


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


@pytest.fixture
def media(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "media")


def everything(engine: Engine) -> str:
    """Every value of every table, as text."""
    found = []
    with reading(engine) as connection:
        for table in inspect(engine).get_table_names():
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()
            found += [f"{table}: {row!r}" for row in rows]
    return "\n".join(found)


def job(county: County, media: DiskStore) -> RetentionJob:
    return RetentionJob(county.engine, county.site, county.clock, media)


def test_no_plate_is_left_anywhere_when_its_time_has_come(county: County, media: DiskStore) -> None:
    first = county.plate(PLATE)
    alert = county.see(first)[0]
    county.see(county.plate(PLATE, visit=first))
    police = county.viewer("police-desk")
    county.service.acknowledge(police, alert.id, version=None)
    assert PLATE in everything(county.engine)
    county.clock.advance(31 * 86_400)
    swept = job(county, media).sweep()
    assert swept.events == 2
    left = everything(county.engine)
    assert PLATE not in left
    assert first.id in left, "only in proofs, and as a name"
    seen = county.service.get(police, alert.id)
    assert (seen.plate, seen.evidence, seen.acked_by) == (None, (), "police-desk")
    assert county.service.thumbnail(police, alert.id) is None
    past = county.service.stream(police, after=0)
    assert [item.alert.plate for item in past] == [None] * len(past)
    assert verify(county.engine, media).problem is None


def test_trouble_that_outlasts_its_events_still_ends_when_it_is_over(
    county: County, media: DiskStore
) -> None:
    silent = {"camera": "node-east", "condition": "node_silent"}
    county.see(county.health(active=True, **silent))
    county.clock.advance(40 * 86_400)
    assert job(county, media).sweep().events == 1
    assert len(county.see(county.health(active=True))) == 1, "it explains its cameras as before"
    assert county.see(county.health(active=False, **silent)) == []


def test_the_record_of_an_alert_goes_after_a_year(county: County, media: DiskStore) -> None:
    alert = county.see(county.plate(PLATE))[0]
    county.clock.advance(31 * 86_400)
    job(county, media).sweep()
    police = county.viewer("police-desk")
    county.service.acknowledge(police, alert.id, version=None)
    county.clock.advance(366 * 86_400)
    assert job(county, media).sweep().others == 0, "somebody still owes an answer"
    with county.engine.begin() as connection:
        connection.execute(schema.alerts.update().values(state="closed"))
    assert job(county, media).sweep().others == 1
    assert county.count(schema.alerts) == county.count(schema.stream) == 0
    assert county.count(schema.decisions) == 0
    (found,) = proof.find(county.engine, alert.id)
    assert (found.kind, found.rule) == ("alert", "records of alerts: kept 365 days")
    assert verify(county.engine, media).problem is None


def test_a_held_alert_keeps_also_what_joins_it(county: County, media: DiskStore) -> None:
    first = county.plate(PLATE)
    alert = county.see(first)[0]
    other = county.see(county.plate("冀A00001"))
    desk = HoldDesk(county.engine, county.site, county.clock)
    ends_at = county.clock.now() + timedelta(days=90)
    with pytest.raises(UserError, match="neither police nor administrator"):
        desk.ask(
            Scope(alert_id=alert.id), by="wang-fang", case_number="A", reason="b", ends_at=ends_at
        )
    asked = desk.ask(
        Scope(alert_id=alert.id),
        by="police-desk",
        case_number="A-2026-17",
        reason="theft",
        ends_at=ends_at,
    )
    with pytest.raises(UserError, match="second person"):
        desk.confirm(asked.id, by="police-desk")
    county.see(county.plate(PLATE, visit=first))
    desk.holds.confirm(asked.id, "admin")
    county.clock.advance(31 * 86_400)
    assert job(county, media).sweep().events == 1, other
    assert county.count(events) == 2
    seen = county.service.get(county.viewer("police-desk"), alert.id)
    assert seen.plate is not None
    assert desk.status().held_beyond == 2
    county.clock.advance(60 * 86_400)
    assert job(county, media).sweep().events == 2
    assert PLATE not in everything(county.engine)
    actions = {row.action for row in audit_rows(county)}
    assert {"hold-asked", ACTION} <= actions


def audit_rows(county: County) -> list[object]:
    with reading(county.engine) as connection:
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.seq)))


def test_the_audit_log_names_every_row_of_proof_once(county: County, media: DiskStore) -> None:
    for _ in range(2):
        county.see(county.plate(PLATE))
        county.clock.advance(31 * 86_400)
        job(county, media).sweep()
    job(county, media).sweep()
    told = [row.object for row in audit_rows(county) if row.action == ACTION]  # type: ignore[attr-defined]
    head = verify(county.engine, media).head
    spans = [tuple(map(int, line.removeprefix("deletions ").split("-"))) for line in told]
    assert spans[0][0] == 1
    assert [first for first, _ in spans[1:]] == [last + 1 for _, last in spans[:-1]]
    assert spans[-1][1] == head.rows
    assert AuditLog(county.engine, county.clock).verify() is None


# == real processes


def old_events(engine: Engine, site: Site, media: DiskStore, count: int) -> list[str]:
    """Events of 40 days ago, each with a picture of its own."""
    clock = FakeClock(datetime.now(UTC) - timedelta(days=40))
    centre = RetentionCentre(engine, site, clock, media)
    return [centre.see(pictures=(f"{number}".encode(),)).id for number in range(count)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_kill_9_in_the_middle_of_sweeps(
    database: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    example_site: Site,
    media: DiskStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_sqlite = database == "sqlite"
    url = f"sqlite:///{tmp_path / 'c.db'}" if is_sqlite else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    upgrade(engine)
    ids = old_events(engine, example_site, media, 150)
    chance = random.Random(20260302)
    words = [sys.executable, "-m", "tests.retention_actor", url, str(tmp_path / "media")]
    for _ in range(4):
        actor = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
        assert actor.stdout is not None
        assert actor.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.25))
        actor.kill()
        actor.wait()
        actor.stdout.close()
        with reading(engine) as connection:
            left = set(connection.execute(select(events.c.id)).scalars())
        proven = {name for name in ids if proof.find(engine, name)}
        assert proven == set(ids) - left, "what is gone is proven, and nothing else"
        assert verify(engine, media).problem is None
    RetentionJob(engine, example_site, SystemClock(), media).sweep()
    assert list(media.walk()) == []
    assert all(len(proof.find(engine, name)) == 1 for name in ids)
    assert verify(engine, media).problem is None
    assert AuditLog(engine, SystemClock()).verify() is None
    engine.dispose()


def test_the_centre_sweeps_by_itself(
    tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    folder = tmp_path / "data"
    folder.mkdir()
    engine = open_engine(f"sqlite:///{folder / 'centre.db'}")
    upgrade(engine)
    old_events(engine, example_site, DiskStore(folder / "media"), 3)
    plan = Plan(
        site=example_site,
        secrets=Secrets(),
        settings=Settings(data_dir=folder),
        parts=frozenset({"retention"}),
    )
    centre = Centre(plan, SystemClock())
    centre.start()
    try:
        wait_until(lambda: not list((folder / "media").rglob("*.jpg")), what="no file is left")
        wait_until(lambda: verify(engine, DiskStore(folder / "media")).rows >= 2, what="proof")
    finally:
        centre.stop()
        engine.dispose()


def test_the_commands_tell_hold_run_prove_and_verify(
    tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    upgrade(engine)
    first, second = old_events(engine, example_site, DiskStore(tmp_path / "media"), 2)
    engine.dispose()
    site = str(ROOT / "config" / "example_county.toml")

    def menshen(*words: str, ok: bool = True) -> str:
        done = CliRunner().invoke(app, [*words, "--site", site], catch_exceptions=False)
        assert (done.exit_code == 0) is ok, done.output
        return done.output

    assert json.loads(menshen("status", "--json"))["due"] == 2
    day = datetime.now(UTC) - timedelta(days=45)
    held = menshen(
        *("hold", "--camera", "east-gate-in", "--by", "police-desk", "--case", "A-1"),
        *("--reason", "theft", "--from", f"{day:%Y-%m-%d}", "--to", "2099-01-01"),
        *("--until", f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"),
    )
    hold_id = held.split()[2]
    assert json.loads(menshen("run", "--json"))["events"] == 0
    assert json.loads(menshen("status", "--json"))["held_beyond"] == 2
    assert "unconfirmed" in menshen("holds")
    with pytest.raises(UserError, match="second person"):
        menshen("confirm", hold_id, "--by", "police-desk")
    menshen("release", hold_id, "--by", "police-desk", "--reason", "case closed")
    assert json.loads(menshen("run", "--json"))["files"] == 2
    assert "gated: kept 30 days" in menshen("proof", first)
    assert json.loads(menshen("proof", second, "--json"))["kind"] == "event"
    assert "No proof" in menshen("proof", "0" * 64, ok=False)
    told = menshen("verify")
    checkpoint = told.split()[-1]
    assert "2 rows prove 4 deletions" in told
    menshen("verify", "--checkpoint", checkpoint)
    menshen("verify", "--checkpoint", f"9:{'0' * 64}", ok=False)
    with pytest.raises(UserError, match="ROWS:HASH"):
        menshen("verify", "--checkpoint", "nonsense")
    with pytest.raises(UserError, match="at least 30 days"):
        menshen(
            "erase", "--camera", "east-gate-in", "--before", "2099-01-01", "--by", "police-desk"
        )
    with pytest.raises(UserError, match="neither police"):
        menshen("erase", "--camera", "home-li-qiang", "--before", "2026-01-01", "--by", "sun-mei")
    menshen("erase", "--camera", "home-li-qiang", "--before", "2026-01-01", "--by", "li-qiang")
