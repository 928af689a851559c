"""Bounds of retention: what a site file may ask for, and what is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import UserError
from config.site import LegalClass, Site, parse_site

EXAMPLE = (Path(__file__).parents[2] / "config" / "example_county.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("legal_class", list(LegalClass))
def test_every_legal_class_has_its_bounds(example_site: Site, legal_class: LegalClass) -> None:
    bounds = example_site.retention.of(legal_class)
    assert bounds.min_days <= bounds.max_days


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("retention_days = 30", "retention_days = 29", "class gated keeps 30 to 90 days"),
        ("retention_days = 30", "retention_days = 91", "class gated keeps 30 to 90 days"),
        ("retention_days = 7", "retention_days = 31", "class home keeps 0 to 30 days"),
        ("max_days = 60", "max_days = 29", "min_days is larger than max_days"),
        ("max_days = 60", "max_days = 366", "365"),
        ("record_days = 365", "record_days = 1", "30"),
        ("record_days = 365", "for_ever = true", "not known"),
    ],
)
def test_what_the_bounds_forbid_is_refused(old: str, new: str, words: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(UserError, match=words):
        parse_site(EXAMPLE.replace(old, new, 1), where="county.toml")
