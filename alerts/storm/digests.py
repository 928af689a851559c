"""Sends a digest when its time has come: one notice for all that its person has not seen yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, or_, select, update

from alerts.hub import Bell, Hub
from alerts.life.state import UNANSWERED
from alerts.store import schema
from alerts.store.quiet_schema import digests, notice_pace
from alerts.store.rows import insert_rows
from alerts.storm.brake import DIGESTED, HELD, HOOK_WINDOW
from alerts.storm.notice import digest_key
from alerts.storm.titles import digest_title, with_waiting
from config.clock import Clock
from config.event import EventKind
from config.ids import uuid7
from config.site import Site
from ingest.engine import reading, writing

BATCH = 50


class Digests:
    """Works off the digests of one database; any number may share it."""

    def __init__(self, engine: Engine, site: Site, clock: Clock, *, hub: Hub | None = None) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._hub = hub or Hub()

    def run_once(self) -> int:
        """Send what is due, at most 50; returns how many digests were ended."""
        now = self._clock.now()
        # None waits for two windows: one that would was opened before the clock was set back.
        longest = 2 * max(timedelta(seconds=self._site.pace.window_s), HOOK_WINDOW)
        is_time = or_(digests.c.due_at <= now, digests.c.due_at > now + longest)
        due = and_(digests.c.sent_at.is_(None), is_time)
        statement = select(digests).where(due).order_by(digests.c.due_at).limit(BATCH)
        with reading(self._engine) as connection:
            if connection.execute(statement.limit(1)).first() is None:
                return 0
        with writing(self._engine) as connection:
            _keep_still(connection)
            waiting = connection.execute(statement).all()
            for digest in waiting:
                self._send(connection, digest, now)
        self._hub.ring(Bell.CHANGES, Bell.NOTICES)
        return len(waiting)

    def _send(self, connection: Connection, digest: Any, now: datetime) -> None:
        sent = schema.deliveries.c
        waits = case((schema.alerts.c.state.in_([str(state) for state in UNANSWERED]), 1), else_=0)
        mine = and_(sent.digest_id == digest.id, sent.state == HELD)
        held = connection.execute(
            select(schema.deliveries, schema.alerts.c.kind, waits.label("waits"))
            .join(schema.alerts, schema.alerts.c.id == sent.alert_id)
            .where(mine)
            # About one that still waits for an answer, if any does: that is worth a message.
            .order_by(waits.desc(), schema.alerts.c.loudness.desc(), sent.alert_id.desc(), sent.id)
        ).all()
        kinds = Counter(kind for _, kind in {(row.alert_id, EventKind(row.kind)) for row in held})
        grid = self._site.grid(digest.grid)
        zh, en = digest_title(grid.name if grid is not None else "", kinds)
        if digest.webhook is not None:
            zh, en = with_waiting(zh, en, len({row.alert_id for row in held if row.waits}))
        ended = {"sent_at": now, "count": sum(kinds.values()), "title_zh": zh, "title_en": en}
        connection.execute(update(digests).where(digests.c.id == digest.id).values(ended))
        open_here = notice_pace.c.digest_id == digest.id
        connection.execute(update(notice_pace).where(open_here).values(digest_id=None))
        told = update(schema.deliveries).where(mine)
        connection.execute(told.values(state=DIGESTED, changed_at=now))
        insert_rows(connection, schema.deliveries, _notices(digest, held, now))


def _keep_still(connection: Connection) -> None:
    """Wait for transactions that may be adding to a digest, and hold up those that come."""
    counters = schema.counters
    connection.execute(select(counters).where(counters.c.name == "audit").with_for_update())


def _notices(digest: Any, held: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    """One delivery for each channel that the held ones were meant for, about the loudest alert."""
    first: dict[tuple[str, str], Any] = {}
    for row in held:
        first.setdefault((row.channel, row.target), row)
    return [
        {
            "id": uuid7(now),
            "alert_id": row.alert_id,
            "alert_version": row.alert_version,
            "cycle": row.cycle,
            "step": row.step,
            "channel": channel,
            "target": target,
            "person": row.person,
            "idempotency_key": digest_key(digest.id, target, channel),
            "state": "pending",
            "reason_zh": f"摘要 {digest.id}：汇总短时间内过多的通知",
            "reason_en": f"digest {digest.id} of notices that came too fast",
            "attempts": 0,
            "next_attempt_at": now,
            "error": "",
            "created_at": now,
            "changed_at": now,
            "digest_id": digest.id,
        }
        for (channel, target), row in first.items()
    ]
