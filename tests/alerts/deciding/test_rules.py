"""Rules: first match, windows over midnight, plates, and always an answer."""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.routing import ladder, place_of
from alerts.deciding.rules import RuleBook, in_window, plate_matches
from config.event import Event, EventKind, PlateReading, Severity
from config.ids import uuid7
from config.routes import Window
from config.site import Role, Rule, Site

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


def event(text: str = "冀A12345", **changes: Any) -> Event:
    own = uuid7(NOON)
    fields: dict[str, Any] = {
        "id": own, "visit": own, "node": "node-east", "camera": "east-gate-in",
        "kind": EventKind.PLATE, "started_at": NOON, "captured_at": NOON,
        "plate": PlateReading(text=text, raw=text, confidence=1, characters=(), colour="blue",
                              plate_kind="blue"),
    }  # fmt: skip
    return Event(**{**fields, **changes})


def book(site: Site, *rules: Rule) -> RuleBook:
    return RuleBook(site.model_copy(update={"rules": rules}))


def test_the_first_match_answers_and_the_passed_over_say_why(example_site: Site) -> None:
    rules = book(
        example_site,
        Rule(id="other-grid", grids=("lixiang",)),
        Rule(id="night", after=time(22), before=time(6)),
        Rule(id="hit", plates=("冀A*",), severity=Severity.CRITICAL, escalate_after_s=5),
        Rule(id="never", action="ignore"),
    )
    verdict = rules.judge(event(), NOON)
    assert (verdict.rule_id, verdict.severity, verdict.escalate_after_s) == (
        "hit", Severity.CRITICAL, 5,
    )  # fmt: skip
    assert dict(verdict.passed_over) == {
        "other-grid": "grid is east-gate, not one of lixiang",
        "night": "local time Mon 12:00 is outside 22:00 to 06:00",
    }


HOLIDAY = {"calendar": {"holidays": [
    {"name": "国庆节", "first": "2026-03-02", "last": "2026-03-02"}]}}  # fmt: skip
"""For once on the Monday of these tests."""


@pytest.mark.parametrize(
    ("fits", "differs", "why"),
    [
        ({"kinds": ("plate",)}, {"kinds": ("face",)}, "kind is plate, not one of face"),
        ({"severities": ("info",)}, {"severities": ("critical",)}, "severity is info"),
        ({"zones": ("yard",)}, {"zones": ("street",)}, "zone is yard, not one of street"),
        ({"cameras": ("east-gate-in",)}, {"cameras": ("lixiang-road",)}, "camera is east-gate-in"),
        ({"grids": ("east-gate",)}, {"grids": ("lixiang",)}, "grid is east-gate"),
        ({"townships": ("城关镇",)}, {"townships": ("李巷乡",)}, "township is 城关镇"),
        ({"legal_classes": ("gated",)}, {"legal_classes": ("home",)}, "legal class is gated"),
        ({"plates": ("*345", "京*")}, {"plates": ("冀A?",)}, "plate"),
        ({"days": ("holiday",)}, {"days": ("workday",)}, "Mon"),
        ({"days": ("restday",), "after": "11:30", "before": "12:30"},
         {"days": ("restday",), "after": "12:30", "before": "11:30"}, "Mon 12:00"),
        ({"windows": ({"after": "22:00", "before": "06:00"}, {"days": ("holiday",)})},
         {"windows": ({"after": "22:00", "before": "06:00"}, {"days": ("sat",)})}, "Mon 12:00"),
    ],
)  # fmt: skip
def test_each_matcher_lets_in_what_fits_and_says_why_not(
    example_site: Site, fits: dict[str, Any], differs: dict[str, Any], why: str
) -> None:
    site = Site.model_validate(
        {**example_site.model_dump(), **HOLIDAY,
         "rules": [{"id": "yes", **fits}, {"id": "rest"}]}
    )  # fmt: skip
    seen = event(zone="yard", severity=Severity.INFO)
    assert RuleBook(site).judge(seen, NOON).rule_id == "yes"
    other = Site.model_validate(
        {**site.model_dump(), "rules": [{"id": "no", **differs}, {"id": "rest"}]}
    )
    verdict = RuleBook(other).judge(seen, NOON)
    assert verdict.rule_id == "rest"
    assert why in dict(verdict.passed_over)["no"]


def test_a_changed_site_forgets_the_rules_it_was_copied_from(example_site: Site) -> None:
    assert example_site.routes
    assert book(example_site, Rule(id="only")).site.routes.keys() >= {"only"}
    assert "only" not in book(example_site).site.routes


def test_without_rules_everything_alerts_but_motion(example_site: Site) -> None:
    rules = book(example_site)
    assert rules.judge(event(), NOON).is_alert
    assert not rules.judge(event(kind=EventKind.MOTION, plate=None), NOON).is_alert


def test_an_unknown_camera_still_reaches_the_police_desk(example_site: Site) -> None:
    stray = event(camera="nobody-listed-this")
    assert RuleBook(example_site).judge(stray, NOON).is_alert
    rungs = ladder(example_site, place_of(example_site, stray.camera), NOON)
    assert rungs.people(rungs.last) == ("police-desk",)


def test_the_events_own_severity_is_never_turned_down(example_site: Site) -> None:
    loud = event(severity=Severity.CRITICAL)
    assert book(example_site).judge(loud, NOON).severity is Severity.CRITICAL


@given(st.text("冀A1*?", max_size=8), st.text("冀A1", max_size=8))
def test_plate_patterns_agree_with_the_shells(pattern: str, text: str) -> None:
    assert plate_matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1)), st.times(), st.times())
def test_a_window_and_its_opposite_share_no_moment(
    example_site: Site, local: datetime, after: time, before: time
) -> None:
    if after != before:
        window, opposite = Window(after=after, before=before), Window(after=before, before=after)
        assert in_window(window, local, example_site) != in_window(opposite, local, example_site)


@pytest.mark.parametrize("role", [Role.POLICE, Role.ADMIN, Role.TOWNSHIP, Role.GRID_HEAD])
def test_the_root_always_answers(example_site: Site, role: Role) -> None:
    fewer = tuple(person for person in example_site.people if person.role is not Role.POLICE)
    kept = tuple(person for person in fewer if person.role is role) or fewer
    site = example_site.model_copy(update={"people": kept})
    rungs = ladder(site, place_of(site, "east-gate-in"), NOON)
    assert rungs.people(rungs.last)
