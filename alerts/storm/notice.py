"""How a digest looks on its way out: its own title and link in place of one alert's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from alerts.channels.base import Notification
from alerts.quiet_schema import digests

_MARK = "digest"


@dataclass(frozen=True, slots=True)
class SentDigest:
    """A digest as it was closed."""

    id: str
    title_zh: str
    title_en: str

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
    found = {row.id: SentDigest(row.id, row.title_zh, row.title_en) for row in rows}
    return {key: found[name] for key, name in wanted.items() if name in found}
