"""Which web process holds the live link of each node: a table that all of them read and write."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, delete, insert, select, update

from config.clock import Clock
from ingest.engine import insert_into, reading, writing
from ingest.schema import live_links

EVERY_S = 2.0
"""How often a process says which links it holds, and reads where the others' are."""
STALE_AFTER = timedelta(seconds=10)
"""A process that has said nothing for so long has ended without a word."""


class LinkBook:
    """Thread-safe. What it read last is kept, so that asking it costs nothing and never waits.

    Args:
        engine: the centre's database.
        clock: the only source of time; replicas' clocks agree to within seconds.
        address: ``http://host:port`` at which other processes reach this one.
    """

    def __init__(self, engine: Engine, clock: Clock, address: str) -> None:
        self._engine = engine
        self._clock = clock
        self._address = address
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._elsewhere: dict[str, str] = {}

    def address_of(self, node: str) -> str | None:
        """The process that holds this node's link, when that is another one."""
        return self._elsewhere.get(node)

    def hold(self, node: str, link: str) -> None:
        """This process has a new link of the node; whoever had an older one has it no longer."""
        with self._lock:
            self._held[node] = link
            values = {"link": link, "address": self._address, "seen_at": self._clock.now()}
            with writing(self._engine) as connection:
                change = update(live_links).where(live_links.c.node == node).values(**values)
                if not connection.execute(change).rowcount:
                    connection.execute(insert(live_links).values(node=node, **values))

    def release(self, node: str, link: str) -> None:
        """That link has ended; a newer one, here or elsewhere, is not touched."""
        with self._lock:
            if self._held.get(node) == link:
                del self._held[node]
            mine = live_links.c.node == node, live_links.c.link == link
            with writing(self._engine) as connection:
                connection.execute(delete(live_links).where(*mine))

    def refresh(self) -> int:
        """Say what is held, and read what others hold; the number of their links."""
        now = self._clock.now()
        with self._lock:
            held = dict(self._held)
            if held:
                with writing(self._engine) as connection:
                    mine = live_links.c.link.in_(held.values())
                    said = connection.execute(update(live_links).where(mine).values(seen_at=now))
                    if said.rowcount < len(held):
                        self._enter_again(connection, held, now)
            with reading(self._engine) as connection:
                fresh = live_links.c.seen_at > now - STALE_AFTER
                rows = connection.execute(select(live_links).where(fresh)).all()
            self._elsewhere = {
                row.node: row.address for row in rows if row.address != self._address
            }
            return len(self._elsewhere)

    def _enter_again(self, connection: Connection, held: Mapping[str, str], now: datetime) -> None:
        """Enter links that are not in the table: it was away when they came.

        Where another process has said of a link of the same node lately, that one is newer.
        """
        for node, link in held.items():
            values = {"link": link, "address": self._address, "seen_at": now}
            row = insert_into(connection, live_links).values(node=node, **values)
            is_stale = live_links.c.seen_at <= now - STALE_AFTER
            connection.execute(
                row.on_conflict_do_update(index_elements=["node"], set_=values, where=is_stale)
            )


def reachable(url: str) -> str:
    """``url`` of a server as other machines reach it: this machine's name for "every address"."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):  # noqa: S104 - read, not bound
        return url
    return f"{parts.scheme}://{socket.gethostname()}:{parts.port}"
