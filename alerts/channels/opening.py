"""Opens every channel that the site and its secrets describe."""

from __future__ import annotations

from sqlalchemy import Engine

from alerts.channels.base import Channel
from alerts.channels.webhook import WebhookChannel
from config.clock import Clock
from config.secrets import Secrets
from config.site import Site


def open_channels(engine: Engine, site: Site, secrets: Secrets, clock: Clock) -> list[Channel]:
    """The channels of a centre; close each.

    Raises:
        UserError: a channel of the site lacks what it needs in the secrets file.
    """
    channels: list[Channel] = []
    if site.webhooks:
        channels.append(WebhookChannel(site, secrets.webhooks, clock, bots=secrets.channels))
    return channels
