"""Sends what is due over one channel: claims deliveries, tries them, and writes how it went."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select, update

from alerts import schema
from alerts.channels.base import Attempt, Channel, Notification
from alerts.hub import Hub
from alerts.notices import INAPP
from alerts.reading import title
from alerts.records import Row, load_row, to_about, to_alert
from config.clock import Clock
from config.ids import uuid7
from config.logs import get_logger
from config.site import Site
from ingest.engine import reading, writing

BATCH = 100
CLAIM = timedelta(seconds=120)
"""A delivery claimed by a dispatcher that died is free again after this; longer than any send."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
MOST_ATTEMPTS = 12
"""With the pauses above, about half an hour of trying."""
PARALLEL = 8

_log = get_logger(__name__)


class Dispatcher:
    """Works off the deliveries of one channel; any number may share one database.

    A claim is a lease: the row is ``sending`` and becomes due again when the lease ends, so a
    dispatcher that dies repeats its notice under the same idempotency key rather than losing it.

    Args:
        channel: where to send.
        fall_over: the channel a person is reached by when this one has failed; None: no other.
        base_url: address of the web pages, for links.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        channel: Channel,
        base_url: str,
        hub: Hub | None = None,
        fall_over: str | None = None,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._channel = channel
        self._base_url = base_url.rstrip("/")
        self._hub = hub or Hub()
        self._fall_over = fall_over

    def run_once(self) -> int:
        """Send what is due, at most 100 at a time; returns how many attempts were made."""
        if not self._has_work():
            return 0
        claimed = self._claim()
        if not claimed:
            return 0
        notes = [self._notification(row) for row in claimed]
        attempts = self._send_all(notes)
        self._write(claimed, attempts)
        return len(claimed)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _due(self) -> Any:
        sent = schema.deliveries
        return (
            select(sent.c.id)
            .where(sent.c.channel == self._channel.name)
            .where(sent.c.next_attempt_at <= self._clock.now())
            .order_by(sent.c.next_attempt_at)
        )

    def _has_work(self) -> bool:
        with reading(self._engine) as connection:
            return connection.execute(self._due().limit(1)).first() is not None

    def _claim(self) -> list[Row]:
        sent, alerts, stream = schema.deliveries, schema.alerts, schema.stream
        now = self._clock.now()
        with writing(self._engine) as connection:
            due = self._due().limit(BATCH).with_for_update(skip_locked=True)
            ids = list(connection.execute(due).scalars())
            if not ids:
                return []
            connection.execute(
                update(sent)
                .where(sent.c.id.in_(ids))
                .values(
                    state="sending",
                    attempts=sent.c.attempts + 1,
                    next_attempt_at=now + CLAIM,
                    changed_at=now,
                )
            )
            rows = connection.execute(
                select(
                    alerts,
                    sent.c.id.label("delivery_id"),
                    sent.c.target,
                    sent.c.idempotency_key,
                    sent.c.attempts,
                    sent.c.alert_version,
                    sent.c.person,
                )
                .join(alerts, alerts.c.id == sent.c.alert_id)
                .where(sent.c.id.in_(ids))
                .order_by(sent.c.created_at, sent.c.id)
            ).mappings()
            claimed: list[Row] = [dict(row) for row in rows]
            if self._channel.name == INAPP:
                return claimed
            # A webhook is told of the change that asked for it, not of a later one.
            bodies = connection.execute(
                select(stream.c.body).where(stream.c.alert_id.in_({row["id"] for row in claimed}))
            ).scalars()
            then = {(row["id"], row["version"]): row for row in map(load_row, bodies)}
        return [{**row, **then.get((row["id"], row["alert_version"]), {})} for row in claimed]

    def _notification(self, row: Row) -> Notification:
        alert, about = to_alert(row), to_about(row)
        zh, en = title(self._site, camera=about.place.camera, kind=about.kind, plate=None)
        camera = self._site.camera(about.place.camera)
        return Notification(
            key=row["idempotency_key"],
            target=row["target"],
            alert_id=alert.id,
            version=alert.version,
            state=alert.state,
            step=alert.step,
            kind=about.kind,
            severity=alert.severity,
            title_zh=zh,
            title_en=en,
            camera=about.place.camera,
            camera_name=camera.name if camera is not None else about.place.camera,
            grid=about.place.grid,
            opened_at=alert.opened_at,
            changed_at=alert.changed_at,
            acked_by=alert.acked_by,
            link=f"{self._base_url}/alerts/{alert.id}",
        )

    def _send_all(self, notes: Sequence[Notification]) -> list[Attempt]:
        if self._channel.name == INAPP or len(notes) == 1:
            return [self._send(note) for note in notes]
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix=f"send-{self._channel.name}") as pool:
            return list(pool.map(self._send, notes))

    def _send(self, note: Notification) -> Attempt:
        try:
            return self._channel.send(note)
        except Exception as error:  # noqa: BLE001 - a channel's fault must not stop the others
            _log.exception("a channel raised", channel=self._channel.name, alert_id=note.alert_id)
            return Attempt("retry", f"the channel failed ({type(error).__name__})")

    def _write(self, claimed: Sequence[Row], attempts: Sequence[Attempt]) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            pairs = zip(claimed, attempts, strict=True)
            for row, attempt in sorted(pairs, key=lambda pair: str(pair[0]["delivery_id"])):
                is_over = attempt.result != "retry" or row["attempts"] >= MOST_ATTEMPTS
                state = _state(attempt, is_over=is_over)
                sent = schema.deliveries
                # A page may have read it, or the lease run out, while it was being sent.
                result = connection.execute(
                    update(sent)
                    .where(sent.c.id == row["delivery_id"], sent.c.state == "sending")
                    .where(sent.c.attempts == row["attempts"])
                    .values(
                        state=state,
                        next_attempt_at=None if is_over else now + pause(row["attempts"], attempt),
                        error=attempt.problem,
                        changed_at=now,
                    )
                )
                if state == "failed" and result.rowcount == 1:
                    self._failed(connection, row, attempt, now)
        self._hub.ring()

    def _failed(self, connection: Any, row: Row, attempt: Attempt, now: datetime) -> None:
        """Take the next channel, or keep the reason why nobody was reached."""
        _log.warning(
            "a notification failed", channel=self._channel.name, target=row["target"],
            alert_id=row["id"], problem=attempt.problem,
        )  # fmt: skip
        problem = f"{self._channel.name}: {attempt.problem}"
        connection.execute(
            insert(schema.decisions).values(
                id=uuid7(now),
                at=now,
                alert_id=row["id"],
                person=row["target"],
                stage="channel",
                verdict="failed",
                reason_zh=f"发送失败（{problem}）",
                reason_en=f"could not be delivered ({problem})",
            )
        )
        if self._fall_over is None or row["person"] is None:
            return
        connection.execute(insert(schema.deliveries).values(self._next_channel(row, now)))

    def _next_channel(self, row: Row, now: datetime) -> Mapping[str, Any]:
        base, _, _ = row["idempotency_key"].rpartition(":")
        return {
            "id": uuid7(now),
            "alert_id": row["id"],
            "alert_version": row["alert_version"],
            "cycle": row["cycle"],
            "step": row["step"],
            "channel": self._fall_over,
            "target": row["target"],
            "person": row["person"],
            "idempotency_key": f"{base}:{self._fall_over}",
            "state": "pending",
            "reason_zh": f"{self._channel.name} 发送失败，改用下一渠道",
            "reason_en": f"{self._channel.name} failed: next channel",
            "attempts": 0,
            "next_attempt_at": now,
            "error": "",
            "created_at": now,
            "changed_at": now,
        }


def pause(attempts: int, attempt: Attempt) -> timedelta:
    """How long to wait after the ``attempts``-th failure (from 1): doubling, with jitter.

    Never sooner than the provider asked for.
    """
    doubled = FIRST_PAUSE * (1 << min(attempts - 1, 16))
    own = min(doubled, LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    return max(own, attempt.retry_after or timedelta(0))


def _state(attempt: Attempt, *, is_over: bool) -> str:
    if attempt.result == "accepted":
        return "accepted"
    return "failed" if is_over else "pending"
