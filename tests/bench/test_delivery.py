"""The delivery benchmark: its arithmetic, and a short real run on both databases."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests.bench.cli import app
from tests.bench.delivery import Books, quantile, tenths

KEYS = {"events_per_s", "p50_ms", "p99_ms", "lost", "duplicates", "bare_limit_per_s"}
SHARES = {"of_bare_limit", "of_bare_pipeline", "bare_pipeline_per_s", "bare_cpu_us_per_event"}


def test_latency_counts_from_the_edge_or_from_the_beginning() -> None:
    edge = {"a": 10.0, "b": 12.0, "never": 12.0}
    books = Books(11.0, edge, {"a": 12.5, "b": 13.0}, groups=(2,), messages=1)
    assert books.latencies() == [1.0, 1.5]
    assert books.events_per_s() == 1.0


def test_quantiles() -> None:
    assert quantile([], 0.5) == 0.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert quantile([float(n) for n in range(100)], 0.99) == 99.0


def test_memory_is_told_in_ten_stretches() -> None:
    assert tenths(()) == []
    assert tenths((4.0, 6.0)) == [4.0, 6.0]
    assert tenths(tuple(float(n // 10) for n in range(100))) == [float(n) for n in range(10)]


@pytest.mark.parametrize(
    "more",
    [["--database", "sqlite", "--seconds", "2"], ["--database", "postgresql", "--drain=600"]],
)
def test_a_short_run_loses_nothing(more: list[str]) -> None:
    words = ["delivery", "--nodes", "4", "--cameras", "12", "--rate", "60", "--json", *more]
    result = CliRunner().invoke(app, [*words, "--bare-seconds", "0.2"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert set(told) >= KEYS | SHARES
    assert all(told[key] > 0 for key in SHARES)
    assert told["ingest_mb"][-1] > 1
    assert (told["lost"], told["duplicates"]) == (0, 0)
    assert told["events_per_s"] > 0
    assert told["bare_limit_per_s"] > 0
