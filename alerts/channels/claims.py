"""Claims deliveries of one channel for a while, within what its providers still take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, select, update

from alerts.channels.base import Channel
from alerts.channels.budget import look, spend
from alerts.store import schema
from alerts.store.records import Row, load_row
from alerts.store.rows import OfThese, one_of

CLAIM = timedelta(seconds=120)
"""A delivery claimed by a dispatcher that died is free again after this; longer than any send."""
LOOK_AGAIN = timedelta(seconds=2)
"""When a delivery is due again for which its provider's budget did not suffice."""
LOOK_AT = 200
"""Due rows that are looked at, so that a provider whose budget is spent hides no other's."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send: ``attempts`` counts this one; ``alert`` as it was then."""

    id: str
    target: str
    key: str
    attempts: int
    person: str | None
    alert: Row


def has_due(connection: Connection, channel: str, now: datetime) -> bool:
    """True when something of this channel is due."""
    found = select(_sent.id).where(_due(channel, now)).limit(1)
    return connection.execute(found).first() is not None


def claim(connection: Connection, channel: Channel, *, limit: int, now: datetime) -> list[Claimed]:
    """Up to ``limit`` due deliveries, the loudest first, then the oldest."""
    given = {"channel": channel.name, "now": now, "limit": max(limit, LOOK_AT)}
    found = connection.execute(_FOUND, given).all()
    if not found:
        return []
    ids = _affordable(connection, channel, [(row.id, row.target) for row in found], limit, now)
    if not ids:
        return []
    connection.execute(
        update(schema.deliveries)
        .where(one_of(connection, _sent.id, ids))
        .values(
            state="sending",
            attempts=_sent.attempts + 1,
            next_attempt_at=now + CLAIM,
            changed_at=now,
        )
    )
    return _load(connection, ids)


def _due(channel: str, now: datetime) -> ColumnElement[bool]:
    return (_sent.channel == channel) & (_sent.next_attempt_at <= now)


def _affordable(
    connection: Connection,
    channel: Channel,
    found: list[tuple[str, str]],
    limit: int,
    now: datetime,
) -> list[str]:
    """The first of ``found`` that the budgets of their providers allow; others are put off."""
    budgets = {target: channel.budget(target) for _, target in found}
    held = look(connection, {item for item in budgets.values() if item is not None}, now)
    left = dict(held)
    ids: list[str] = []
    for name, target in found:
        budget = budgets[target]
        if len(ids) == limit or (budget is not None and left[budget] < 1):
            continue
        if budget is not None:
            left[budget] -= 1
        ids.append(name)
    spend(connection, {item: tokens for item, tokens in left.items() if tokens < held[item]}, now)
    spent = {name for name, item in budgets.items() if item is not None and left[item] < 1}
    _put_off(connection, channel.name, spent, taken=ids, now=now)
    return ids


def _put_off(
    connection: Connection,
    channel: str,
    targets: Collection[str],
    *,
    taken: list[str],
    now: datetime,
) -> None:
    """What a spent budget leaves over is due again a little later.

    So it neither makes the dispatcher look in vain all the time, nor counts as stuck.
    """
    if not targets:
        return
    over = (
        select(_sent.id)
        .where(_due(channel, now), _sent.target.in_(targets), _sent.id.not_in(taken))
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(schema.deliveries).where(_sent.id.in_(over)).values(next_attempt_at=now + LOOK_AGAIN)
    )


def _load(connection: Connection, ids: list[str]) -> list[Claimed]:
    rows = _CLAIMED.of(connection, ids).all()
    # A message is of the change that asked for it, not of a later one. The alert itself is read
    # only where that change is not kept, or was kept before a column was added.
    then = {row.id: load_row(row.body) if row.body is not None else {} for row in rows}
    short = {row.alert_id for row in rows if not then[row.id].keys() >= _COLUMNS}
    alerts = {row["id"]: row for row in _ALERTS.of(connection, short).mappings()} if short else {}
    by_id = {
        row.id: Claimed(
            id=row.id,
            target=row.target,
            key=row.idempotency_key,
            attempts=row.attempts,
            person=row.person,
            alert={**alerts.get(row.alert_id, {}), **then[row.id]},
        )
        for row in rows
    }
    return [by_id[name] for name in ids]


_sent, _alerts, _stream = schema.deliveries.c, schema.alerts.c, schema.stream.c
_FOUND = (
    select(_sent.id, _sent.target)
    .join(schema.alerts, _alerts.id == _sent.alert_id)
    .where(
        _sent.channel == bindparam("channel", type_=_sent.channel.type),
        _sent.next_attempt_at <= bindparam("now", type_=_sent.next_attempt_at.type),
    )
    .order_by(_alerts.loudness.desc(), _sent.next_attempt_at, _sent.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True, of=schema.deliveries)
)
_CLAIMED = OfThese(
    select(
        _sent.id,
        _sent.target,
        _sent.idempotency_key,
        _sent.attempts,
        _sent.person,
        _sent.alert_id,
        _stream.body,
    ).outerjoin(
        schema.stream,
        (_stream.alert_id == _sent.alert_id) & (_stream.version == _sent.alert_version),
    ),
    _sent.id,
)
_ALERTS = OfThese(select(schema.alerts), _alerts.id)
_COLUMNS = frozenset(_alerts.keys())
