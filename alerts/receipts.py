"""Receipts: in-app notices that open pages have received count as delivered, many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Engine, and_, select, update

from alerts import schema
from alerts.notices import INAPP
from config.clock import Clock
from ingest.engine import reading, writing

_DONE = ("delivered", "read", "failed")


def mark_delivered(engine: Engine, clock: Clock, shown: Mapping[str, Collection[str]]) -> int:
    """Note what pages have received, in one transaction; returns how many notices that were.

    Args:
        engine: the centre's database.
        clock: when it was received.
        shown: person id → ids of the alerts that a page of theirs has received.
    """
    sent = schema.deliveries
    condition = and_(
        sent.c.channel == INAPP,
        sent.c.person.in_(sorted(shown)),
        sent.c.alert_id.in_(sorted({alert for ids in shown.values() for alert in ids})),
        sent.c.state.not_in(_DONE),
    )
    columns = (sent.c.id, sent.c.person, sent.c.alert_id)
    with reading(engine) as connection:
        found = connection.execute(select(*columns).where(condition)).all()
    ids = [row.id for row in found if row.alert_id in shown[row.person]]
    if not ids:
        return 0
    with writing(engine) as connection:
        # Locked in the order of their ids, as dispatchers do, so that neither waits for the
        # other in a circle.
        still = select(sent.c.id).where(sent.c.id.in_(ids), sent.c.state.not_in(_DONE))
        locked = list(connection.execute(still.order_by(sent.c.id).with_for_update()).scalars())
        connection.execute(
            update(sent)
            .where(sent.c.id.in_(locked))
            .values(state="delivered", next_attempt_at=None, changed_at=clock.now())
        )
    return len(locked)
