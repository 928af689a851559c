"""Keeps the newest sign of life of every node."""

from __future__ import annotations

from sqlalchemy import Engine, case

from config.clock import Clock
from config.wire import Presence
from ingest.engine import insert_into, writing
from ingest.schema import presence

_MOST = 2**31 - 1


def record_presence(engine: Engine, clock: Clock, sign: Presence) -> None:
    """Store a birth, heartbeat or last will; ``changed_at`` moves only when the state does."""
    now = clock.now()
    new = insert_into(engine, presence).values(
        node=sign.node,
        state=sign.state,
        at=sign.at,
        received_at=now,
        changed_at=now,
        outbox_events=min(sign.outbox_events, _MOST),
        cameras_online=min(sign.cameras_online, _MOST),
    )
    is_same = presence.c.state == new.excluded.state
    changed_at = case((is_same, presence.c.changed_at), else_=new.excluded.changed_at)
    updated = {
        name: new.excluded[name]
        for name in ("state", "at", "received_at", "outbox_events", "cameras_online")
    }
    with writing(engine) as connection:
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["node"], set_={**updated, "changed_at": changed_at}
            )
        )
