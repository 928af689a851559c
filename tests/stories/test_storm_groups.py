"""A storm in the words of a group chat: bots and machines get digests, and no budget overflows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from alerts.channels.bots import PER_MINUTE
from alerts.store import schema
from alerts.store.quiet_schema import digests
from alerts.telling.sending import Sending
from alerts.web.app import create_app
from config.event import Severity
from config.secrets import BotSecret, PersonSecret, Secrets
from config.settings import Settings
from config.site import Site, Webhook
from ingest.media.opening import open_media
from tests.alerts.county import County, county_at, sqlite_url
from tests.alerts.web.conftest import become
from tests.alerts.web.county import HASHER, PASSWORDS
from tests.providers import Got, Provider, Say, provider_at

BOTS = ("wecom", "dingtalk", "feishu")
OK = {"wecom": b'{"errcode":0}', "dingtalk": b'{"errcode":0}', "feishu": b'{"code":0}'}


class Groups:
    """A county whose alerts go to three group chats and to a machine of the county's own."""

    def __init__(self, county: County, sending: Sending, servers: dict[str, Provider]) -> None:
        self.county = county
        self.sending = sending
        self.servers = servers

    def pass_time(self, seconds: int, step: int = 5) -> None:
        """Time passes; digests and messages leave as they are due."""
        for _ in range(0, seconds, step):
            self.county.clock.advance(step)
            self.county.digests.run_once()
            self.settle()

    def settle(self) -> None:
        while self.sending.settle():
            pass

    def texts(self, bot: str) -> list[str]:
        """What a group reads, message by message."""
        return [_text(got) for got in self.servers[bot].got]

    def bodies(self) -> list[dict[str, Any]]:
        """What the machine gets."""
        return [got.json() for got in self.servers["machine"].got]


def _text(got: Got) -> str:
    body = got.json()
    return str((body.get("text") or body["content"])["content" if "text" in body else "text"])


@contextmanager
def groups_at(url: str, site: Site, **changes: Any) -> Iterator[Groups]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(provider_at()) for name in (*BOTS, "machine")}
        for name, answer in OK.items():
            servers[name].always = Say(200, answer)
        hooks = tuple(Webhook(id=name, url=server.url, **changes)
                      for name, server in servers.items())  # fmt: skip
        described = site.model_copy(update={"webhooks": hooks})
        secrets = Secrets(
            channels={
                name: BotSecret.model_validate({"kind": name, "token": "t"}) for name in BOTS
            },
            webhooks={"machine": SecretStr("a long random text")},
        )
        county = stack.enter_context(county_at(url, described))
        sending = Sending.open(
            county.engine, described, secrets, county.clock, base_url="https://m.example"
        )
        stack.callback(sending.close)
        yield Groups(county, sending, servers)


@pytest.fixture
def groups(database_url: str, example_site: Site) -> Iterator[Groups]:
    with groups_at(database_url, example_site) as made:
        yield made


def storm(groups: Groups, count: int) -> set[str]:
    """So many cars at once; the ids of their alerts."""
    county = groups.county
    for start in range(0, count, 50):
        county.arrive(*[county.plate(f"冀A{start + n:05d}") for n in range(min(50, count - start))])
    county.route()
    groups.settle()
    with county.engine.connect() as connection:
        return set(connection.execute(select(schema.alerts.c.id)).scalars())


def test_two_hundred_alerts_are_eight_messages_and_one_digest_that_leaves_none_out(
    groups: Groups,
) -> None:
    alerts = storm(groups, 200)
    assert len(alerts) == 200
    groups.pass_time(75)
    for bot in BOTS:
        texts = groups.texts(bot)
        assert len(texts) == 9, f"{bot}: eight alone and one digest"
        assert "192条告警（车牌192），192条待响应" in texts[-1]
        assert "另有187条" in texts[-1], "five by name and the rest by number"
        assert "冀A" not in "".join(texts), "and never a plate"
    *alone, digest = groups.bodies()
    told = {body["alert"] for body in alone} | {one["alert"] for one in digest["alerts"]}
    assert told == alerts
    assert (digest["count"], digest["left_out"]) == (192, 0)


