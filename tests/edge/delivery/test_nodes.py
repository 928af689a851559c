"""Simulated nodes: a believable day, the same for the same seed, and real outboxes behind it."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.clock import SystemClock
from edge.simulator.cli import app
from edge.simulator.node_events import make_event
from edge.simulator.nodes import Fleet, FleetPlan, node_names
from edge.simulator.traffic import Traffic, day_factor
from tests.events import MOMENT
from tests.servers import Mosquitto


def test_the_mean_of_a_day_is_one_and_rush_hours_are_busy() -> None:
    hours = [hour / 10 for hour in range(240)]
    assert sum(map(day_factor, hours)) / len(hours) == pytest.approx(1.0, abs=0.01)
    assert day_factor(17.5) > 5 * day_factor(3.0)
    assert day_factor(23.99) == pytest.approx(day_factor(0.0), rel=0.1)


def test_the_rate_is_kept_with_its_bursts_and_the_seed_repeats_it() -> None:
    def seen(seed: int) -> list[list[int]]:
        traffic = Traffic(50, 200.0, seed=seed)
        return [traffic.between(tick / 50, (tick + 1) / 50) for tick in range(5_000)]

    ticks = seen(7)
    assert sum(map(len, ticks)) == pytest.approx(200 * 100, rel=0.05)
    assert seen(7) == ticks != seen(8)
    # Poisson alone would give a variance near the mean, second by second.
    seconds = [sum(map(len, ticks[start : start + 50])) for start in range(0, 5_000, 50)]
    mean = sum(seconds) / len(seconds)
    assert sum((count - mean) ** 2 for count in seconds) / len(seconds) > 1.3 * mean


@given(nodes=st.integers(1, 300), cameras=st.integers(1, 5_000), parts=st.integers(1, 16))
def test_every_camera_is_in_exactly_one_part(nodes: int, cameras: int, parts: int) -> None:
    plan = FleetPlan(node_names(nodes, cameras), 100.0, Path(), "mqtt://x")
    shares = plan.split(parts)
    together = sorted(node for share in shares for node in share.nodes)
    assert together == sorted(plan.nodes)
    assert sum(count for _, count in plan.nodes) == max(cameras, nodes)
    assert sum(share.rate for share in shares) == pytest.approx(100.0)


@given(seed=st.integers(0, 2**32))
def test_what_nodes_report_is_valid(seed: int) -> None:
    event = make_event(
        random.Random(seed), node="node-1", camera="cam-1", now=MOMENT, thumbnail_bytes=500
    )
    assert type(event).model_validate_json(event.model_dump_json()) == event


def test_a_fleet_that_starts_again_has_its_backlog(tmp_path: Path) -> None:
    clock = SystemClock()
    told: list[tuple[str, int]] = []
    lock = threading.Lock()

    def committed(node: str, _event: str, seq: int) -> None:
        with lock:
            told.append((node, seq))

    plan = FleetPlan(node_names(3, 6), 300.0, tmp_path, "mqtt://127.0.0.1:1")
    fleet = Fleet(plan, clock, committed)
    fleet.fill(30)
    fleet.watch(0.2, threading.Event())
    fleet.settle()
    count = fleet.pending()
    fleet.close()
    assert count == len(told) >= 30
    for node in fleet.outboxes:
        numbers = [seq for name, seq in told if name == node]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    again = Fleet(plan, clock)
    assert again.pending() == count
    again.close()


def test_on_the_command_line_without_a_centre_everything_waits(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    words = ["nodes", "--nodes", "4", "--cameras", "8", "--rate", "80", "--seconds", "3"]
    words += ["--broker", mosquitto.url, "--folder", str(tmp_path), "--drain-s", "0", "--json"]
    result = CliRunner().invoke(app, [*words, "--processes", "2"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert '"waiting"' in result.stdout
    assert len(list(tmp_path.glob("node-*.sqlite"))) == 4
    assert "PUBLISH" in mosquitto.log
