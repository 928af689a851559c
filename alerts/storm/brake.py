"""Holds notices back into a digest once somebody has had enough of them in one window."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, select

from alerts.store.quiet_schema import digests, notice_pace
from alerts.store.rows import OfThese
from config.ids import uuid7
from config.pace_site import Pace

HELD = "held"
"""State of a delivery that waits for its digest; nothing of it is due."""
DIGESTED = "digested"
"""State of a delivery that was told as part of a digest."""


HOOK_WINDOW = timedelta(minutes=1)
"""Providers of group bots count by the minute."""
HOOK_URGENT = timedelta(seconds=15)
"""The longest that something critical waits for its digest to a webhook."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the brake asks of an alert; ``grid`` is empty where none is known."""

    grid: str
    kind: str
    is_critical: bool
    escalate_after_s: int


@dataclass(frozen=True, slots=True)
class Count:
    """Notices under one key since ``started_at``, and the digest that is open for it."""

    started_at: datetime
    told: int = 0
    digest_id: str | None = None


class Brake:
    """Counts the notices of one transaction and holds back what is too many.

    Call it while the audit's counter is locked: counts and digests are nobody else's then.

    Args:
        gather_after: how many messages a minute each webhook takes one by one.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        now: datetime,
        gather_after: Mapping[str, int] | None = None,
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._gather_after = gather_after or {}
        self._window = timedelta(seconds=pace.window_s)
        self._now = now
        self._counts: dict[str, Count] = {}
        self._changed: set[str] = set()
        self._opened: list[dict[str, Any]] = []

    def apply(
        self, rows: Sequence[dict[str, Any]], notices: Mapping[str, Notice]
    ) -> list[dict[str, Any]]:
        """The same delivery rows, each with its ``digest_id`` (None: sent by itself).

        Write :meth:`parts` with them.
        """
        whom, hooks = self._whom(rows, notices), self._hooks(rows)
        keys = {key for person, alert in whom for key in _keys(person, notices[alert])}
        self._load(keys | {_hook_key(hook, notices[alert]) for hook, alert in hooks})
        found: dict[tuple[str | None, str, str], str | None] = {}
        for person, alert in whom:
            found[person, person, alert] = self._place(person, notices[alert])
        for hook, alert in hooks:
            found[None, hook, alert] = self._place_hook(hook, notices[alert])
        return [
            self._held(row, found.get((row["person"], row["target"], row["alert_id"])))
            for row in rows
        ]

    def _hooks(self, rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
        """Pairs of webhook and alert that the brake may hold, each once, in order."""
        pairs = (
            (row["target"], row["alert_id"])
            for row in rows
            if row["person"] is None and self._gather_after.get(row["target"], 0)
        )
        return list(dict.fromkeys(pairs))

    def _place_hook(self, hook: str, notice: Notice) -> str | None:
        """As :meth:`_place`, for a webhook: one digest of everything, one of what is critical.

        A group is no person who must be woken, and its provider refuses what is too many: so
        even what is critical is gathered in the end, for a few seconds.
        """
        key = _hook_key(hook, notice)
        is_many = self._bump(key, HOOK_WINDOW) > self._gather_after[hook]
        if not is_many and not self._is_open(key):
            return None
        wait = HOOK_URGENT if notice.is_critical else HOOK_WINDOW
        return self._digest(key, {"webhook": hook, "grid": "", "kind": ""}, wait)

    def _whom(
        self, rows: Iterable[dict[str, Any]], notices: Mapping[str, Notice]
    ) -> list[tuple[str, str]]:
        """Pairs of person and alert that the brake may hold, each once, in order."""
        if not (self._pace.group_after or self._pace.storm_after):
            return []
        pairs = (
            (row["person"], row["alert_id"])
            for row in rows
            if row["person"] is not None and row["next_attempt_at"] is not None
        )
        return list(dict.fromkeys(pair for pair in pairs if not notices[pair[1]].is_critical))

    def _place(self, person: str, notice: Notice) -> str | None:
        """Count one notice; the digest it goes into, or None when it is sent by itself."""
        all_of_them, in_storm, group = _keys(person, notice)
        total, same = self._bump(all_of_them, self._window), self._bump(group, self._window)
        is_storm = bool(self._pace.storm_after) and total > self._pace.storm_after
        if is_storm or self._is_open(in_storm):
            whose = {"person": person, "grid": notice.grid, "kind": ""}
            return self._digest(in_storm, whose, self._window)
        # Something that climbs before a digest would have been read is told by itself.
        is_urgent = notice.escalate_after_s < 2 * self._pace.window_s
        is_many = bool(self._pace.group_after) and same > self._pace.group_after
        if (is_many or self._is_open(group)) and not is_urgent:
            whose = {"person": person, "grid": notice.grid, "kind": notice.kind}
            return self._digest(group, whose, self._window)
        return None

    def _is_open(self, key: str) -> bool:
        count = self._counts.get(key)
        return count is not None and count.digest_id is not None

    def _bump(self, key: str, window: timedelta) -> int:
        count = self._counts.get(key)
        # Before or after: a clock may have been set back.
        if count is None or abs(self._now - count.started_at) >= window:
            digest_id = count.digest_id if count is not None else None
            count = Count(self._now, 0, digest_id)
        count = self._counts[key] = replace(count, told=count.told + 1)
        self._changed.add(key)
        return count.told

    def _digest(self, key: str, whose: dict[str, str], wait: timedelta) -> str:
        count = self._counts.get(key, Count(self._now))
        if count.digest_id is not None:
            return count.digest_id
        opened = uuid7(self._now)
        self._counts[key] = replace(count, digest_id=opened)
        self._changed.add(key)
        self._opened.append(
            {
                "id": opened,
                "person": None,
                "webhook": None,
                **whose,
                "opened_at": self._now,
                "due_at": self._now + wait,
                "sent_at": None,
                "count": 0,
                "title_zh": "",
                "title_en": "",
            }
        )
        return opened

    def _held(self, row: dict[str, Any], digest_id: str | None) -> dict[str, Any]:
        if digest_id is None or row["next_attempt_at"] is None:
            return {**row, "digest_id": None}
        return {
            **row,
            "digest_id": digest_id,
            "state": HELD,
            "next_attempt_at": None,
            "reason_zh": f"{row['reason_zh']}；通知过多，并入摘要 {digest_id}",
            "reason_en": f"{row['reason_en']}; too many notices: in digest {digest_id}",
        }

    def _load(self, keys: Collection[str]) -> None:
        if not keys:
            return
        for row in _PACES.of(self._connection, keys):
            self._counts[row.key] = Count(row.started_at, row.told, row.digest_id)

    def parts(self) -> tuple[tuple[Table, list[dict[str, Any]]], ...]:
        """Rows to write: of ``notice_pace``, replacing what is there, and of ``digests``."""
        rows = [
            {
                "key": key,
                "started_at": self._counts[key].started_at,
                "told": self._counts[key].told,
                "digest_id": self._counts[key].digest_id,
            }
            for key in sorted(self._changed)
        ]
        return (notice_pace, rows), (digests, self._opened)


_PACES = OfThese(select(notice_pace), notice_pace.c.key)


def _keys(person: str, notice: Notice) -> tuple[str, str, str]:
    """Of all notices of a person, of their storm in a grid, and of a grid and kind."""
    return person, f"{person}|{notice.grid}", f"{person}|{notice.grid}|{notice.kind}"


def _hook_key(hook: str, notice: Notice) -> str:
    """Of all messages to a webhook, or of the critical ones; no person's id holds a colon."""
    return f"webhook:{hook}" + ("|critical" if notice.is_critical else "")
