"""Calls an outside address while alerts are decided, timed and sent: silence there is an alarm."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from config.clock import Clock
from config.logs import get_logger
from ingest.trouble import Troubles

EVERY_S = 60.0
ALIVE_WITHIN_S = 180.0
"""A part that has finished no look for so long counts as dead; the slowest batch of sends, a
hundred that all time out, takes about two minutes."""
TIMEOUT_S = 10.0

_log = get_logger(__name__)


class Pulse:
    """Remembers when each part last finished a look without an error; safe between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def watch(self, name: str, work: Callable[[], int]) -> Callable[[], int]:
        """``work``, whose every return is noted under ``name``; counts as alive from now."""

        def noted() -> int:
            done = work()
            self._note(name)
            return done

        self._note(name)
        return noted

    def silent(self) -> list[str]:
        """Names of parts that finished no look for too long, sorted."""
        now = self._clock.monotonic()
        with self._lock:
            return sorted(name for name, at in self._seen.items() if now - at > ALIVE_WITHIN_S)

    def _note(self, name: str) -> None:
        with self._lock:
            self._seen[name] = self._clock.monotonic()


class Heartbeat:
    """One GET request per call of :meth:`run_once`, unless a part is silent or cannot store.

    The address may hold a token, so it is never logged.
    """

    def __init__(
        self, url: str, pulse: Pulse, troubles: Troubles, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._url = url
        self._pulse = pulse
        self._troubles = troubles
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def run_once(self) -> int:
        """Call the address if every part is alive; always 0: there is no more to do at once."""
        if stuck := self._troubles.lasting(ALIVE_WITHIN_S):
            _log.error("no heartbeat: a part of the centre cannot store", parts=stuck)
            return 0
        if silent := self._pulse.silent():
            _log.error("no heartbeat: a part of the centre is silent", parts=silent)
            return 0
        try:
            response = self._client.get(self._url)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            _log.warning("the heartbeat was not heard", problem=type(error).__name__)
            return 0
        if not response.is_success:
            _log.warning("the heartbeat was not accepted", answered=response.status_code)
        return 0

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
