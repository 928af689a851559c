"""Runs a piece of work in a thread for as long as there is any, then waits for the doorbell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from alerts.hub import ALL, LOOK_EVERY_S, Bell, Hub
from config.logs import get_logger

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STOP_S = 30.0
"""How long a piece of work in progress may take to end; longer than any send."""

_log = get_logger(__name__)


class Loop:
    """One thread that calls ``work`` until it returns 0, waits for a ring, and begins again.

    It heeds the bells in ``heeds`` only, and looks by itself every ``look_every_s`` seconds. An
    exception is logged and tried again after a pause that doubles: a database that is away stops
    nothing for good.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], int],
        hub: Hub,
        *,
        look_every_s: float = LOOK_EVERY_S,
        heeds: Collection[Bell] = ALL,
    ) -> None:
        self._name = name
        self._work = work
        self._hub = hub
        self._look_every_s = look_every_s
        self._heeds = heeds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to stop; ring the hub afterwards so that a waiting loop notices."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the work in progress has ended."""
        if self._thread is None:
            return
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            _log.error("a loop did not stop in time", loop=self._name)
        self._thread = None

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            seen = self._hub.count(self._heeds)
            try:
                busy = self._work() > 0
            except Exception:  # noqa: BLE001 - logged, and tried again
                _log.exception("a loop failed; trying again", loop=self._name, pause_s=pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            pause = FIRST_PAUSE_S
            if busy:
                continue
            if self._heeds:
                self._hub.wait_ring(seen, self._look_every_s, self._heeds)
            else:
                self._stopping.wait(self._look_every_s)
