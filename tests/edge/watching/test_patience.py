"""A child that waits for a processor is spared, one that hangs is not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.clock import FakeClock
from edge.watching.patience import Effort, Patience, effort_of
from tests.edge.cameras import until

HANG_S, STARVED_S = 12.0, 48.0


def killed_after(effort: Callable[[float], Effort], *, step_s: float = 0.25) -> float:
    """Seconds from the last sign of life until the watchdog gives a child up."""
    clock, patience = FakeClock(), Patience(STARVED_S)
    patience.restarted(clock.monotonic())
    for _ in range(10_000):
        clock.advance(step_s)
        now = clock.monotonic()
        if patience.silence_s(now, 0.0, partial(effort, now)) > HANG_S:
            return now
    raise AssertionError("never")


@pytest.mark.parametrize(
    "effort",
    [
        pytest.param(lambda _: Effort(ready=False, cpu_s=3.0), id="asleep or stopped"),
        pytest.param(lambda now: Effort(ready=True, cpu_s=now), id="spinning"),
        pytest.param(lambda now: Effort(ready=True, cpu_s=0.6 * now), id="spinning, some load"),
    ],
)
def test_what_hangs_is_given_up_within_fifteen_seconds(effort: Callable[[float], Effort]) -> None:
    assert HANG_S < killed_after(effort) <= 15


def test_what_waits_for_a_processor_is_spared_but_not_for_ever() -> None:
    after = killed_after(lambda now: Effort(ready=True, cpu_s=now / 40))
    assert 15 < after <= HANG_S + STARVED_S + 1


def test_a_starved_child_that_shows_life_again_is_as_good_as_new() -> None:
    clock, patience = FakeClock(), Patience(STARVED_S)
    patience.restarted(0.0)
    alive = 0.0
    for second in range(1, 400):
        clock.advance(1.0)
        if second % 40 == 0:
            alive = clock.monotonic() - 0.5
        silence = patience.silence_s(clock.monotonic(), alive, lambda: Effort(True, 0.0))
        assert silence <= HANG_S


def test_a_watchdog_that_was_not_there_holds_nothing_against_the_child() -> None:
    clock, patience = FakeClock(), Patience(STARVED_S)
    patience.restarted(0.0)
    clock.advance(40.0)  # nobody looked, and the child's last word in the pipe is old
    asleep = Effort(ready=False, cpu_s=0.0)
    assert patience.silence_s(clock.monotonic(), 20.0, lambda: asleep) <= HANG_S
    clock.advance(0.25)
    assert patience.silence_s(clock.monotonic(), 40.2, lambda: asleep) < 1
    for _ in range(60):
        clock.advance(0.25)
        silence = patience.silence_s(clock.monotonic(), 40.2, lambda: asleep)
    assert silence > HANG_S, "that it hangs now is seen in time all the same"


@given(st.lists(st.tuples(st.floats(0.01, 30), st.booleans(), st.floats(0, 30)), max_size=40))
def test_no_excuse_outlasts_its_limit(looks: list[tuple[float, bool, float]]) -> None:
    patience, now, cpu = Patience(STARVED_S), 0.0, 0.0
    patience.restarted(now)
    for elapsed, ready, used in looks:
        now, cpu = now + elapsed, cpu + used
        silence = patience.silence_s(now, 0.0, partial(Effort, ready, cpu))
        assert now - STARVED_S - 1e-6 <= silence <= now


def test_the_kernel_tells_who_sleeps_and_who_works() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        until(lambda: not effort_of(sleeper.pid).ready)
        until(lambda: effort_of(worker.pid).ready and effort_of(worker.pid).cpu_s > 0.05)
        assert effort_of(worker.pid, worker.pid).cpu_s > 0.05
    finally:
        for process in (sleeper, worker):
            process.kill()
            process.communicate()
    assert effort_of(worker.pid) == Effort(ready=False, cpu_s=0.0)
    assert effort_of(os.getpid(), threading.get_native_id()).ready
