"""How a digest looks on its way out: its own title and link in place of one alert's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from alerts.channels.base import Notification
from alerts.store import schema
from alerts.store.quiet_schema import digests
from alerts.store.records import Row
from alerts.storm.brake import DIGESTED

_MARK = "digest"
LISTED = 1000
"""Alerts that one message to a webhook lists at most."""


@dataclass(frozen=True, slots=True)
class SentDigest:
    """A digest as it was closed."""

    id: str
    title_zh: str
    title_en: str
    count: int

    def instead_of(self, note: Notification, base_url: str) -> Notification:
        """``note`` with the digest's words; its link lists every alert of the digest."""
        return replace(
            note,
            title_zh=self.title_zh,
            title_en=self.title_en,
            link=f"{base_url}/digests/{self.id}",
        )


def digest_key(digest_id: str, target: str, channel: str) -> str:
    """Idempotency key of a digest's notice; ways that follow keep all but the channel."""
    return f"{_MARK}:{digest_id}:{target}:{channel}"


def sent_digests(connection: Connection, keys: Sequence[str]) -> dict[str, SentDigest]:
    """Of deliveries with these keys, the digests that they tell of."""
    wanted = {key: key.split(":")[1] for key in keys if key.startswith(f"{_MARK}:")}
    if not wanted:
        return {}
    rows = connection.execute(select(digests).where(digests.c.id.in_(set(wanted.values()))))
    found = {
        row["id"]: SentDigest(row["id"], row["title_zh"], row["title_en"], row["count"])
        for row in rows.mappings()
    }
    return {key: found[name] for key, name in wanted.items() if name in found}


def gathered_alerts(connection: Connection, digest_id: str) -> list[Row]:
    """The alerts of a digest as they are now, each once, the loudest first, at most 1,000."""
    sent, alerts = schema.deliveries.c, schema.alerts
    inside = select(sent.alert_id).where(sent.digest_id == digest_id, sent.state == DIGESTED)
    found = connection.execute(
        select(alerts)
        .where(alerts.c.id.in_(inside))
        .order_by(alerts.c.loudness.desc(), alerts.c.opened_at, alerts.c.id)
        .limit(LISTED)
    )
    return [dict(row) for row in found.mappings()]
