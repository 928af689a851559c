"""Opens every channel that the site and its secrets describe."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from alerts.channels.base import Channel
from alerts.channels.gateway import GatewayChannel
from alerts.channels.mail import MailChannel
from alerts.channels.push import PushChannel
from alerts.channels.subscriptions import Subscriptions
from alerts.channels.webhook import WebhookChannel
from config.clock import Clock
from config.errors import UserError
from config.secrets import Secrets
from config.site import Site


def open_channels(engine: Engine, site: Site, secrets: Secrets, clock: Clock) -> list[Channel]:
    """The channels of a centre; close each.

    Raises:
        UserError: a channel of the site lacks what it needs in the secrets file.
    """
    zone = ZoneInfo(site.county.zone)
    people = secrets.people.items()
    channels: list[Channel] = []
    if site.webhooks:
        channels.append(WebhookChannel(site, secrets.webhooks, clock, bots=secrets.channels))
    phones = {name: person.phone for name, person in people if person.phone is not None}
    for gateway in site.gateways:
        secret = secrets.gateways.get(gateway.id)
        if secret is None:
            raise UserError(
                where="secrets file",
                field=f"gateways.{gateway.id}",
                problem="the gateway of the site file has no entry",
                remedy=f"add [gateways.{gateway.id}] with its key, or leave it empty if it needs "
                "none",
            )
        channels.append(GatewayChannel(gateway, secret, phones, zone, clock))
    if secrets.push is not None:
        subscriptions = Subscriptions(engine, clock, secrets.push.hosts)
        channels.append(PushChannel(secrets.push, subscriptions, zone, clock))
    if secrets.smtp is not None:
        addresses = {name: person.email for name, person in people if person.email is not None}
        channels.append(MailChannel(secrets.smtp, addresses, zone, clock))
    return channels
