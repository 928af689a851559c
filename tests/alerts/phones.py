"""A county whose people have phones, mail addresses and browsers, and providers of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import case, select

from alerts.deciding.router import Router
from alerts.store import schema
from alerts.telling.notices import INAPP
from alerts.telling.sending import Sending
from config.channel_secrets import GatewaySecret
from config.channel_site import Gateway, Telling
from config.secrets import PersonSecret, Secrets
from config.site import Site
from tests.alerts.county import County, county_at, sqlite_url
from tests.providers import Provider, provider_at

PHONES = ("wang-fang", "liu-yang", "chen-jie", "zhao-lei", "police-desk", "town-chengguan")
OK = b'{"code":0,"data":{"id":"their-id"}}'


class Told:
    """A county, what sends for it, and the gateways ``a``, ``b``, … in their order."""

    def __init__(self, county: County, sending: Sending, gateways: dict[str, Provider]) -> None:
        self.county = county
        self.sending = sending
        self.gateways = gateways

    def settle(self) -> None:
        """Hand over and send all that is due."""
        self.sending.settle()

    def later(self, seconds: float) -> None:
        """Time passes, and what is due by then is done; the alerts' own timers do not fire."""
        self.county.clock.advance(seconds)
        self.settle()

    def rows(self, person: str | None = None) -> list[tuple[str, str]]:
        """Channel and state of each notice, oldest first."""
        sent = schema.deliveries.c
        is_outside = case((sent.channel == INAPP, 0), else_=1)
        order = (sent.created_at, is_outside, sent.channel)
        wanted = select(sent.channel, sent.state).order_by(*order)
        if person is not None:
            wanted = wanted.where(sent.person == person)
        with self.county.engine.connect() as connection:
            return [(row.channel, row.state) for row in connection.execute(wanted)]

    def reasons(self) -> list[str]:
        """The English reasons of decisions about channels."""
        table = schema.decisions.c
        wanted = select(table.reason_en).where(table.stage == "channel").order_by(table.id)
        with self.county.engine.connect() as connection:
            return list(connection.execute(wanted).scalars())


@contextmanager
def telling(
    folder: Path,
    site: Site,
    gateways: Sequence[str] = ("a", "b"),
    *,
    url: str | None = None,
    secrets: dict[str, Any] | None = None,
    by_router: bool = True,
    **changes: Any,
) -> Iterator[Told]:
    """``by_router``: it hands over what it decides, as in the centre; else the chain's loop does.

    ``changes`` are of each gateway: ``per_minute``, ``from_severity``, …"""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(provider_at()) for name in gateways}
        for server in servers.values():
            server.always = type(server.always)(body=OK)
        known = Secrets(
            people={name: PersonSecret(phone=SecretStr("138")) for name in PHONES},
            gateways={name: GatewaySecret(key=SecretStr(f"key-{name}")) for name in gateways},
        ).model_copy(update=secrets or {})
        described = site.model_copy(
            update={
                "gateways": tuple(_gateway(name, servers[name], changes) for name in gateways),
                "telling": Telling(answer_links=False),
            }
        )
        county = stack.enter_context(county_at(url or sqlite_url(folder), described))
        sending = Sending.open(
            county.engine, described, known, county.clock, base_url="https://m.example"
        )
        stack.callback(sending.close)
        if by_router:
            county.router = Router(
                county.engine, described, county.clock, store=county.store, ways=sending.reach
            )
        yield Told(county, sending, servers)


def _gateway(name: str, server: Provider, changes: dict[str, Any]) -> Gateway:
    own = {"answer": {"field": "code", "accepted": ["0"]}, "id_field": "data.id", **changes}
    return Gateway.model_validate({"id": name, "kind": "sms", "url": server.url, **own})
