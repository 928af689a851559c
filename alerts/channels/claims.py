"""Claims deliveries of one channel for a while, within what its providers still take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from alerts.channels.base import Channel
from alerts.channels.budget import look, spend
from alerts.store import schema
from alerts.store.records import Row, load_row

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
    return (
        connection.execute(select(_sent.id).where(_due(channel, now)).limit(1)).first() is not None
    )


def claim(connection: Connection, channel: Channel, *, limit: int, now: datetime) -> list[Claimed]:
    """Up to ``limit`` due deliveries, the loudest first, then the oldest."""
    alerts = schema.alerts.c
    found = connection.execute(
        select(_sent.id, _sent.target)
        .join(schema.alerts, alerts.id == _sent.alert_id)
        .where(_due(channel.name, now))
        .order_by(alerts.loudness.desc(), _sent.next_attempt_at, _sent.id)
        .limit(max(limit, LOOK_AT))
        .with_for_update(skip_locked=True, of=schema.deliveries)
    ).all()
    ids = _affordable(connection, channel, [(row.id, row.target) for row in found], limit, now)
    if not ids:
        return []
    connection.execute(
        update(schema.deliveries)
        .where(_sent.id.in_(ids))
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
    alerts, stream = schema.alerts, schema.stream.c
    # A message is of the change that asked for it, not of a later one.
    then = (stream.alert_id == _sent.alert_id) & (stream.version == _sent.alert_version)
    rows = connection.execute(
        select(
            alerts,
            stream.body.label("then"),
            *(_sent[name].label(f"delivery_{name}") for name in _CARRIED),
        )
        .join_from(schema.deliveries, alerts, alerts.c.id == _sent.alert_id)
        .outerjoin(schema.stream, then)
        .where(_sent.id.in_(ids))
    ).mappings()
    by_id = {row["delivery_id"]: _claimed(row) for row in rows}
    return [by_id[name] for name in ids]


def _claimed(row: RowMapping) -> Claimed:
    then = load_row(row["then"]) if row["then"] is not None else {}
    return Claimed(
        id=row["delivery_id"],
        target=row["delivery_target"],
        key=row["delivery_idempotency_key"],
        attempts=row["delivery_attempts"],
        person=row["delivery_person"],
        alert={**row, **then},
    )


_sent = schema.deliveries.c
_CARRIED = (
    "id",
    "target",
    "idempotency_key",
    "attempts",
    "person",
)
