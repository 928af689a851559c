"""Errands for an installer: a node searches its network, or tries a camera, when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pydantic import SecretStr

from config.discovery import TrialReport, TryCamera
from config.errors import UserError
from config.logs import get_logger
from edge.tools.discovery_report import search, send, send_trial
from edge.tools.trial import try_camera

_LOG = get_logger(__name__)
_JOIN_S = 10.0


class Errands:
    """Runs one search and one trial at a time, each in a thread, and reports to the centre.

    Args:
        centre_url: ``http(s)://host:port``.
        node: this node's name.
        token: its bearer token.
    """

    def __init__(self, *, centre_url: str, node: str, token: SecretStr) -> None:
        self._centre_url, self._node, self._token = centre_url, node, token
        self._threads: dict[str, threading.Thread] = {}
        self._stop = threading.Event()

    def discover(self) -> None:
        """Search; a second request while one runs is the same request."""
        self._begin("discover", self._search)

    def try_camera(self, order: TryCamera) -> None:
        """Try a camera; while another is tried, say so at once."""
        if not self._begin("trial", lambda: self._report(order, self._tried(order))):
            busy = TrialReport(problem="the node is trying another camera; try again")
            self._begin("trial-busy", lambda: self._report(order, busy))

    def stop(self) -> None:
        """Break a trial off; returns when the threads have ended, or after ten seconds each."""
        self._stop.set()
        for thread in list(self._threads.values()):
            thread.join(_JOIN_S)

    def _begin(self, name: str, work: Callable[[], None]) -> bool:
        before = self._threads.get(name)
        if before is not None and before.is_alive():
            return False
        self._threads[name] = threading.Thread(target=work, name=f"errand-{name}", daemon=True)
        self._threads[name].start()
        return True

    def _search(self) -> None:
        try:
            send(search(), centre_url=self._centre_url, node=self._node, token=self._token)
        except UserError as error:
            _LOG.warning("found cameras not reported", problem=str(error))

    def _tried(self, order: TryCamera) -> TrialReport:
        try:
            return try_camera(order, stop=self._stop)
        except (OSError, ValueError) as error:
            _LOG.warning("a trial broke off", address=order.address, reason=type(error).__name__)
            return TrialReport(problem="the node could not try it; see the node's log")

    def _report(self, order: TryCamera, report: TrialReport) -> None:
        try:
            send_trial(
                order.trial,
                report,
                centre_url=self._centre_url,
                node=self._node,
                token=self._token,
            )
        except UserError as error:
            _LOG.warning("trial not reported", address=order.address, problem=str(error))
