"""Back-off between 1 and 60 s, and an account that is never locked by us."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.streams.backoff import Backoff, LockOut, RetryPolicy


@given(seed=st.integers(), failures=st.integers(1, 200))
def test_every_wait_is_between_one_second_and_a_minute(seed: int, failures: int) -> None:
    backoff = Backoff(random=random.Random(seed))
    waits = [backoff.failed() for _ in range(failures)]
    assert all(1.0 <= wait <= 60.0 for wait in waits)
    assert failures < 12 or waits[-1] >= 30.0


def test_after_pictures_the_next_failure_is_a_first_one() -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 1.0


def test_two_cameras_do_not_come_back_in_one_moment() -> None:
    first, second = Backoff(random=random.Random(1)), Backoff(random=random.Random(2))
    assert [first.failed() for _ in range(8)] != [second.failed() for _ in range(8)]


def test_three_refusals_over_both_streams_lock_us_out_for_ten_minutes() -> None:
    lock_out = LockOut(RetryPolicy())
    lock_out.refused("main", 100.0)
    lock_out.refused("sub", 101.0)
    assert lock_out.remaining_s(101.0) == 0
    lock_out.refused("main", 102.0)
    assert lock_out.remaining_s(102.0) == 600.0
    assert lock_out.remaining_s(701.0) == 1.0
    assert lock_out.remaining_s(702.0) == 0.0
    lock_out.refused("main", 703.0)
    assert lock_out.remaining_s(703.0) == 0, "three fresh tries after the wait"


def test_a_stream_that_is_let_in_does_not_excuse_the_other() -> None:
    lock_out = LockOut(RetryPolicy())
    for _ in range(3):
        lock_out.refused("main", 0.0)
        lock_out.succeeded("sub")
    assert lock_out.remaining_s(0.0) == 600.0
