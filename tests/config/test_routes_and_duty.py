"""Routing tree, calendar and duty of a site file: mistakes are named; days are what they are."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UserError
from config.holidays import WEEKDAYS, Calendar, Holiday
from config.routes import resolve
from config.site import parse_site

EXAMPLE = (Path(__file__).parent.parent.parent / "config" / "example_county.toml").read_text(
    encoding="utf-8"
)
SITE = EXAMPLE[: EXAMPLE.index("[[rules]]")]
TREE = """
[[rules]]
id = "gates"
legal_classes = ["gated"]
severity = "warning"
escalate_after_s = 60
[[rules.rules]]
id = "at-night"
after = 22:00:00
before = 06:00:00
[[rules.rules]]
id = "lorries"
plates = ["冀A*挂"]
escalate_after_s = 600
also_tell = ["liu-yang"]
"""
DUTY = """
[[overrides]]
grid = "east-gate"
start = 2026-02-16T20:00:00
end = 2026-02-17T08:00:00
people = ["liu-yang"]
[[leaves]]
person = "wang-fang"
start = 2026-08-01T00:00:00
end = 2026-08-15T00:00:00
substitute = "zhao-lei"
"""


def test_a_rule_has_what_it_does_not_set_from_the_one_around_it() -> None:
    routes = resolve(parse_site(SITE + TREE, where="county.toml").rules)
    assert (routes["at-night"].severity, routes["at-night"].escalate_after_s) == ("warning", 60)
    lorries = routes["lorries"]
    assert (lorries.severity, lorries.escalate_after_s) == ("warning", 600)
    assert (lorries.path, lorries.also_tell) == (("gates", "lorries"), ("liu-yang",))
    assert {"default-ignore-motion", "default-alert"} <= routes.keys(), "the root always answers"


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ('plates = ["冀A*挂"]', 'platse = ["冀A"]', "rules[0].rules[1].platse", "not known"),
        ('plates = ["冀A*挂"]', 'plates = ["(a+)+$"]', "plates", "match pattern"),
        ('plates = ["冀A*挂"]', f'plates = ["{"*a" * 20}"]', "plates", "match pattern"),
        ('["liu-yang"]\n', '["nobody"]\n', None, "rule lorries: also_tell: there is no 'nobody'"),
        ('id = "lorries"', 'id = "gates"', None, "rules: id 'gates' is used twice"),
        ('id = "lorries"', 'id = "lorries"\ntownships = ["南镇"]', None, "there is no '南镇'"),
        ('id = "lorries"', 'id = "lorries"\ndays = ["monday"]', "days", "'workday'"),
        ('id = "lorries"', 'id = "lorries"\nfirst_step = "mayor"', "first_step", "'grid_head'"),
    ],
)
def test_a_mistake_in_the_tree_is_named(old: str, new: str, field: str | None, words: str) -> None:
    assert old in TREE
    text = SITE + TREE.replace(old, new, 1)
    with pytest.raises(UserError, match=r"county\.toml") as caught:
        parse_site(text, where="county.toml")
    assert words in str(caught.value)
    if field is not None:
        assert field in (caught.value.field or "")
        assert caught.value.line is not None
        assert new.split("\n")[-1].split(" = ")[0] in text.splitlines()[caught.value.line - 1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("end = 2026-02-17T08:00:00", "end = 2026-02-16T08:00:00", "end must be after start"),
        ("end = 2026-02-17T08:00:00", "end = 2026-02-17T08:00:00+08:00", "both start and end"),
        ('people = ["liu-yang"]', "people = []", "at least 1"),
        ('people = ["liu-yang"]', 'people = ["nobody"]', "there is no 'nobody'"),
        ('grid = "east-gate"', 'grid = "nowhere"', "there is no 'nowhere'"),
        ('substitute = "zhao-lei"', 'substitute = "wang-fang"', "must be somebody else"),
        ('substitute = "zhao-lei"', 'substitute = "nobody"', "there is no 'nobody'"),
        ('substitute = "zhao-lei"', 'substitue = "zhao-lei"', "not known"),
    ],
)
def test_a_mistake_in_the_duty_is_named(old: str, new: str, words: str) -> None:
    assert old in DUTY
    with pytest.raises(UserError, match=r"county\.toml") as caught:
        parse_site(SITE + DUTY.replace(old, new, 1), where="county.toml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2026-10-10]", "2026-10-12]", "no Saturday or Sunday"),
        ("last = 2026-10-07", "last = 2026-10-10", "also a holiday"),
        ("last = 2026-10-07", "last = 2026-09-07", "1 to 31 days"),
        ("last = 2026-10-07", "last = 2027-10-07", "1 to 31 days"),
    ],
)
def test_a_mistake_in_the_calendar_is_named(old: str, new: str, words: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(UserError) as caught:
        parse_site(EXAMPLE.replace(old, new, 1), where="county.toml")
    assert words in str(caught.value)


def test_rules_inside_rules_go_only_so_deep() -> None:
    levels = ['\n[[rules]]\nid = "r0"\n']
    levels += [f'[[rules{".rules" * n}]]\nid = "r{n}"\n' for n in range(1, 9)]
    parse_site(SITE + "".join(levels[:8]), where="county.toml")
    with pytest.raises(UserError, match="more than 8 levels deep"):
        parse_site(SITE + "".join(levels), where="county.toml")


def test_an_override_with_an_offset_is_that_moment_and_without_one_local() -> None:
    with_offset = DUTY.replace("20:00:00", "12:00:00Z", 1).replace("17T08:00:00", "17T00:00:00Z", 1)
    spans = [
        parse_site(SITE + text, where="county.toml").duty.overrides["east-gate"]
        for text in (DUTY, with_offset)
    ]
    assert spans[0] == spans[1]


days = st.dates(date(2026, 1, 1), date(2026, 12, 31))


@given(days, days, st.integers(0, 8), st.sets(days, max_size=20))
def test_every_day_is_either_worked_or_not(
    day: date, first: date, length: int, worked: set[date]
) -> None:
    holiday = Holiday(name="x", first=first, last=first + timedelta(days=length))
    is_off = holiday.first <= day <= holiday.last
    weekend = {one for one in worked if one.weekday() >= 5 and not first <= one <= holiday.last}
    calendar = Calendar(holidays=(holiday,), workdays=tuple(sorted(weekend)))
    assert calendar.fits(["workday"], day) != calendar.fits(["restday"], day)
    assert calendar.fits(["holiday"], day) == is_off
    assert not (is_off and calendar.fits(["workday"], day))
    assert calendar.fits(["workday"], day) == (not is_off and (day.weekday() < 5 or day in weekend))
    assert [calendar.fits([name], day) for name in WEEKDAYS].index(True) == day.weekday()
    assert not calendar.fits([], day)


def test_what_the_documentation_shows_is_a_site_file() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "routing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    before, _, after = EXAMPLE.partition("[calendar]")
    base = before + after[after.index("[[nodes]]") : after.index("[[rosters]]")]
    site = parse_site(base + "\n".join(blocks), where="docs/routing.md")
    assert {"taxis", "gates-at-night-on-free-days"} <= site.routes.keys()
    assert site.leaves
    assert site.overrides
    assert site.calendar.is_workday(date(2026, 10, 10))
