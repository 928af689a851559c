"""Takes plates, pictures and photos out of alerts when their events go, and old alerts away."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, or_, select, update

from alerts.life.state import LIVE
from alerts.store import schema
from alerts.store.records import dump_row, load_row
from alerts.web.schema import reports
from config.event import EventKind
from config.site import Site
from ingest.engine import insert_into
from ingest.retention import proof
from ingest.retention.followers import Gone
from ingest.retention.holds import held_as, working
from ingest.retention.rules import rules_of, unknown_rule
from ingest.retention.schema import hold_events, legal_holds
from ingest.schema import events

_PAGE = 200
_PHOTO_RULE = "photo on the spot: kept as long as its camera's events"
_FORGOTTEN: dict[str, Any] = {"plate": None, "evidence": "[]", "thumbnail_event_id": None}


class AlertFollower:
    """The alerts of one county; see :class:`ingest.retention.followers.Follower`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refresh_holds(self, connection: Connection, now: datetime) -> None:
        """Every event of an alert that is held: also those that joined since the last sweep."""
        over = select(legal_holds.c.id).where(~working(now))
        connection.execute(delete(hold_events).where(hold_events.c.hold_id.in_(over)))
        of_alerts = (
            select(legal_holds.c.id, schema.alert_events.c.event_id)
            .join(schema.alert_events, schema.alert_events.c.alert_id == legal_holds.c.alert_id)
            .where(working(now))
        )
        new = insert_into(connection, hold_events).from_select(["hold_id", "event_id"], of_alerts)
        connection.execute(new.on_conflict_do_nothing())

    def events_go(self, connection: Connection, ids: Sequence[str]) -> None:
        """No plate, picture or subject of these events stays in an alert or its past."""
        of_events = schema.alert_events.c.event_id.in_(ids)
        named = select(schema.alert_events.c.alert_id).where(of_events).distinct()
        self._past(connection, list(connection.execute(named).scalars()), frozenset(ids))
        alerts = schema.alerts
        # The key of trouble names a camera and a condition, nobody; its end is known by it.
        is_trouble = alerts.c.kind == str(EventKind.HEALTH)
        key = case((is_trouble, alerts.c.dedup_key), else_="deleted|" + alerts.c.id)
        connection.execute(
            update(alerts).where(alerts.c.event_id.in_(ids)).values(**_FORGOTTEN, dedup_key=key)
        )
        connection.execute(
            update(alerts)
            .where(alerts.c.thumbnail_event_id.in_(ids))
            .values(thumbnail_event_id=None)
        )
        # A decision about an event that raised no alert explains nothing any more.
        decisions = schema.decisions.c
        connection.execute(
            delete(schema.decisions).where(
                decisions.event_id.in_(ids), decisions.alert_id.is_(None)
            )
        )

    def _past(self, connection: Connection, alert_ids: list[str], ids: frozenset[str]) -> None:
        stream = schema.stream.c
        rows = connection.execute(
            select(stream.position, stream.body).where(stream.alert_id.in_(alert_ids))
        ).all()
        for row in rows:
            then = load_row(row.body)
            if then["event_id"] not in ids and then["thumbnail_event_id"] not in ids:
                continue
            if then["event_id"] in ids:
                then |= {**_FORGOTTEN, "dedup_key": f"deleted|{then['id']}"}
            else:
                then["thumbnail_event_id"] = None
            connection.execute(
                update(schema.stream)
                .where(stream.position == row.position)
                .values(body=dump_row(then))
            )

    def names(self, connection: Connection, sha256s: Sequence[str]) -> frozenset[str]:
        """Photos that people took on the spot."""
        photo = reports.c.photo_sha256
        return frozenset(
            connection.execute(select(photo).where(photo.in_(list(sha256s)))).scalars()
        )

    def sweep(self, connection: Connection, now: datetime) -> Gone:
        """Photos past their camera's time, then alerts past theirs."""
        photos = self._photos(connection, now)
        if photos.count:
            return photos
        return Gone(count=self._records(connection, now))

    def _photos(self, connection: Connection, now: datetime) -> Gone:
        alerts = schema.alerts
        rules = rules_of(self._site)
        cameras = connection.execute(
            select(alerts.c.camera)
            .join(reports, reports.c.alert_id == alerts.c.id)
            .where(reports.c.photo_sha256.is_not(None))
            .distinct()
        ).scalars()
        due = [
            and_(
                alerts.c.camera == camera,
                reports.c.at < (rules.get(camera) or unknown_rule(camera)).cutoff(now),
            )
            for camera in cameras
        ]
        if not due:
            return Gone()
        rows = connection.execute(
            select(reports.c.id, reports.c.photo_sha256)
            .join(alerts, alerts.c.id == reports.c.alert_id)
            .where(reports.c.photo_sha256.is_not(None), or_(*due), ~_alert_held(now))
            .limit(_PAGE)
        ).all()
        ids = [row.id for row in rows]
        if ids:
            connection.execute(
                update(reports).where(reports.c.id.in_(ids)).values(photo_sha256=None)
            )
        return Gone(len(ids), tuple({row.photo_sha256 for row in rows}), _PHOTO_RULE)

    def _records(self, connection: Connection, now: datetime) -> int:
        """Alerts that nobody answers for any more and of whose events none is left."""
        alerts = schema.alerts
        days = self._site.retention.record_days
        has_event = exists().where(
            schema.alert_events.c.alert_id == alerts.c.id,
            schema.alert_events.c.event_id == events.c.id,
        )
        rows = connection.execute(
            select(alerts)
            .where(alerts.c.changed_at < now - timedelta(days=days))
            .where(alerts.c.state.not_in([str(state) for state in LIVE]))
            .where(~has_event, ~_alert_held(now))
            .limit(_PAGE)
        ).all()
        if not rows:
            return 0
        items = [
            (row.id, hashlib.sha256(dump_row(dict(row._mapping)).encode()).hexdigest())
            for row in rows
        ]
        ids = [row.id for row in rows]
        connection.execute(delete(schema.decisions).where(schema.decisions.c.alert_id.in_(ids)))
        connection.execute(delete(alerts).where(alerts.c.id.in_(ids)))
        rule = f"records of alerts: kept {days} days"
        proof.append(connection, at=now, kind="alert", rule=rule, items=items)
        return len(rows)


def _alert_held(now: datetime) -> Any:
    """The condition under which an alert is held: by itself, or its camera at that time."""
    alerts, holds = schema.alerts, legal_holds.c
    itself = exists().where(working(now), holds.alert_id == alerts.c.id)
    # As an event of that camera would be, by the time of the alert's newest sighting.
    about = alerts.c.camera, alerts.c.captured_at, alerts.c.event_id
    return or_(itself, held_as(*about, now))
