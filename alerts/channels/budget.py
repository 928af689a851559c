"""Rate budgets of providers: token buckets in the database, shared by all dispatchers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from alerts.channels.schema import channel_budgets
from alerts.store.rows import OfThese
from config.clock import SKEW
from ingest.engine import insert_into

LONGEST_PAUSE = timedelta(hours=1)
"""No provider gets a longer pause, whatever it asks for."""
_PAUSED = -1.0
"""In place of tokens while the provider's pause lasts: it is empty, and fills from its end on."""


@dataclass(frozen=True, slots=True)
class Budget:
    """``per_minute`` messages on average, at most ``burst`` at once."""

    provider: str
    per_minute: int
    burst: int

    @classmethod
    def steady(cls, provider: str, per_minute: int) -> Budget:
        """A budget whose window is a minute: never more than ``per_minute`` in any minute.

        A full bucket and what flows in during the minute after it must not exceed the limit
        together: a quarter may come at once, three quarters flow in.
        """
        burst = max(1, per_minute // 4)
        return cls(provider, per_minute=max(1, per_minute - burst), burst=burst)

    def filled(self, tokens: float, since: timedelta) -> float:
        """What ``tokens`` have grown to after ``since``; a clock that went back adds nothing."""
        grown = tokens + max(0.0, since.total_seconds()) * self.per_minute / 60
        return min(float(self.burst), grown)


def look(connection: Connection, budgets: Collection[Budget], now: datetime) -> dict[Budget, float]:
    """What each budget holds now; its row stays locked until the transaction ends.

    Rows are locked in the order of their names, so that two dispatchers never wait in a circle.
    """
    names = sorted({budget.provider for budget in budgets})
    if not names:
        return {}
    rows = {row.provider: row for row in _LOCKED.of(connection, names)}
    if missing := [budget for budget in budgets if budget.provider not in rows]:
        _add(connection, missing, now)
        rows = {row.provider: row for row in _LOCKED.of(connection, names)}
    for row in rows.values():
        if _was_set_back(row, now):
            _save(connection, row.provider, max(0.0, row.tokens), now)
    return {budget: _holds(budget, rows[budget.provider], now) for budget in budgets}


def spend(connection: Connection, left: Mapping[Budget, float], now: datetime) -> None:
    """Save what is ``left`` of budgets that were locked by :func:`look`."""
    for budget, tokens in left.items():
        _save(connection, budget.provider, tokens, now)


def pause_provider(connection: Connection, budget: Budget, until: datetime) -> None:
    """The provider asked for a pause: nothing is taken from its budget before ``until``."""
    _save(connection, budget.provider, _PAUSED, until)


def _add(connection: Connection, budgets: Collection[Budget], now: datetime) -> None:
    """A provider that is used for the first time has its full burst."""
    for budget in sorted(budgets, key=lambda item: item.provider):
        full = {"provider": budget.provider, "tokens": float(budget.burst), "filled_at": now}
        fresh = insert_into(connection, channel_budgets).values(full)
        connection.execute(fresh.on_conflict_do_nothing())


def _holds(budget: Budget, row: Any, now: datetime) -> float:
    if row.filled_at > now and not _was_set_back(row, now):
        return 0.0
    return budget.filled(max(0.0, row.tokens), now - row.filled_at)


def _was_set_back(row: Any, now: datetime) -> bool:
    """True when only a clock that has been set back since can have written this."""
    ahead = row.filled_at - now
    return bool(ahead > (LONGEST_PAUSE if row.tokens < 0 else SKEW))


def _save(connection: Connection, provider: str, tokens: float, now: datetime) -> None:
    connection.execute(
        update(channel_budgets)
        .where(channel_budgets.c.provider == provider)
        .values(tokens=tokens, filled_at=now)
    )


_provider = channel_budgets.c.provider
_LOCKED = OfThese(
    select(_provider, channel_budgets.c.tokens, channel_budgets.c.filled_at)
    .order_by(_provider)
    .with_for_update(),
    _provider,
)
