"""A village under test: people with phones that may be off, and everything that tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from pydantic import SecretStr

from alerts.deciding.router import Router
from alerts.seeing.views import AlertView
from alerts.telling.sending import Sending
from alerts.web.app import create_app
from alerts.web.grid.leaves import Leaves
from alerts.web.home.armings import Armings
from alerts.web.home.fallbacks import Fallbacks
from config.channel_secrets import GatewaySecret
from config.channel_site import Gateway
from config.secrets import PersonSecret, Secrets
from config.settings import Settings
from config.site import Site
from ingest.media.opening import open_media
from tests.alerts.county import DAY, County, county_at
from tests.alerts.web.county import HASHER, PASSWORDS, with_second_home
from tests.providers import Provider, provider_at

HOME = "home-li-qiang"
BASE = "https://menshen.example"


class Village:
    """A county whose people have phones: SMS first, then a call."""

    def __init__(self, county: County, sms: Provider, voice: Provider, folder: Path) -> None:
        self.county = county
        self.media = open_media(Settings(data_dir=folder))
        self.clock = county.clock
        self.sms, self.voice = sms, voice
        self.people = {f"138{number:08}": one.id for number, one in enumerate(county.site.people)}
        self.secrets = Secrets(
            people={
                name: PersonSecret(phone=SecretStr(phone), password=_password(name))
                for phone, name in self.people.items()
            },
            gateways={"sms": GatewaySecret(), "voice": GatewaySecret()},
        )
        self.armings = Armings(county.engine, county.clock)
        self.fallbacks = Fallbacks(county.engine, county.clock)
        self.leaves = Leaves(county.engine, county.clock)
        self.sending = Sending.open(
            county.engine, county.site, self.secrets, county.clock, base_url=BASE
        )
        # As in the centre: the router hands over what it decides.
        county.router = Router(
            county.engine, county.site, county.clock, store=county.store, ways=self.sending.reach
        )

    def deliver(self) -> None:
        """Everything that is due is handed to the providers."""
        while self.sending.settle():
            pass

    def wait(self, seconds: float) -> None:
        """Time passes half a minute at a time; timers fire and messages leave."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while (left := (until - self.clock.now()).total_seconds()) > 0:
            self.clock.advance(min(30.0, left))
            self.county.timers.run_once()
            self.deliver()

    def rang(self, provider: Provider | None = None) -> list[str]:
        """Whose phones got a message, in order."""
        return [self.people[got.json()["to"]] for got in (provider or self.sms).got]

    def link(self, person: str) -> str:
        """Where the newest message to that person leads."""
        texts = [got.json()["text"] for got in self.sms.got
                 if self.people[got.json()["to"]] == person]  # fmt: skip
        found = re.search(r"https://menshen\.example(/\S+)", texts[-1])
        assert found is not None
        return found[1]

    @contextmanager
    def pages(self) -> Iterator[TestClient]:
        """A web process of this county."""
        county = self.county
        app = create_app(
            service=county.service, engine=county.engine, site=county.site,
            secrets=self.secrets, media=self.media, clock=county.clock, hasher=HASHER,
        )  # fmt: skip
        with TestClient(app) as client:
            yield client

    def alert(self, alert_id: str) -> AlertView:
        """As the owner sees it."""
        return self.county.service.get(self.county.viewer("li-qiang"), alert_id)

    def at_home(self) -> AlertView:
        """Something moves in the yard of Li Qiang's house, and the router decides."""
        self.county.arrive(self.county.face(camera=HOME))
        self.county.route()
        self.deliver()
        return self.county.service.open_alerts(self.county.viewer("li-qiang"))[0]


def _password(person: str) -> SecretStr | None:
    return SecretStr(PASSWORDS[person]) if person in PASSWORDS else None


@contextmanager
def village_at(url: str, site: Site, folder: Path, start: datetime = DAY) -> Iterator[Village]:
    with provider_at() as sms, provider_at() as voice:
        ways = (
            Gateway(id="sms", kind="sms", url=sms.url, per_minute=10_000),
            Gateway(id="voice", kind="voice", url=voice.url, per_minute=10_000),
        )
        own = Site.model_validate({**with_second_home(site).model_dump(), "gateways": ways})
        with county_at(url, own, start) as county:
            village = Village(county, sms, voice, folder)
            yield village
            village.sending.close()