def test_no_provider_gets_more_than_it_takes_in_any_minute_of_a_long_storm(
    groups: Groups,
) -> None:
    county = groups.county
    counts: dict[str, list[int]] = {bot: [0] for bot in BOTS}
    for number in range(36):
        county.arrive(*[county.plate(f"冀A{number:03d}{n:02d}") for n in range(8)])
        loud = county.plate(f"冀B{number:05d}").model_copy(update={"severity": Severity.CRITICAL})
        county.arrive(loud)
        county.route()
        groups.pass_time(5)
        for bot in BOTS:
            counts[bot].append(len(groups.servers[bot].got))
    for bot in BOTS:
        minutes = [now - before for before, now in zip(counts[bot], counts[bot][12:], strict=False)]
        assert max(minutes) <= PER_MINUTE[bot], f"{bot}: {minutes}"
    groups.pass_time(300, 15)
    with county.engine.connect() as connection:
        rows = connection.execute(select(schema.deliveries.c.state, schema.deliveries.c.target)
                                  .where(schema.deliveries.c.person.is_(None))).all()  # fmt: skip
    assert {row.state for row in rows} == {"accepted", "digested"}, "nothing waits, nothing failed"


def test_what_is_critical_overtakes_and_waits_fifteen_seconds_for_its_digest_at_most(
    groups: Groups,
) -> None:
    storm(groups, 60)
    county = groups.county
    for number in range(12):
        loud = county.plate(f"冀B{number:05d}").model_copy(update={"severity": Severity.CRITICAL})
        county.arrive(loud)
    county.route()
    groups.pass_time(20)
    digest = groups.bodies()[-1]
    assert (digest["severity"], digest["count"]) == ("critical", 4)
    alone = [body for body in groups.bodies() if body.get("severity") == "critical"]
    assert len(alone) == 9, "eight by themselves, and the digest"
    groups.pass_time(40)
    for bot in BOTS:
        texts = groups.texts(bot)
        loud_ones = [place for place, text in enumerate(texts) if "紧急" in text]
        assert len(loud_ones) == 9, "within the minute even where only twenty may be sent"
        assert "4条告警" in texts[loud_ones[-1]]


def test_an_answer_while_it_waited_is_what_the_digest_says(groups: Groups) -> None:
    alerts = storm(groups, 20)
    with groups.county.engine.connect() as connection:
        sent = schema.deliveries.c
        held = connection.execute(select(sent.alert_id).where(
            sent.state == "held", sent.target == "machine")).scalars().all()  # fmt: skip
    desk = groups.county.viewer("police-desk")
    groups.county.service.acknowledge(desk, held[0], version=None)
    groups.pass_time(75)
    digest = groups.bodies()[-1]
    states = {one["alert"]: one["state"] for one in digest["alerts"]}
    assert states[held[0]] == "acked"
    assert "12条告警（车牌12），11条待响应" in digest["title_zh"]
    assert len(alerts) == 20


def test_a_home_is_in_no_digest_of_a_group(groups: Groups) -> None:
    storm(groups, 30)
    groups.county.arrive(groups.county.face())
    groups.county.route()
    groups.pass_time(75)
    said = str(groups.bodies()) + str([groups.texts(bot) for bot in BOTS])
    assert "home-li-qiang" not in said
    assert "家" not in said


def test_a_machine_that_must_hear_each_by_itself_says_so(
    tmp_path: Path, example_site: Site
) -> None:
    with groups_at(sqlite_url(tmp_path), example_site, gather_after=0) as groups:
        alerts = storm(groups, 60)
        bodies = groups.bodies()
        assert {body["alert"] for body in bodies} == alerts
        assert not any("digest" in body for body in bodies)


def test_the_link_of_a_group_digest_opens_for_those_who_work_and_for_no_home(
    tmp_path: Path, example_site: Site
) -> None:
    with groups_at(sqlite_url(tmp_path), example_site) as groups:
        storm(groups, 20)
        groups.pass_time(75)
        county = groups.county
        with county.engine.connect() as connection:
            digest = connection.execute(select(digests).where(digests.c.webhook == "wecom")).one()
        assert f"https://m.example/digests/{digest.id}" in groups.texts("wecom")[-1]
        people = {name: PersonSecret(password=SecretStr(word)) for name, word in PASSWORDS.items()}
        app = create_app(
            service=county.service, engine=county.engine, site=county.site, clock=county.clock,
            secrets=Secrets(people=people), media=open_media(Settings(data_dir=tmp_path)),
            hasher=HASHER,
        )  # fmt: skip
        with TestClient(app) as client:
            become(client, "wang-fang")
            page = client.get(f"/digests/{digest.id}")
            assert (page.status_code, page.text.count('href="/alerts/')) == (200, 12)
            become(client, "li-qiang")
            assert client.get(f"/digests/{digest.id}").status_code == 404
