"""A recording is refused where the law, or what a camera hides, forbids it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import UserError
from config.site import parse_site

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "example_county.toml"
GATE_OUT = '[[cameras]]\nid = "east-gate-out"'
MASKS = "masks = [[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]]\n"


def site_with(budget: str = "20_000_000_000", days: str = "7", more: str = "") -> str:
    """The example county, whose camera east-gate-in is recorded."""
    recording = f"[cameras.recording]\nbudget_bytes = {budget}\nkeep_days = {days}\n\n"
    return EXAMPLE.read_text(encoding="utf-8").replace(GATE_OUT, f"{more}{recording}{GATE_OUT}")


def test_a_camera_is_recorded_only_where_that_is_written() -> None:
    site = parse_site(site_with(), where="site.toml")
    gate_in, gate_out = site.camera("east-gate-in"), site.camera("east-gate-out")
    assert gate_in is not None
    assert gate_in.recording is not None
    assert (gate_in.recording.budget_bytes, gate_in.recording.keep_days) == (20_000_000_000, 7)
    assert gate_out is not None
    assert gate_out.recording is None


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (site_with(more=MASKS), "a camera with masks cannot be recorded"),
        (site_with(days="31"), "retention_days is 30 .class gated allows 90 at most"),
        (site_with(days="0"), "greater than or equal to 1"),
        (site_with(budget="1000"), "greater than or equal to 100000000"),
        (site_with(budget='"much"'), "valid integer"),
    ],
)
def test_what_may_not_be_is_refused_in_words(site: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_site(site, where="site.toml")
