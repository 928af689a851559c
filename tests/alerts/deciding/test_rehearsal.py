"""Rehearsing an event: what would happen is what does happen, and nothing really happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert
from typer.testing import CliRunner

from alerts.channels.schema import quiet_hours
from alerts.cli import app
from alerts.commands.looking import read_event, why
from alerts.deciding.rehearsal import rehearse, rehearse_on
from alerts.store import schema
from alerts.store.choices_schema import absences
from config.channel_site import Gateway
from config.errors import UserError
from config.event import EventKind
from config.ids import uuid7
from config.secrets import PersonSecret, Secrets
from config.site import Site, parse_site
from ingest.engine import writing
from tests.alerts.county import DAY, County, county_at, sqlite_url

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "config" / "example_county.toml"
CAR = {
    "camera": "east-gate-in", "kind": "plate",
    "plate": {"text": "冀A12345", "raw": "冀A12345", "confidence": 0.9, "characters": [],
              "colour": "blue", "plate_kind": "blue"},
}  # fmt: skip


@pytest.fixture
def county(tmp_path: Path, example_site: Site) -> Iterator[County]:
    with county_at(sqlite_url(tmp_path), example_site) as made:
        yield made


def test_the_rehearsal_says_what_then_really_happens(county: County) -> None:
    event = county.plate()
    rehearsed = rehearse(county.site, event, county.clock.now())
    assert county.count(schema.alerts) == 0, "nothing really happened"
    alert = county.see(event)[0]
    really = [(timedelta(0), county.told(alert.id))]
    for minutes in range(5, 30, 5):
        before = len(county.told(alert.id))
        county.wait(300)
        really.append((timedelta(minutes=minutes), county.told(alert.id)[before:]))
    said = [(line.at - rehearsed.started_at, line.person_id) for line in rehearsed.told]
    assert said == [(after, name) for after, names in really for name in sorted(names)]
    assert said[-1] == (timedelta(minutes=25), "police-desk"), "once more, then as ever"


def test_what_people_arranged_counts_when_the_centre_is_asked(county: County) -> None:
    event = county.plate()
    now = county.clock.now()
    first = rehearse(county.site, event, now).told[0].person_id
    with writing(county.engine) as connection:
        connection.execute(
            insert(absences).values(
                id=uuid7(now), person=first, starts_at=now - timedelta(hours=1),
                ends_at=now + timedelta(hours=9), substitute="sun-mei", reason="", state="approved",
                asked_at=now, decided_at=now, decided_by="wang-fang",
            )
        )  # fmt: skip
    assert rehearse(county.site, event, now).told[0].person_id == first, "the file alone"
    asked = rehearse(county.site, event, now, live=county.engine)
    assert asked.told[0].person_id == "sun-mei"
    assert "替请假的" in why(asked, county.site, "sun-mei") or "当班" in asked.told[0].reason_zh
    assert "请假中，由孙梅替班" in why(asked, county.site, first)


def test_an_open_alert_tells_who_is_next(county: County) -> None:
    event = county.plate()
    county.see(event)
    county.wait(301)
    ahead = rehearse_on(county.engine, county.site, event.id, county.clock.now())
    assert ahead is not None
    beside = {line.person_id for line in ahead.told if line.step == 2}
    assert "zhao-lei" in beside
    assert beside <= {"liu-yang", "zhao-lei"}, "the deputy, unless they were on duty and told"
    assert ahead.told[0].at - county.clock.now() == timedelta(seconds=300)
    before = county.count(schema.deliveries)
    rehearse_on(county.engine, county.site, event.id, county.clock.now())
    assert county.count(schema.deliveries) == before
    ignored = county.face(camera="lixiang-road").model_copy(
        update={"kind": EventKind.MOTION, "face": None}
    )
    county.see(ignored)
    assert rehearse_on(county.engine, county.site, ignored.id, county.clock.now()) is None


def test_ways_and_quiet_hours_are_rehearsed_too(county: County) -> None:
    gateways = (
        Gateway(id="sms", kind="sms", url="https://sms.example"),
        Gateway(id="voice", kind="voice", url="https://voice.example"),
    )
    site = Site.model_validate({**county.site.model_dump(), "gateways": gateways})
    people = {person.id: PersonSecret(phone=SecretStr("1")) for person in site.people}
    event, now = county.plate(), county.clock.now()
    found = rehearse(site, event, now, secrets=Secrets(people=people))
    first = [(line.at - now, line.channel) for line in found.told if line.step == 0]
    assert first == [
        (timedelta(0), "inapp"), (timedelta(0), "sms"), (timedelta(seconds=30), "voice"),
    ]  # fmt: skip
    worker = found.told[0].person_id
    with writing(county.engine) as connection:
        row = {"person": worker, "starts": "09:00", "ends": "11:00", "set_at": now}
        connection.execute(insert(quiet_hours).values(row))
    still = rehearse(site, event, now, live=county.engine, secrets=Secrets(people=people))
    assert [line.channel for line in still.told if line.step == 0] == ["inapp"]
    assert "安静时段" in " ".join(one.reason_zh for one in still.decisions)


def run(tmp_path: Path, body: object, *words: str) -> object:
    path = tmp_path / "event.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return CliRunner().invoke(app, ["try", "--event", str(path), "--site", str(EXAMPLE), *words])


def test_the_command_needs_no_centre_and_prints_path_people_and_reasons(tmp_path: Path) -> None:
    done = run(tmp_path, CAR, "--at", "2026-03-02T10:00", "--person", "sun-mei")
    assert done.exit_code == 0, done.output
    for word in ("alert, notice", "everything-else", "王芳", "0:05:00", "孙梅 is not told"):
        assert word in done.output
    printed = json.loads(run(tmp_path, CAR, "--at", "2026-03-02T10:00", "--json").output)
    assert printed["told"][0]["person_id"] in ("liu-yang", "chen-jie")
    assert printed["explanation"]["decisions"]
    ignored = run(tmp_path, {"camera": "east-gate-in", "kind": "motion"}, "--person", "wang-fang")
    assert "no alert" in ignored.output
    assert "nobody is, for the event raises no alert" in ignored.output


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[1]", "is no JSON object"),
        ({}, "camera"),
        ({"camera": "x", "kind": "ufo"}, "kind"),
        ({**CAR, "speed": 3}, "speed"),
        ({**CAR, "id": "1; DROP TABLE alerts"}, "id"),
    ],
)
def test_what_is_no_event_is_refused_by_name(tmp_path: Path, body: object, problem: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        read_event(path, DAY)
    with pytest.raises(UserError, match="cannot be read"):
        read_event(tmp_path / "absent.json", DAY)


TREE = """
[[rules]]
id = "gates"
legal_classes = ["gated"]
severity = "warning"
escalate_after_s = 60
[[rules.rules]]
id = "gates-on-holidays"
days = ["restday"]
first_step = "grid_head"
also_tell = ["sun-mei"]
[[rules.rules.rules]]
id = "taxis"
plates = ["冀AT????", "*警"]
action = "ignore"
[[rules]]
id = "rest"
"""


@pytest.mark.parametrize(
    ("day", "text", "rule", "first"),
    [
        ((2026, 10, 2), "冀A12345", "gates-on-holidays", ["sun-mei", "wang-fang"]),
        ((2026, 10, 2), "冀AT1234", "taxis", []),
        ((2026, 10, 9), "冀A12345", "gates", ["worker"]),
        ((2026, 10, 10), "冀A12345", "gates", ["worker"]),
        ((2026, 10, 11), "冀A12345", "gates-on-holidays", ["sun-mei", "wang-fang"]),
    ],
)
def test_a_tree_with_holidays_and_worked_saturdays(
    county: County, day: tuple[int, int, int], text: str, rule: str, first: list[str]
) -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    head, _, _ = example.partition("[[rules]]")
    site = parse_site(head + TREE, where="county.toml")
    now = datetime(*day, 4, tzinfo=UTC)
    found = rehearse(site, county.plate(text), now, steps=1)
    told = sorted(line.person_id or "" for line in found.told if line.at == now)
    worker = {"liu-yang", "chen-jie"}
    assert ["worker" if name in worker else name for name in told] == first
    (reason,) = [one for one in found.decisions if one.stage == "rule"]
    assert rule in reason.reason_en
    if rule == "taxis":
        assert "by gates > gates-on-holidays > taxis" in reason.reason_en
    if rule == "gates-on-holidays":
        below = [one.reason_en for one in found.decisions if "begins higher up" in one.reason_en]
        assert below, "the worker on duty is not told, and it says why"
