"""The machine's heat: the hottest zone counts, and a broken one is passed over."""

from __future__ import annotations

from pathlib import Path

from edge.health.node_health import NodeHealth, Resources
from edge.health.temperature import hottest_c


def zones(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (folder / f"thermal_zone{number}").mkdir()
        (folder / f"thermal_zone{number}" / "temp").write_text(text)
    return folder


def test_the_hottest_zone_counts_and_nonsense_does_not(tmp_path: Path) -> None:
    assert hottest_c(zones(tmp_path, "41500\n", "88000\n", "", "hot", "-274000", "999999")) == 88.0


def test_a_machine_that_tells_none_is_not_hot(tmp_path: Path) -> None:
    assert hottest_c(tmp_path) is None
    assert hottest_c(tmp_path / "missing") is None


def test_heat_is_told_once_and_is_over_only_when_it_has_cooled() -> None:
    health = NodeHealth()

    def at(degrees: float | None) -> list[bool]:
        found = health.resources(Resources(10**12, 10**12, 0, temperature_c=degrees))
        return [report.active for _, report in found if report.condition == "temperature"]

    assert [at(degrees) for degrees in (60, 84, 86, 90, 80, 74, 86, None)] == [
        [], [], [True], [], [], [False], [True], [False],
    ]  # fmt: skip
