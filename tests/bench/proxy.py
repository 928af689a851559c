"""A TCP proxy that misbehaves on demand: latency, slowness, silence, resets, no connection."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

_CHUNK = 64 * 1024
_MOST_HELD = 4 * 1024 * 1024
_TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network is now.

    Args:
        latency_s: each byte arrives this much later.
        bytes_per_s: at most so many in each direction of a connection; None: no limit.
        is_silent: connections stay open and nothing passes, as when a cable is pulled.
        is_cut: connections are reset and new ones refused.
    """

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    is_silent: bool = False
    is_cut: bool = False


@dataclass(slots=True)
class _Pipe:
    """One direction: what was read from ``source`` and when it may go to ``sink``."""

    source: socket.socket
    sink: socket.socket
    held: deque[tuple[float, bytes]] = field(default_factory=deque)
    held_bytes: int = 0
    allowance: float = 0.0
    refilled_at: float = field(default_factory=time.monotonic)


class Proxy:
    """Listens on a free port of the loopback and passes everything on to ``target`` there."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._weather = Weather()
        self._lock = threading.Lock()
        self._pipes: list[_Pipe] = []
        self._ending = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="fault-proxy")
        self._thread.start()

    @property
    def weather(self) -> Weather:
        """How the network is now."""
        return self._weather

    def set(self, weather: Weather) -> None:
        """Change the weather; a cut resets what is connected."""
        with self._lock:
            self._weather = weather
            if weather.is_cut:
                self._reset_all()

    def reset(self) -> None:
        """Reset every connection now; new ones are welcome."""
        with self._lock:
            self._reset_all()

    def change(self, **values: object) -> None:
        """The same weather but for ``values``."""
        self.set(replace(self._weather, **values))  # type: ignore[arg-type]

    def close(self) -> None:
        """Reset everything and end the thread."""
        self._ending = True
        self._thread.join()
        with self._lock:
            self._reset_all()
        self._listener.close()

    def _run(self) -> None:
        while not self._ending:
            with self._lock:
                self._accept()
                is_busy = self._move()
            if not is_busy:
                self._sleep()

    def _sleep(self) -> None:
        """Until something can be read, or a moment has passed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            for pipe in list(self._pipes):
                if pipe.held_bytes < _MOST_HELD and not self._weather.is_silent:
                    with contextlib.suppress(ValueError, KeyError, OSError):
                        selector.register(pipe.source, selectors.EVENT_READ)
            selector.select(_TICK_S)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._weather.is_cut:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._target), 1.0)
            except OSError:
                _reset(client)
                continue
            for one in (client, server):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pipes += [_Pipe(client, server), _Pipe(server, client)]

    def _move(self) -> bool:
        """Read and write what can be; True when something moved."""
        if self._weather.is_silent:
            return False
        is_busy = False
        for pipe in list(self._pipes):
            try:
                is_busy |= self._read(pipe) | self._write(pipe)
            except OSError:
                self._drop(pipe)
        return is_busy

    def _read(self, pipe: _Pipe) -> bool:
        if pipe.held_bytes >= _MOST_HELD:
            return False
        try:
            data = pipe.source.recv(_CHUNK)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionError
        pipe.held.append((time.monotonic() + self._weather.latency_s, data))
        pipe.held_bytes += len(data)
        return True

    def _write(self, pipe: _Pipe) -> bool:
        now = time.monotonic()
        limit = self._weather.bytes_per_s
        if limit is not None:
            pipe.allowance = min(limit, pipe.allowance + (now - pipe.refilled_at) * limit)
        pipe.refilled_at = now
        if not pipe.held or pipe.held[0][0] > now:
            return False
        due, data = pipe.held.popleft()
        part = data if limit is None else data[: int(pipe.allowance)]
        try:
            sent = pipe.sink.send(part) if part else 0
        except BlockingIOError:
            sent = 0
        pipe.allowance -= sent
        pipe.held_bytes -= sent
        if sent < len(data):
            pipe.held.appendleft((due, data[sent:]))
        return sent > 0

    def _drop(self, pipe: _Pipe) -> None:
        """End both directions of a connection."""
        ends = {pipe.source, pipe.sink}
        self._pipes = [other for other in self._pipes if other.source not in ends]
        for end in ends:
            _reset(end)

    def _reset_all(self) -> None:
        while self._pipes:
            self._drop(self._pipes[0])


def _reset(end: socket.socket) -> None:
    """Close with RST, not FIN: what an unplugged or crashed machine looks like afterwards."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
