"""What a node has to send to the centre for live view: bounded, and fair between channels."""

from __future__ import annotations

import threading
from collections import deque

from config.live import Backlog, LiveFrame, LiveState

CHANNELS_MAX = 256
_UPLINK_BYTES = 6 * 1024 * 1024


class Outbound:
    """One backlog per channel, emptied in turn by one sender. Thread-safe.

    A slow uplink makes each channel skip to its next key frame; it never makes memory grow.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._backlogs: dict[int, Backlog] = {}
        self._states: deque[LiveState] = deque(maxlen=CHANNELS_MAX)
        self._turn = 0

    def open(self, channel: int) -> bool:
        """Accept frames of this channel; False when there are too many."""
        with self._changed:
            if len(self._backlogs) >= CHANNELS_MAX and channel not in self._backlogs:
                return False
            self._backlogs[channel] = Backlog(max_bytes=_UPLINK_BYTES)
            return True

    def drop(self, channel: int) -> None:
        """Forget a channel and what it holds."""
        with self._changed:
            self._backlogs.pop(channel, None)

    def clear(self) -> None:
        """Forget everything: another connection begins."""
        with self._changed:
            self._backlogs.clear()
            self._states.clear()

    def put(self, frame: LiveFrame) -> None:
        """Add a frame; one of a channel that is not open is dropped."""
        with self._changed:
            backlog = self._backlogs.get(frame.channel)
            if backlog is not None:
                backlog.push(frame)
                self._changed.notify()

    def say(self, state: LiveState) -> None:
        """Add a state; goes before frames."""
        with self._changed:
            if state.channel in self._backlogs:
                self._states.append(state)
                self._changed.notify()

    def take(self, timeout_s: float) -> bytes | str | None:
        """The next message, waiting up to ``timeout_s`` seconds; None when there is none."""
        with self._changed:
            self._changed.wait_for(self._ready, timeout_s)
            if self._states:
                return self._states.popleft().model_dump_json()
            return self._next_frame()

    def _ready(self) -> bool:
        return bool(self._states) or any(map(len, self._backlogs.values()))

    def _next_frame(self) -> bytes | None:
        numbers = list(self._backlogs)
        for step in range(len(numbers)):
            index = (self._turn + step) % len(numbers)
            frame = self._backlogs[numbers[index]].pop()
            if frame is not None:
                self._turn = index + 1
                return frame.packed
        return None
