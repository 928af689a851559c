"""The node's side of live view: one outbound WebSocket to the centre, opened by nobody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from config.clock import Clock
from config.discovery import TryCamera
from config.household import Enrol
from config.live import (
    COMMAND_LIMIT_BYTES,
    LINK_PATH,
    MESSAGE_LIMIT_BYTES,
    Command,
    Discover,
    LiveFrame,
    LiveStart,
    LiveState,
    LiveStop,
    parse_command,
    parse_state,
)
from config.logs import get_logger
from edge.live.errands import Errands
from edge.live.outbound import Outbound
from edge.streams.backoff import Backoff, RetryPolicy
from edge.watching.camera import CameraSpec

_LOG = get_logger(__name__)

RETRY = RetryPolicy(first_s=1.0, longest_s=30.0)
_OPEN_S = 10.0
_CLOSE_S = 2.0
_LOOK_S = 0.25
"""How soon a stop is heeded."""
_BAD_COMMANDS_MAX = 20


class LiveGroup(Protocol):
    """What is needed of a decode group (:class:`edge.watching.group.CameraGroup`)."""

    cameras: tuple[CameraSpec, ...]
    live: Callable[[Connection], None] | None


class LivePort:
    """Our end of one group's live pipe, through every restart of its child."""

    def __init__(self, group: LiveGroup, outbound: Outbound) -> None:
        self._group = group
        self._outbound = outbound
        self._lock = threading.Lock()
        self._pipe: Connection | None = None
        self._wanted: dict[int, LiveStart] = {}

    @property
    def cameras(self) -> frozenset[str]:
        """Whom the group watches now."""
        return frozenset(spec.id for spec in self._group.cameras)

    def attach(self, pipe: Connection) -> None:
        """A new child: ask it again for whatever is watched."""
        reader = threading.Thread(target=self._read, args=(pipe,), name="live-port", daemon=True)
        reader.start()
        with self._lock:
            self._pipe = pipe
            wanted = list(self._wanted.values())
        for start in wanted:
            self._tell(start)

    def start(self, command: LiveStart) -> None:
        """Ask for a camera."""
        with self._lock:
            self._wanted[command.channel] = command
        self._tell(command)

    def stop(self, channel: int) -> None:
        """Ask no longer."""
        with self._lock:
            asked = self._wanted.pop(channel, None)
        if asked is not None:
            self._tell(LiveStop(channel=channel))

    def stop_all(self) -> None:
        """Nobody watches any more."""
        with self._lock:
            channels = list(self._wanted)
        for channel in channels:
            self.stop(channel)

    def _tell(self, command: Command) -> None:
        with self._lock:
            if self._pipe is None:
                return
            # A child that has died is replaced, and then asked again.
            with contextlib.suppress(OSError):
                self._pipe.send_bytes(command.model_dump_json().encode())

    def _read(self, pipe: Connection) -> None:
        try:
            while True:
                self._heard(pipe.recv_bytes(MESSAGE_LIMIT_BYTES))
        except (OSError, EOFError):
            _LOG.debug("live pipe closed", cameras=sorted(self.cameras))
        finally:
            with self._lock:
                if self._pipe is pipe:
                    self._pipe = None
                pipe.close()
            self._report_lost()

    def _heard(self, message: bytes) -> None:
        try:
            if message.startswith(b"{"):
                self._outbound.say(parse_state(message))
            else:
                self._outbound.put(LiveFrame.unpack(message))
        except ValueError:
            _LOG.warning("a decode child sent what is no live message", size=len(message))

    def _report_lost(self) -> None:
        with self._lock:
            channels = list(self._wanted)
        for channel in channels:
            self._outbound.say(LiveState(channel=channel, code="camera_offline"))


