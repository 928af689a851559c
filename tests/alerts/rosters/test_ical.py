"""Calendar files: read back by another parser's rules, in the zone, folded, and stable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from icalendar import Calendar
from typer.testing import CliRunner

from alerts.cli import app
from alerts.rosters.duty import Arrangements, Swap, turns
from alerts.rosters.ical import duty_calendar
from config.duty import Absence
from config.site import Site

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
ROOT = Path(__file__).resolve().parent.parent.parent.parent


def events(data: bytes) -> list[tuple[datetime, datetime]]:
    found = Calendar.from_ical(data).walk("VEVENT")
    return [(one["DTSTART"].dt, one["DTEND"].dt) for one in found]


def test_the_file_holds_exactly_the_turns_with_swaps_and_leave(example_site: Site) -> None:
    first = turns(example_site, "east-gate", NOW, NOW + MONTH)[4]
    arranged = Arrangements(
        swaps=(Swap("east-gate", first.start, first.end, "liu-yang", "wang-fang"),),
        absences=(Absence("chen-jie", NOW, NOW + timedelta(days=3), "sun-mei"),),
    )
    for person in ("liu-yang", "chen-jie", "wang-fang", "sun-mei"):
        data = duty_calendar(example_site, person, NOW, NOW + MONTH, now=NOW, arranged=arranged)
        expected = [
            (turn.start, turn.end)
            for grid in example_site.grids
            for turn in turns(example_site, grid.id, NOW, NOW + MONTH, arranged)
            if person in turn.people
        ]
        assert events(data) == expected, person
        assert expected, "somebody with turns"


def test_it_is_well_formed_by_rfc_5545(example_site: Site) -> None:
    long = example_site.grids[0].model_copy(update={"name": "东门；网格, 很长的名字" * 8})
    site = example_site.model_copy(update={"grids": (long, *example_site.grids[1:])})
    data = duty_calendar(site, "liu-yang", NOW, NOW + MONTH, now=NOW)
    lines = data.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert max(len(line) for line in lines) <= 75
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert data.count(b"BEGIN:VTIMEZONE") == 1
    assert b"DTSTART;TZID=Asia/Shanghai:" in data
    event = Calendar.from_ical(data).walk("VEVENT")[0]
    assert event["SUMMARY"].startswith("值班 东门；网格, 很长的名字"), (
        "escaped and folded, and back"
    )


def test_a_turn_keeps_its_uid_from_one_export_to_the_next(example_site: Site) -> None:
    def uids(now: datetime) -> dict[datetime, str]:
        data = duty_calendar(example_site, "liu-yang", now, now + MONTH, now=now)
        found = Calendar.from_ical(data).walk("VEVENT")
        assert len({str(one["UID"]) for one in found}) == len(found)
        return {one["DTSTART"].dt: str(one["UID"]) for one in found}

    earlier, later = uids(NOW), uids(NOW + timedelta(days=5))
    common = earlier.keys() & later.keys()
    assert common
    assert all(earlier[start] == later[start] for start in common)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_where_clocks_are_turned_the_wall_clock_is_kept(example_site: Site, zone: str) -> None:
    county = example_site.county.model_copy(update={"zone": zone})
    site = example_site.model_copy(update={"county": county})
    data = duty_calendar(site, "liu-yang", NOW, NOW + 3 * MONTH, now=NOW)
    starts = {start.astimezone(site.duty.zone).hour for start, _ in events(data)}
    assert starts == {8, 20}


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    out = tmp_path / "liu-yang.ics"
    site = str(ROOT / "config" / "example_county.toml")
    words = ["roster", "ical", "liu-yang", "--days", "7", "--site", site, "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert len(events(out.read_bytes())) >= 14
