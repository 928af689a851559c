"""Live messages: nothing hostile gets through, and no reader makes a backlog grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.live import (
    COMMAND_LIMIT_BYTES,
    MESSAGE_LIMIT_BYTES,
    Backlog,
    FrameKind,
    LiveFrame,
    LiveStart,
    parse_command,
    parse_state,
)


def frame(kind: FrameKind, size: int = 10, *, is_key: bool = True) -> LiveFrame:
    return LiveFrame.make(kind, channel=1, at_ms=5, payload=b"x" * size, is_key=is_key)


@given(st.binary(max_size=200))
def test_bytes_are_a_frame_or_a_value_error(data: bytes) -> None:
    try:
        found = LiveFrame.unpack(data)
    except ValueError:
        return
    assert found.packed == data
    assert found.payload


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_texts_are_a_command_or_a_value_error(data: str | bytes) -> None:
    for parse in (parse_command, parse_state):
        with pytest.raises(ValueError):
            parse(data)


def test_what_is_said_is_understood_and_long_or_unknown_things_are_not() -> None:
    start = LiveStart(channel=7, camera="yard", stream="main", mode="stills")
    assert parse_command(start.model_dump_json()) == start
    with pytest.raises(ValueError):
        parse_command(start.model_dump_json() + " " * COMMAND_LIMIT_BYTES)
    with pytest.raises(ValueError):
        parse_command('{"type":"start","channel":1,"camera":"yard","url":"rtsp://elsewhere"}')
    with pytest.raises(ValueError):
        LiveFrame.unpack(frame(FrameKind.STILL).packed + bytes(MESSAGE_LIMIT_BYTES))


KINDS = st.sampled_from(
    [(FrameKind.INIT, True), (FrameKind.FRAGMENT, True), (FrameKind.FRAGMENT, False)]
)


@given(st.lists(st.tuples(KINDS, st.integers(1, 400), st.integers(0, 2)), max_size=120))
def test_a_backlog_is_bounded_and_what_comes_out_can_always_be_decoded(
    steps: list[tuple[tuple[FrameKind, bool], int, int]],
) -> None:
    backlog = Backlog(max_bytes=1000, max_frames=6)
    pushed: list[LiveFrame] = []
    last = -1
    for (kind, is_key), size, pops in steps:
        pushed.append(frame(kind, size, is_key=is_key))
        backlog.push(pushed[-1])
        assert len(backlog) <= 7
        assert backlog.bytes <= 1000
        for _ in range(pops):
            taken = backlog.pop()
            if taken is None:
                continue
            at = next(i for i, item in enumerate(pushed) if item is taken)
            assert at > last, "order is kept"
            if at != last + 1:
                assert taken.is_key, "after a gap it goes on at a key frame or an init segment"
            last = at


def test_of_stills_only_the_newest_waits() -> None:
    backlog = Backlog()
    for size in (1, 2, 3):
        backlog.push(frame(FrameKind.STILL, size))
    assert len(backlog) == 1
    newest = backlog.pop()
    assert newest is not None
    assert len(newest.payload) == 3
