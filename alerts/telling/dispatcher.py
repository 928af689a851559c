"""Sends what is due over one channel: claims deliveries, tries them, and writes how it went."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, update

from alerts.channels.base import Attempt, Channel, Notification, make_attempt
from alerts.channels.budget import pause_provider
from alerts.channels.claims import Claimed, claim, has_due
from alerts.hub import Bell, Hub
from alerts.seeing.reading import title
from alerts.store import schema
from alerts.store.records import to_about, to_alert
from alerts.store.rows import insert_rows, update_rows
from alerts.storm.notice import SentDigest, gathered_alerts, sent_digests
from alerts.telling.answers import answer_url
from config.channel_site import WEBPUSH
from config.clock import Clock
from config.ids import uuid7
from config.logs import get_logger
from config.site import Site
from ingest.engine import reading, writing

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
MOST_ATTEMPTS = 12
"""With the pauses above, about half an hour of trying."""
PARALLEL = 32
GATHER_S = 0.02

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Sending:
    claimed: Claimed
    future: Future[Attempt]


class Dispatcher:
    """Works off the deliveries of one channel; any number may share one database.

    A claim is a lease: the row is ``sending`` and becomes due again when the lease ends, so a
    dispatcher that dies repeats its notice under the same idempotency key rather than losing
    it. A provider that answers slowly holds up only its own messages: up to 32 are under way.

    Args:
        channel: where to send.
        base_url: address of the web pages, for links.
        answer_key: signs a person's own link, with which they answer once without logging in;
            None: every link leads to a login.
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
        answer_key: bytes | None = None,
    ) -> None:
        self._answer_key = answer_key
        self._engine = engine
        self._site = site
        self._clock = clock
        self.channel = channel
        self._base_url = base_url.rstrip("/")
        self._hub = hub or Hub()
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix=f"send-{channel.name}")
        self._under_way: list[_Sending] = []
        self._lock = threading.Lock()

    def turn(self) -> int:
        """Write how attempts ended, and start what is due; returns how many of both.

        It waits for no provider: ``Bell.ENDED`` rings when an attempt has ended.
        """
        with self._lock:
            if self._under_way:
                # Those that end together are written, and their successors claimed, together.
                wait([item.future for item in self._under_way], timeout=GATHER_S)
            return self._turn()

    def run_once(self) -> int:
        """Send all that is due and wait until each attempt has ended; returns how many."""
        started = 0
        with self._lock:
            while self._turn():
                started += len(self._under_way)
                wait([item.future for item in self._under_way])
        return started

    def close(self) -> None:
        """Wait for the attempts under way, write how they ended, and close the channel."""
        self._pool.shutdown(wait=True)
        with self._lock:
            self._harvest()
        self.channel.close()

    def _turn(self) -> int:
        ended = [item for item in self._under_way if item.future.done()]
        free = PARALLEL - len(self._under_way) + len(ended)
        # Asked only where it saves a transaction; one that writes the ended ones just looks.
        is_due = free > 0 and (bool(ended) or self._has_work())
        if not ended and not is_due:
            return 0
        # One transaction for both: on SQLite each waits for all other writers.
        with writing(self._engine) as connection:
            failed = self._write(connection, ended) if ended else 0
            claims = self._claim(connection, free) if is_due else []
        self._under_way = [item for item in self._under_way if item not in ended]
        for item, note in claims:
            future = self._pool.submit(make_attempt, self.channel, note)
            self._under_way.append(_Sending(item, future))
            future.add_done_callback(lambda _: self._hub.ring(Bell.ENDED))
        if failed:
            self._hub.ring(Bell.NOTICES)
        return len(ended) + len(claims)

    def _harvest(self) -> None:
        ended = [item for item in self._under_way if item.future.done()]
        if ended:
            with writing(self._engine) as connection:
                self._write(connection, ended)
            self._under_way = [item for item in self._under_way if item not in ended]

    def _claim(self, connection: Connection, free: int) -> list[tuple[Claimed, Notification]]:
        claims = claim(connection, self.channel, limit=free, now=self._clock.now())
        digests = sent_digests(connection, [item.key for item in claims])
        notes = []
        for item in claims:
            note = self._notification(item)
            if (digest := digests.get(item.key)) is not None:
                note = replace(digest.instead_of(note, self._base_url), answer=None)
                if item.person is None:
                    note = self._gathered(connection, item, note, digest)
            notes.append((item, note))
        return notes

    def _gathered(
        self, connection: Connection, item: Claimed, note: Notification, digest: SentDigest
    ) -> Notification:
        """A webhook's digest lists its alerts, for no machine reads the page that does."""
        rows = gathered_alerts(connection, digest.id)
        inside = tuple(self._notification(replace(item, alert=row)) for row in rows)
        return replace(note, gathered=inside, left_out=max(0, digest.count - len(inside)))

    def _has_work(self) -> bool:
        with reading(self._engine) as connection:
            return has_due(connection, self.channel.name, self._clock.now())

    def _notification(self, claimed: Claimed) -> Notification:
        row = claimed.alert
        alert, about = to_alert(row), to_about(row)
        zh, en = title(self._site, camera=about.place.camera, kind=about.kind, plate=None)
        camera = self._site.camera(about.place.camera)
        answer = self._answer(claimed)
        return Notification(
            key=claimed.key,
            reference=claimed.id,
            target=claimed.target,
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
            link=self._link(answer, alert.id),
            is_home=about.place.is_home,
            is_owners=about.place.owner is not None and claimed.person == about.place.owner,
            answer=answer,
        )

    def _link(self, answer: str | None, alert_id: str) -> str:
        """To one person by a way of their own, an answer; to a group or a browser, a login."""
        own = answer if self.channel.name != WEBPUSH else None
        return own or f"{self._base_url}/alerts/{alert_id}"

    def _answer(self, claimed: Claimed) -> str | None:
        """Where one person answers once."""
        if self._answer_key is None or claimed.person is None:
            return None
        return answer_url(self._answer_key, self._base_url, claimed.id)

    def _write(self, connection: Connection, ended: list[_Sending]) -> int:
        """Write how attempts ended; returns how many notices have failed for good."""
        now = self._clock.now()
        outcomes = [(item.claimed, item.future.result()) for item in ended]
        rows = [_outcome(claimed, attempt, now) for claimed, attempt in outcomes]
        # A page may have read it, or the lease run out, while it was being sent.
        written = update_rows(
            connection,
            schema.deliveries,
            sorted(rows, key=lambda row: str(row["id"])),
            fits=("attempts",),
            only={"state": "sending"},
        )
        failed = [
            (claimed, attempt)
            for (claimed, attempt), row in zip(outcomes, rows, strict=True)
            if row["state"] == "failed" and claimed.id in written
        ]
        insert_rows(connection, schema.decisions, [self._failed(*pair, now) for pair in failed])
        _hand_on(connection, [claimed for claimed, _ in failed], now)
        self._heed_pauses(connection, outcomes, now)
        return len(failed)

    def _heed_pauses(
        self, connection: Connection, outcomes: list[tuple[Claimed, Attempt]], now: datetime
    ) -> None:
        """A provider that asks for a pause gets it for all messages, not just for this one."""
        for claimed, attempt in outcomes:
            budget = self.channel.budget(claimed.target)
            if budget is not None and attempt.retry_after:
                pause_provider(connection, budget, now + attempt.retry_after)

    def _failed(self, claimed: Claimed, attempt: Attempt, now: datetime) -> dict[str, Any]:
        """The reason why this way did not reach them."""
        _log.warning(
            "a notification failed", channel=self.channel.name, target=claimed.target,
            alert_id=claimed.alert["id"], problem=attempt.problem,
        )  # fmt: skip
        problem = f"{self.channel.name}: {attempt.problem}"
        return {
            "id": uuid7(now),
            "at": now,
            "event_id": None,
            "alert_id": claimed.alert["id"],
            "person": claimed.target,
            "stage": "channel",
            "verdict": "failed",
            "reason_zh": f"发送失败（{problem}）",
            "reason_en": f"could not be delivered ({problem})",
        }


