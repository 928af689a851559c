"""What became of a notice after its provider took it: delivered, read, or failed after all."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, insert, or_, select, update

from alerts.channels.duty_notes import note_duty_receipt
from alerts.store import schema
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing


class Fate(StrEnum):
    """What a receipt says."""

    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


_BEFORE = {
    Fate.DELIVERED: ("pending", "sending", "accepted"),
    Fate.READ: ("pending", "sending", "accepted", "delivered"),
    Fate.FAILED: ("pending", "sending", "accepted"),
}
"""States that a receipt may change: it never goes back, and says the same twice at no cost."""


def note_receipt(engine: Engine, clock: Clock, *, channel: str, reference: str, fate: Fate) -> bool:
    """Write down a receipt; False when no notice or note has this ``reference``.

    ``reference`` is ours or the provider's own id. Delivered or read ends the chain of ways of
    the notice; failed makes it the next way's turn at once.
    """
    sent = schema.deliveries.c
    mine = (sent.channel == channel) & or_(sent.id == reference, sent.provider_ref == reference)
    with reading(engine) as connection:
        found = connection.execute(select(sent.id, sent.state).where(mine).limit(1)).first()
    if found is None:
        with writing(engine) as connection:
            return note_duty_receipt(
                connection, channel=channel, reference=reference, fate=str(fate), now=clock.now()
            )
    if found.state in _BEFORE[fate]:
        with writing(engine) as connection:
            _write(connection, clock, str(found.id), fate)
    return True


def _write(connection: Connection, clock: Clock, delivery: str, fate: Fate) -> None:
    sent, now = schema.deliveries.c, clock.now()
    values: dict[str, Any] = {"state": str(fate), "next_attempt_at": None, "changed_at": now}
    if fate is Fate.FAILED:
        values["error"] = "the provider's receipt says: failed"
    else:
        values["fall_over_at"] = None
    row = connection.execute(
        update(schema.deliveries)
        .where(sent.id == delivery, sent.state.in_(_BEFORE[fate]))
        .values(values)
        .returning(sent.alert_id, sent.person, sent.channel, sent.fall_over_at)
    ).first()
    if row is None or fate is not Fate.FAILED:
        return
    if row.fall_over_at is not None:
        connection.execute(
            update(schema.deliveries).where(sent.id == delivery).values(fall_over_at=now)
        )
    connection.execute(
        insert(schema.decisions).values(
            id=uuid7(now),
            at=now,
            alert_id=row.alert_id,
            person=row.person,
            stage="channel",
            verdict="failed",
            reason_zh=f"{row.channel} 的回执：未送达",
            reason_en=f"the receipt of {row.channel} says: not delivered",
        )
    )
