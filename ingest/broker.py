"""A broker inside our own process, for a first run without mosquitto."""

from __future__ import annotations

import asyncio
import threading

from amqtt.broker import Broker

from config.errors import UserError
from config.logs import get_logger

log = get_logger(__name__)

_START_TIMEOUT_S = 15.0


class EmbeddedBroker:
    """amqtt (MQTT 3.1.1) in a thread and event loop of its own; it keeps nothing on disk."""

    def __init__(self, host: str = "127.0.0.1", port: int = 1883) -> None:
        self.host = host
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="embedded-broker")

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://{self.host}:{self.port}?version=3.1.1"

    def start(self) -> None:
        """Listen; returns when clients can connect.

        Raises:
            UserError: the port cannot be used.
        """
        self._thread.start()
        is_ready = self._ready.wait(_START_TIMEOUT_S)
        if self._failure is not None or not is_ready:
            self.stop()
            raise UserError(
                where=f"{self.host}:{self.port}",
                problem=f"the embedded broker cannot listen ({self._failure or 'no answer'})",
                remedy="free this port, or point MENSHEN_BROKER at a broker that runs",
            )

    def stop(self) -> None:
        """Close every connection and end the thread."""
        if self._thread.is_alive() and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # noqa: BLE001 - start() tells the person who called it
            self._failure = error
        finally:
            self._ready.set()
            self._cancel_leftovers()
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        broker = Broker(_config(self.host, self.port))
        await broker.start()
        self._ready.set()
        await self._stop.wait()
        await broker.shutdown()

    def _cancel_leftovers(self) -> None:
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _config(host: str, port: int) -> dict[str, object]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