def _hand_on(connection: Connection, failed: list[Claimed], now: datetime) -> None:
    """The turn of the person's next way is now, unless it has come already."""
    sent = schema.deliveries.c
    if failed:
        connection.execute(
            update(schema.deliveries)
            .where(sent.id.in_([item.id for item in failed]), sent.fall_over_at.is_not(None))
            .values(fall_over_at=now)
        )


def pause(attempts: int, attempt: Attempt) -> timedelta:
    """How long to wait after the ``attempts``-th failure (from 1): doubling, with jitter.

    Never sooner than the provider asked for.
    """
    doubled = FIRST_PAUSE * (1 << min(attempts - 1, 16))
    own = min(doubled, LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    return max(own, attempt.retry_after or timedelta(0))


def _outcome(claimed: Claimed, attempt: Attempt, now: datetime) -> dict[str, Any]:
    """The columns of a delivery after an attempt."""
    is_over = attempt.result != "retry" or claimed.attempts >= MOST_ATTEMPTS
    state = "accepted" if attempt.result == "accepted" else "failed" if is_over else "pending"
    return {
        "id": claimed.id,
        "attempts": claimed.attempts,
        "state": state,
        "next_attempt_at": None if is_over else now + pause(claimed.attempts, attempt),
        "provider_ref": attempt.ref,
        "error": attempt.problem,
        "changed_at": now,
    }
