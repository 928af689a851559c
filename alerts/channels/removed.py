"""Gives up what waits for a channel that the site or its secrets no longer have."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, case, literal, select, update

from alerts.hub import Bell, Hub
from alerts.store import schema
from alerts.store.rows import insert_rows
from alerts.telling.notices import INAPP
from config.clock import Clock
from config.ids import uuid7
from config.logs import get_logger
from ingest.engine import reading, writing

BATCH = 200
PATIENCE = timedelta(seconds=30)
"""Past its time by more, nobody sends it; sooner than the auditor calls it overdue."""
LOOK_EVERY_S = 15.0
"""Looking reads all notices that are due, of whatever channel."""
_PROBLEM = "this channel is no longer in the site or its secrets"

_log = get_logger(__name__)


class Removed:
    """Fails notices of channels other than ``running``: it is the next way's turn.

    Any number may share one database. Nobody else would ever take such a notice: it would stay
    pending, and the auditor would call it overdue for ever.
    """

    def __init__(
        self, engine: Engine, clock: Clock, *, running: Collection[str], hub: Hub | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._running = sorted({INAPP, *running})
        self._hub = hub or Hub()
        self._next_look = float("-inf")

    def run_once(self) -> int:
        """Give up what waits in vain; returns how many notices, at most 200."""
        if self._clock.monotonic() < self._next_look:
            return 0
        now, sent = self._clock.now(), schema.deliveries.c
        waits = (sent.next_attempt_at <= now - PATIENCE, sent.channel.not_in(self._running))
        ids = select(sent.id).where(*waits).order_by(sent.id).limit(BATCH)
        with reading(self._engine) as connection:
            is_any = connection.execute(ids.limit(1)).first() is not None
        if not is_any:
            self._next_look = self._clock.monotonic() + LOOK_EVERY_S
            return 0
        failing = (
            update(schema.deliveries)
            .where(sent.id.in_(ids.with_for_update(skip_locked=True)))
            .values(
                state="failed",
                next_attempt_at=None,
                fall_over_at=case(
                    (sent.fall_over_at.is_not(None), literal(now, sent.fall_over_at.type))
                ),
                error=_PROBLEM,
                changed_at=now,
            )
            .returning(sent.alert_id, sent.target, sent.channel)
        )
        with writing(self._engine) as connection:
            failed = connection.execute(failing).all()
            insert_rows(connection, schema.decisions, [_decision(row, now) for row in failed])
        names = sorted({row.channel for row in failed})
        _log.warning("notices waited for channels that are gone", channels=names, n=len(failed))
        self._hub.ring(Bell.NOTICES)
        return len(failed)


def _decision(row: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(now),
        "at": now,
        "event_id": None,
        "alert_id": row.alert_id,
        "person": row.target,
        "stage": "channel",
        "verdict": "failed",
        "reason_zh": f"发送失败（{row.channel}：该渠道已从配置中删除）",
        "reason_en": f"could not be delivered ({row.channel}: {_PROBLEM})",
    }
