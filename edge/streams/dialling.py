"""Connects to a camera by TCP within a time, whatever its name server does."""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import Any

_Address = tuple[int, int, int, str, Any]
"""Family, kind, protocol, name and address, as of :func:`socket.getaddrinfo`."""


def dial(host: str, port: int, *, within_s: float) -> socket.socket:
    """A connection to ``host``, a name or an address; each of several addresses has its share.

    Raises:
        OSError: nobody answers in time, or there is no such name.
    """
    until_s = time.monotonic() + within_s
    problem: OSError = TimeoutError("no address in time")
    found = _looked_up(host, port, within_s)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left_s / (len(found) - number))
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def _looked_up(host: str, port: int, within_s: float) -> list[_Address]:
    """Addresses of a name; none where no name server tells in time.

    The C library may ask for half a minute and cannot be stopped, which would look as if the
    whole child hung: it asks in a thread that is left to itself.
    """
    found: queue.SimpleQueue[list[_Address]] = queue.SimpleQueue()

    def look() -> None:
        try:
            found.put([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError):
            found.put([])

    threading.Thread(target=look, name="camera-name", daemon=True).start()
    try:
        return found.get(timeout=within_s)
    except queue.Empty:
        return []
