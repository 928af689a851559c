"""``menshen alerts silence``, ``wartime``, ``precision``, stand-ins as an operator types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.cli import app
from alerts.life.state import Outcome
from config.clock import COUNTY_ZONE, SystemClock
from config.errors import UserError
from config.site import Site
from tests.alerts.county import County, county_at, sqlite_url

SITE = "config/example_county.toml"


@pytest.fixture
def county(tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[County]:
    monkeypatch.setenv("MENSHEN_DATABASE", sqlite_url(tmp_path))
    with county_at(sqlite_url(tmp_path), example_site, SystemClock().now()) as made:
        yield made


def run(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--site", SITE], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_silence_is_added_listed_and_ended(county: County) -> None:
    words = ("--as", "wang-fang", "--grid", "east-gate", "--hours", "3", "--reason", "检修")
    made = run("silence", "add", *words).strip()
    county.clock.advance(60)  # commands go by the machine's own clock
    assert county.see(county.plate()) == []
    assert made[:8] in run("silence", "list")
    run("silence", "end", made, "--as", "police-desk")
    assert county.silences.kept()[0].state == "ended"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--as", "nobody", "--grid", "east-gate"), "nobody is called"),
        (("--as", "police-desk"), "names cameras, grids or kinds"),
        (("--as", "police-desk", "--kind", "plate", "--most", "critical"), "critical"),
        (("--as", "chen-jie", "--kind", "plate"), "only police"),
    ],
)
def test_a_silence_that_may_not_be_is_refused_in_words(
    county: County, words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        run("silence", "add", *words, "--reason", "检修")
    assert county.silences.kept() == []


def test_wartime_takes_two(county: County) -> None:
    order = run("wartime", "ask", "--as", "police-desk", "--reason", "汛情").strip()
    with pytest.raises(UserError, match="same person"):
        run("wartime", "confirm", order, "--as", "police-desk")
    assert "Wartime holds until" in run("wartime", "confirm", order, "--as", "town-chengguan")
    county.clock.advance(60)
    assert county.wartime.posture().orders
    assert "active" in run("wartime", "list")
    run("wartime", "end", order, "--as", "police-desk")
    assert not county.wartime.posture().orders


def test_what_people_found_becomes_the_precision_of_a_camera_but_of_no_home(
    county: County,
) -> None:
    head = county.viewer("wang-fang")
    for number in range(12):
        alert = county.see(county.plate(f"冀A{number:05d}"))[0]
        county.service.acknowledge(head, alert.id, version=None)
        county.service.report(head, alert.id)
        outcome = Outcome.FALSE_ALARM if number % 3 == 0 else Outcome.RESOLVED
        county.service.close(head, alert.id, outcome=outcome)
    owner = county.viewer("li-qiang")
    county.see(county.face())
    own = county.service.open_alerts(owner)[0]
    county.service.acknowledge(owner, own.id, version=None)
    county.service.report(owner, own.id)
    county.service.close(owner, own.id, outcome=Outcome.FALSE_ALARM)
    lines = json.loads(run("precision", "--json"))
    assert [(line["camera"], line["right"], line["false"]) for line in lines] == [
        ("east-gate-in", 8, 4)
    ]
    assert "east-gate-in" in run("precision")


def in_hours(hours: float) -> str:
    moment = SystemClock().now().astimezone(COUNTY_ZONE) + timedelta(hours=hours)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def test_a_stand_in_is_entered_listed_and_ended(county: County) -> None:
    at_site = ("roster", "override")
    assert "No stand-in is entered" in run(*at_site, "list")
    words = ("--as", "wang-fang", "--grid", "east-gate", "--person", "liu-yang", "--person",
             "chen-jie", "--reason", "除夕")  # fmt: skip
    made = run(*at_site, "add", *words, "--from", in_hours(-1), "--to", in_hours(7)).strip()
    county.clock.advance(60)  # commands go by the machine's own clock
    alert = county.see(county.plate())[0]
    assert county.told(alert.id) == ["liu-yang"], "the very next alert"
    # A terminal of a test is narrow: the table's words are broken over its lines.
    listed = run(*at_site, "list").replace("\n", "")
    assert "刘洋" in listed
    assert "除" in listed
    assert "no longer on duty" in run(*at_site, "end", made, "--as", "wang-fang")
    assert "No stand-in is entered" in run(*at_site, "list")
    assert "ended" in run(*at_site, "list", "--past")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--as", "nobody"), "nobody is called"),
        (("--as", "sun-mei"), "not 孙梅's to change"),
        (("--as", "wang-fang", "--grid", "nowhere"), "lists no 'nowhere'"),
        (("--as", "wang-fang", "--to", "2020-01-01T00:00:00"), "is not after the start"),
        (("--as", "wang-fang", "--person", "police-desk"), "may not stand there"),
    ],
)
def test_a_stand_in_that_may_not_be_is_refused_in_words(
    county: County, words: tuple[str, ...], problem: str
) -> None:
    fit = (
        "--grid",
        "east-gate",
        "--person",
        "liu-yang",
        "--from",
        in_hours(1),
        "--to",
        in_hours(2),
    )
    with pytest.raises(UserError, match=problem):
        run("roster", "override", "add", *fit, *words)
    assert "No stand-in" in run("roster", "override", "list", "--past")
