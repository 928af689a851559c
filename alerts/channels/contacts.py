"""Who can be reached by which channel: addresses of the secrets file, and what people chose."""

from __future__ import annotations

from collections.abc import Collection
from datetime import time

from sqlalchemy import Connection, select

from alerts.channels.chain import Quiet, Reachable
from alerts.channels.schema import push_subscriptions, quiet_hours
from alerts.store.rows import OfThese
from config.channel_site import EMAIL, WEBPUSH
from config.secrets import PersonSecret, Secrets
from config.site import Site


class Contacts:
    """The ways of every person, as of a transaction; ``available`` are the channels that run."""

    def __init__(self, site: Site, secrets: Secrets, available: Collection[str]) -> None:
        self._site = site
        self._secrets = secrets
        self.available = frozenset(available)

    def load(self, connection: Connection, people: Collection[str]) -> dict[str, Reachable]:
        """How each of ``people`` may be told now."""
        subscribed = self._subscribed(connection, people)
        quiet = _quiet(connection, people)
        return {
            person: Reachable(
                order=tuple(way for way in self._site.ways(person) if way in self.available),
                has=self._addresses(person) | ({WEBPUSH} if person in subscribed else set()),
                quiet=quiet.get(person),
            )
            for person in people
        }

    def _addresses(self, person: str) -> frozenset[str]:
        known = self._secrets.people.get(person, PersonSecret())
        phones = [gateway.id for gateway in self._site.gateways] if known.phone else []
        return frozenset([*phones, *([EMAIL] if known.email else [])])

    def _subscribed(self, connection: Connection, people: Collection[str]) -> frozenset[str]:
        if WEBPUSH not in self.available:
            return frozenset()
        return frozenset(_SUBSCRIBED.of(connection, people).scalars())


def _quiet(connection: Connection, people: Collection[str]) -> dict[str, Quiet]:
    return {
        row.person: Quiet(time.fromisoformat(row.starts), time.fromisoformat(row.ends))
        for row in _QUIET.of(connection, people)
    }


_person = push_subscriptions.c.person
_SUBSCRIBED = OfThese(select(_person).distinct(), _person)
_QUIET = OfThese(select(quiet_hours), quiet_hours.c.person)