class LiveAgent:
    """Keeps the link to the centre and does what it asks; stops sending when the link is gone.

    Args:
        centre_url: ``http(s)://host:port``, as for evidence.
        node: this node's name.
        token: its bearer token.
        groups: the decode groups; give them before they start.
        clock: the only source of time.
        retry: how long to wait before connecting again.
        enrol: told of each order to learn a face; returns at once.
    """

    def __init__(
        self,
        *,
        centre_url: str,
        node: str,
        token: SecretStr,
        groups: Sequence[LiveGroup],
        clock: Clock,
        retry: RetryPolicy = RETRY,
        enrol: Callable[[Enrol], None] = lambda _order: None,
    ) -> None:
        self._enrol = enrol
        self._errands = Errands(centre_url=centre_url, node=node, token=token)
        self._url = link_url(centre_url)
        self._node = node
        self._token = token
        self._clock = clock
        self._retry = retry
        self._outbound = Outbound()
        self._ports: list[LivePort] = []
        for group in groups:
            self.adopt(group)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-link", daemon=True)

    def adopt(self, group: LiveGroup) -> None:
        """Serve the cameras of one more group; before that starts."""
        port = LivePort(group, self._outbound)
        group.live = port.attach
        self._ports.append(port)

    def start(self) -> None:
        """Connect, and keep connecting."""
        self._thread.start()

    def stop(self) -> None:
        """Close the link; returns when its threads have ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_OPEN_S + 2 * _CLOSE_S)
        self._errands.stop()

    def _run(self) -> None:
        backoff = Backoff(self._retry)
        while not self._stop.is_set():
            try:
                link = self._connect()
                backoff.succeeded()
                _LOG.info("live link open", node=self._node)
                self._serve(link)
                problem = "the centre closed the link"
            except InvalidStatus as error:
                problem = f"the centre refuses the link (HTTP {error.response.status_code})"
            except (OSError, WebSocketException, TimeoutError) as error:
                problem = type(error).__name__
            if self._stop.is_set():
                return
            delay = backoff.failed()
            _LOG.warning("live link lost", problem=problem, again_in_s=round(delay, 1))
            self._clock.wait(self._stop, delay)

    def _connect(self) -> ClientConnection:
        return connect(
            self._url,
            additional_headers={
                "Authorization": f"Bearer {self._token.get_secret_value()}",
                "X-Menshen-Node": self._node,
            },
            compression=None,
            open_timeout=_OPEN_S,
            close_timeout=_CLOSE_S,
            max_size=COMMAND_LIMIT_BYTES,
        )

    def _serve(self, link: ClientConnection) -> None:
        self._outbound.clear()
        over = threading.Event()
        sender = threading.Thread(
            target=self._send, args=(link, over), name="live-send", daemon=True
        )
        sender.start()
        try:
            self._obey(link)
        finally:
            over.set()
            for port in self._ports:
                port.stop_all()
            link.close()
            sender.join()

    def _send(self, link: ClientConnection, over: threading.Event) -> None:
        while not over.is_set():
            message = self._outbound.take(_LOOK_S)
            if message is None:
                continue
            try:
                link.send(message)
            except (OSError, WebSocketException):
                return

    def _obey(self, link: ClientConnection) -> None:
        bad = 0
        while not self._stop.is_set():
            try:
                command = parse_command(link.recv(timeout=_LOOK_S))
            except TimeoutError:
                continue
            except ValueError:
                bad += 1
                _LOG.warning("the centre sent what is no command")
                if bad > _BAD_COMMANDS_MAX:
                    return
                continue
            except WebSocketException:
                return
            self._do(command)

    def _do(self, command: Command) -> None:
        if isinstance(command, Discover):
            self._errands.discover()
            return
        if isinstance(command, TryCamera):
            self._errands.try_camera(command)
            return
        if isinstance(command, Enrol):
            self._enrol(command)
            return
        if isinstance(command, LiveStop):
            for each in self._ports:
                each.stop(command.channel)
            self._outbound.drop(command.channel)
            return
        if not self._outbound.open(command.channel):
            _LOG.warning("too many live channels", camera=command.camera)
            return
        port = next((item for item in self._ports if command.camera in item.cameras), None)
        if port is None:
            self._outbound.say(LiveState(channel=command.channel, code="unknown_camera"))
        else:
            port.start(command)


def link_url(centre_url: str) -> str:
    """WebSocket address of the centre's door for nodes."""
    parts = urlsplit(centre_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    path = parts.path.rstrip("/") + LINK_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))
