"""Homes and duty in the product's own words: real routers and channels, phones that may be off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from alerts.alarm import Alarm
from alerts.arming import Mode, Turn
from alerts.audit import AuditLog
from alerts.auditor import Auditor
from alerts.findings import duty_subject
from alerts.sending import Sending
from alerts.state import State
from alerts.views import AlertView
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
from ingest.schema import events
from ingest.store import EventStore
from tests.alerts.county import DAY, County, county_at, sqlite_url
from tests.alerts.web.county import with_second_home
from tests.providers import Provider, Say, provider_at

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
                name: PersonSecret(phone=SecretStr(phone)) for phone, name in self.people.items()
            },
            gateways={"sms": GatewaySecret(), "voice": GatewaySecret()},
        )
        self.armings = Armings(county.engine, county.clock)
        self.fallbacks = Fallbacks(county.engine, county.clock)
        self.leaves = Leaves(county.engine, county.clock)
        self.sending = Sending.open(
            county.engine, county.site, self.secrets, county.clock, base_url=BASE
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
            secrets=self.secrets, media=self.media, clock=county.clock,
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


@pytest.fixture
def village(tmp_path: Path, example_site: Site) -> Iterator[Village]:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as made:
        yield made


def test_the_owner_is_away_and_the_dog_barks_and_the_neighbour_goes_to_look(
    village: Village,
) -> None:
    weekdays = Turn(days=("mon", "tue", "wed", "thu", "fri"), start=time(8), end=time(18),
                    mode=Mode.AWAY)  # fmt: skip
    evenings = Turn(days=("mon", "tue", "wed", "thu", "fri"), start=time(18), end=time(8),
                    mode=Mode.HOME)  # fmt: skip
    village.armings.schedule(HOME, (weekdays, evenings), by="li-qiang")
    village.fallbacks.agree("li-qiang", is_agreed=True)
    village.fallbacks.ask("li-qiang", "zhou-min")
    village.fallbacks.decide("li-qiang", "zhou-min", "accepted", earlier=("asked",))

    alert = village.at_home()
    assert sorted(village.rang()) == ["li-qiang", "sun-mei"], "the owner and the worker on duty"
    village.wait(121)
    assert {"zhao-lei", "zhou-min"} <= set(village.rang()), "the head and the neighbour, then"
    with village.pages() as phone:
        link = village.link("zhou-min")
        assert phone.get(link).status_code == 200
        assert village.alert(alert.id).state is State.OPEN, "a look at the link takes nothing"
        assert phone.post(link, data={"what": "take"}).status_code == 200
    seen = village.alert(alert.id)
    assert (seen.state, seen.acked_by) == (State.ACKED, "zhou-min")
    neighbour = village.county.service.get(village.county.viewer("zhou-min"), alert.id)
    assert neighbour.picture_hidden, "who goes to look still sees no picture of the home"
    before = len(village.rang())
    village.wait(120)
    assert len(village.rang()) == before, "somebody goes, so nobody else is told"


def test_without_consent_nobody_but_the_owner_and_the_worker_ever_learns_of_it(
    village: Village,
) -> None:
    alert = village.at_home()
    village.wait(1200)
    assert set(village.rang()) == {"li-qiang", "sun-mei"}
    assert village.rang().count("li-qiang") >= 5, "and they are told again and again"
    assert Auditor(village.county.engine, village.county.site, village.clock)._no_timer() == []
    with village.pages() as phone:
        assert phone.post(village.link("li-qiang"), data={"what": "police"}).status_code == 200
    village.deliver()
    assert "police-desk" in village.rang(), "the owner called for help: that is consent"
    assert "police-desk" in {line.person_id for line in village.alert(alert.id).told}


def test_consent_taken_back_holds_from_the_next_step_on(village: Village) -> None:
    village.fallbacks.agree("li-qiang", is_agreed=True)
    village.at_home()
    village.wait(121)
    assert "zhao-lei" in village.rang()
    village.fallbacks.agree("li-qiang", is_agreed=False)
    before = len(village.rang())
    village.wait(600)
    assert set(village.rang()[before:]) <= {"li-qiang", "sun-mei"}


def test_a_snooze_survives_a_restart_and_then_the_dog_is_heard_again(
    tmp_path: Path, example_site: Site
) -> None:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as village:
        until = village.clock.now() + timedelta(hours=1)
        village.armings.snooze(HOME, until, by="li-qiang")
    half_past = DAY + timedelta(minutes=30)
    with village_at(sqlite_url(tmp_path), example_site, tmp_path, half_past) as village:
        event = village.county.face(camera=HOME)
        village.county.arrive(event)
        village.county.route()
        assert village.county.service.open_alerts(village.county.viewer("li-qiang")) == []
        told = village.county.service.explain(event.id)
        assert [reason.reason_zh for reason in told.decisions] == ["户主已静音到 11:00"]
        village.wait(30 * 60)
        assert village.at_home().state is State.OPEN


def test_the_grid_head_is_on_leave_and_the_substitutes_phone_is_off(village: Village) -> None:
    now = village.clock.now()
    leave = village.leaves.ask("wang-fang", now - timedelta(hours=1), now + timedelta(days=2),
                               substitute="zhao-lei", reason="年假")  # fmt: skip
    village.leaves.decide(leave.id, "approved", by="town-chengguan")
    # The message is taken and never arrives; the call is refused: switched off.
    village.voice.always = Say(400, b"switched off")

    county = village.county
    event = county.plate()
    alert = county.see(event)[0]
    village.deliver()
    first = county.told(alert.id)[0]
    village.wait(301)
    assert village.rang().count("zhao-lei") == 1, "the substitute instead of the head"
    village.wait(60)
    assert "zhao-lei" in village.rang(village.voice), "no receipt in time: the phone is called"
    village.wait(241)
    other = ({"liu-yang", "chen-jie"} - {first}).pop()
    view = county.service.get(county.viewer("police-desk"), alert.id)
    told = {line.person_id for line in view.told}
    assert view.step >= 2, "it climbs: a phone that is off stops nothing"
    village.wait(601)
    assert "police-desk" in village.rang()
    assert "wang-fang" not in village.rang() + village.rang(village.voice), "she is on leave"
    assert other not in told or other == "liu-yang", "only the deputy besides"
    reasons = county.service.explain(event.id).decisions
    head = [one.reason_zh for one in reasons if one.person_name == "王芳"]
    assert "请假中，由赵磊替班" in head
    failed = [one for one in reasons if one.verdict == "failed" and one.person_name == "赵磊"]
    assert failed, "and why the call did not reach the substitute is kept"


def test_a_hole_in_the_duty_is_told_a_day_ahead_and_ends_when_it_is_filled(
    village: Village,
) -> None:
    county = village.county
    auditor = Auditor(county.engine, county.site, county.clock)
    alarm = Alarm(EventStore(county.engine, county.clock), county.clock)

    def look() -> list[AlertView]:
        alarm.tell(auditor.run())
        county.route()
        village.deliver()
        alerts = county.service.open_alerts(county.viewer("police-desk"))
        return [one for one in alerts if one.camera_id == duty_subject("lixiang")]

    start = county.clock.now() + timedelta(hours=25)
    leave = village.leaves.ask("sun-mei", start, start + timedelta(hours=8),
                               substitute=None, reason="")  # fmt: skip
    village.leaves.decide(leave.id, "approved", by="zhao-lei")
    assert look() == [], "25 hours ahead there is time"
    county.clock.advance(3660)
    (alert,) = look()
    assert set(county.told(alert.id)) == {"zhao-lei"}, "whoever answers for the grid"
    assert "zhao-lei" in village.rang()
    with county.engine.connect() as connection:
        bodies = connection.execute(select(events.c.body).order_by(events.c.id)).scalars().all()
    assert "from 2026-03-03 11:00:00 UTC+08:00 to 2026-03-03 19:00:00 UTC+08:00" in bodies[-1]
    assert len(look()) == 1, "once is enough"
    village.leaves.decide(leave.id, "withdrawn", by="sun-mei")
    filled = village.leaves.ask("sun-mei", start, start + timedelta(hours=8),
                                substitute="zhao-lei", reason="")  # fmt: skip
    village.leaves.decide(filled.id, "approved", by="zhao-lei")
    assert look() == [], "filled: it ends by itself"
    assert AuditLog(county.engine, county.clock).verify() is None
