"""Serves simulated cameras over RTSP from a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import quote

from config.clock import Clock, SystemClock
from config.errors import UserError
from config.logs import get_logger
from edge.simulator.auth import Credentials
from edge.simulator.behaviour import BehaviourFactory
from edge.simulator.connection import Connection, Offer
from edge.simulator.feed import Feed
from edge.simulator.messages import MAX_HEADER_BYTES, answer
from edge.simulator.source import CameraSource
from edge.simulator.truth import TruthLog

_log = get_logger(__name__)

MAX_CONNECTIONS = 256


class RtspServer:
    """Cameras at ``rtsp://host:port/NAME/main`` and ``/NAME/sub``.

    Args:
        host: address to listen on.
        port: 0 takes a free port; read :attr:`port` after :meth:`start`.
        sources: the cameras; their names must differ.
        credentials: asked of every client, or None for open cameras.
        faults: misbehaviours by path, such as ``{"cam1/main": Stall}``; each client of that
            stream gets its own.
        truth: told what was shown on main streams; closed by :meth:`stop`.
        session_timeout_s: a client silent for longer loses its session (RFC 2326 section 12.37).
        request_timeout_s: a request must arrive whole within this.
    """

    def __init__(
        self,
        host: str,
        port: int,
        sources: Sequence[CameraSource],
        credentials: Credentials | None = None,
        *,
        faults: Mapping[str, BehaviourFactory] | None = None,
        truth: TruthLog | None = None,
        clock: Clock | None = None,
        session_timeout_s: float = 60.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise UserError(
                where="simulated cameras",
                field="name",
                problem="two cameras have the same name",
                remedy="give each camera a name of its own",
            )
        self._host = host
        self.port = port
        self._sources = tuple(sources)
        self._credentials = credentials
        self._faults = dict(faults or {})
        self._truth = truth
        self._clock = clock or SystemClock()
        self._timeouts = (session_timeout_s, request_timeout_s)
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None

    def start(self) -> None:
        """Listen and return at once.

        Raises:
            UserError: the address cannot be listened on.
        """
        self._thread = threading.Thread(target=self._run, name="rtsp-simulator")
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise UserError(
                where=f"{self._host}:{self.port}",
                problem=f"cannot listen for RTSP there ({self._failure.strerror})",
                remedy="choose another with --port, or end the program that uses it",
            )

    def stop(self) -> None:
        """End all sessions and return when the thread has ended; may be called twice."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None
        if self._truth is not None:
            self._truth.close()

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._connections)

    def url(self, name: str, stream: str = "main", *, login: bool = False) -> str:
        """The address of a stream; with ``login`` it holds the password: never log that."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        user = ""
        if login and self._credentials is not None:
            password = self._credentials.password.get_secret_value()
            user = f"{quote(self._credentials.user, safe='')}:{quote(password, safe='')}@"
        return f"rtsp://{user}{host}:{self.port}/{name}/{stream}"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        offer = Offer(
            feeds=self._feeds(),
            faults=self._faults,
            credentials=self._credentials,
            session_timeout_s=self._timeouts[0],
            request_timeout_s=self._timeouts[1],
            clock=self._clock,
        )
        try:
            server = await asyncio.start_server(
                partial(self._accept, offer), self._host, self.port, limit=MAX_HEADER_BYTES
            )
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        await self._end_connections()

    async def _end_connections(self) -> None:
        tasks = list(self._connections)
        for task, connection in list(self._connections.items()):
            connection.end_session(goodbye=True)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _feeds(self) -> dict[str, Feed]:
        epoch, feeds = self._clock.monotonic(), {}
        for source in self._sources:
            for stream, loop in source.streams().items():
                tell = stream == "main" and self._truth is not None and source.appearances
                feeds[f"{source.name}/{stream}"] = Feed(
                    loop,
                    epoch=epoch,
                    clock=self._clock,
                    on_shown=partial(self._shown, source) if tell else None,
                )
        return feeds

    def _shown(self, source: CameraSource, ticks: int) -> None:
        if self._truth is not None:
            loop = source.main
            self._truth.shown(
                source.appearances,
                ticks=ticks,
                loop_ticks=loop.length,
                fps=len(loop.units) / loop.seconds,
            )

    async def _accept(
        self, offer: Offer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.write(answer(503, None))
            writer.close()
            return
        connection = Connection(offer, reader, writer)
        self._connections[task] = connection
        try:
            await connection.serve()
        except asyncio.CancelledError:
            # The server stops; asyncio's own callback would print a trace for each client.
            _log.debug("simulator_connection_cut")
        except Exception:  # noqa: BLE001
            # One client must never take the cameras away from the others.
            _log.exception("simulator_connection_failed")
        finally:
            del self._connections[task]
