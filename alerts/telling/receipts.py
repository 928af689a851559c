"""Receipts: in-app notices that pages have received are delivered, many people's at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Engine, and_, select, update

from alerts.store import schema
from alerts.telling.notices import INAPP
from config.clock import Clock
from ingest.engine import reading, writing

_DONE = ("delivered", "read", "failed")
"""States that a notice does not leave when it arrives."""


def mark_delivered(engine: Engine, clock: Clock, shown: Mapping[str, Collection[str]]) -> int:
    """Note what people's pages have received, in one transaction.

    Args:
        engine: the centre's database.
        clock: when it was.
        shown: person id → ids of alerts; their in-app notices are meant.

    Returns:
        How many notices have changed.
    """
    sent = schema.deliveries
    is_earlier = sent.c.state.not_in(_DONE)
    condition = and_(
        sent.c.channel == INAPP,
        sent.c.person.in_(sorted(shown)),
        sent.c.alert_id.in_(sorted({alert for ids in shown.values() for alert in ids})),
        is_earlier,
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
        still = select(sent.c.id).where(sent.c.id.in_(ids), is_earlier)
        locked = list(connection.execute(still.order_by(sent.c.id).with_for_update()).scalars())
        connection.execute(
            update(sent)
            .where(sent.c.id.in_(locked))
            .values(state="delivered", next_attempt_at=None, changed_at=clock.now())
        )
    return len(locked)
