"""Rolls configurations out while chaos kills, and asks what became of each at its node."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Sequence

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from config.clock import SystemClock
from config.desired import DesiredConfig, ReportedConfig, unseal
from config.errors import UserError
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.site import Camera, Site
from config.topics import Topics
from ingest.configs import ConfigState, ConfigStore
from tests.bench.chaos_clock import COUNTY

LINE = "configuration "
"""What a line of the nodes begins with that tells of a configuration, not of an event."""


def key_of(node: str) -> SecretStr:
    """The token of a node, which signs its documents."""
    return SecretStr(f"the token of {node}")


def line_of(node: str, document: DesiredConfig | None) -> str:
    """What a node prints when it begins to run ``document``: all that its cameras say."""
    revision, cameras = (0, ()) if document is None else (document.revision, document.cameras)
    told = [node, revision, [[camera.id, camera.name] for camera in cameras]]
    return LINE + json.dumps(told)


class RollOuts:
    """Each roll-out writes its own number into the name of every camera it holds.

    A node that runs cameras of two numbers, or fewer than the roll-out had, runs half a document.
    """

    def __init__(self, site: Site, engine: Engine, broker_url: str) -> None:
        self.done = 0
        self.applied = 0
        self.wrong: list[str] = []
        self._site = site
        self._store = ConfigStore(engine, SystemClock())
        self._asked: list[tuple[str, tuple[str, ...]]] = []
        self._runs: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id="report-watch",
            clock=SystemClock(),
            on_up=lambda: self._link.subscribe([Topics(COUNTY).reported("+")]),
            on_message=self._reported,
        )

    def start(self) -> None:
        """Listen to what the nodes report."""
        self._link.start()

    def stop(self) -> None:
        """End to listen."""
        self._link.stop()

    def want(self, strength: float) -> bool:
        """Let one node run some of its cameras under a new number; False when nobody stored it.

        Args:
            strength: from 0 to 1, chooses the node and how many cameras.
        """
        node = self._site.nodes[int(strength * 997) % len(self._site.nodes)].id
        own = self._site.cameras_of(node)
        cameras = own[: 1 + int(strength * 9_973) % len(own)]
        number = len(self._asked)
        self._asked.append((node, tuple(camera.id for camera in cameras)))
        try:
            self._store.want(node, [_numbered(camera, number) for camera in cameras])
        except (SQLAlchemyError, OSError):
            return False  # stored or not, as the database says when it is back
        self.done += 1
        return True

    def heard(self, line: str) -> None:
        """Check a line that :func:`line_of` has made."""
        node, revision, cameras = json.loads(line.removeprefix(LINE))
        with self._lock:
            self._runs[node] = revision
            self.applied += 1
            if revision and not self._is_whole(node, cameras):
                self.wrong.append(f"{node} runs half a configuration: {line.strip()[:300]}")

    def is_settled(self) -> bool:
        """Every node has said what became of the newest document; False also when nobody knows."""
        try:
            states = self._store.states()
        except (SQLAlchemyError, OSError):
            return False
        return all(_is_settled(state) for state in states)

    def verdict(self) -> list[str]:
        """What is wrong now that all has healed; an empty list is the promise kept."""
        found = list(self.wrong)
        for state in self._store.states():
            if not _is_settled(state):
                found.append(f"{state.node} has not said what became of revision {state.wanted}")
            elif state.running != self._runs[state.node]:
                found.append(
                    f"{state.node} reports {state.running}, and runs {self._runs[state.node]}"
                )
        return found

    def _is_whole(self, node: str, cameras: Sequence[Sequence[str]]) -> bool:
        numbers = {name.rpartition(" ")[2] for _, name in cameras}
        if len(numbers) != 1:
            return False
        asked = self._asked[int(numbers.pop())]
        return asked == (node, tuple(name for name, _ in cameras))

    def _reported(self, delivery: Delivery) -> None:
        self._link.acknowledge(delivery)
        node = delivery.topic.rpartition("/")[2]
        try:
            report = unseal(
                ReportedConfig, delivery.payload, node=node, key=key_of(node), where=delivery.topic
            )
        except UserError as error:
            self.wrong.append(f"a report of {node} cannot be read: {error}")
            return
        if report.state == "refused":
            self.wrong.append(f"{node} refused revision {report.wanted}: {report.problem}")


def _is_settled(state: ConfigState) -> bool:
    if state.state == "applied":
        return state.running == state.wanted
    return state.state == "rolled_back" and (state.running or 0) < state.wanted


def _numbered(camera: Camera, number: int) -> Camera:
    return camera.model_copy(update={"name": f"roll-out {number}"})
