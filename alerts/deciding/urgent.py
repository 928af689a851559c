"""Finds what must not wait behind a backlog: critical events and what came before them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from config.event import Severity
from ingest.schema import events, routing_queue


def urgent_ids(connection: Connection, free: ColumnElement[bool], limit: int) -> list[str]:
    """Queued events of cameras that wait with something critical, the oldest first.

    Everything of such a camera comes along: if a critical report overtook the end of an older
    one, that end would close it. ``free`` says which rows of the queue nobody has put aside.
    """
    queue = routing_queue.c
    joined = routing_queue.join(events, events.c.id == queue.event_id)
    critical = (
        select(events.c.camera)
        .select_from(joined)
        .where(free, events.c.severity == str(Severity.CRITICAL))
        .order_by(queue.enqueued_at)
        .limit(limit)
    )
    cameras = set(connection.execute(critical).scalars())
    if not cameras:
        return []
    theirs = (
        select(queue.event_id)
        .select_from(joined)
        .where(free, events.c.camera.in_(cameras))
        .order_by(queue.enqueued_at, queue.event_id)
        .limit(limit)
    )
    return list(connection.execute(theirs).scalars())
