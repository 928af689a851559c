"""Ways of telling in the product's own words, with providers of ours that fail as theirs do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from alerts.centre import Centre, Plan
from alerts.channels.receipts import Fate, note_receipt
from alerts.store import schema
from config.channel_secrets import GatewaySecret
from config.channel_site import Gateway
from config.clock import SystemClock
from config.event import Event, EventKind, PlateReading
from config.ids import uuid7
from config.secrets import PersonSecret, Secrets
from config.settings import Settings
from config.site import Site
from config.wire import EventBatch, Numbered
from ingest.engine import open_engine
from ingest.store import EventStore
from tests.alerts.phones import telling
from tests.providers import Say, provider_at, wait_for


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_provider_drops_everything_silently_and_the_next_way_reaches_them(
    request: pytest.FixtureRequest, tmp_path: Path, example_site: Site, database: str
) -> None:
    url = None if database == "sqlite" else request.getfixturevalue("postgres_url")
    with telling(tmp_path, example_site, ("liar", "honest"), url=url) as told:
        # It says that all is well, and no message of it ever arrives.
        told.county.see(told.county.plate())
        told.settle()
        assert len(told.gateways["liar"].got) == 1
        told.later(30)
        [message] = told.gateways["honest"].got
        assert note_receipt(
            told.county.engine,
            told.county.clock,
            channel="honest",
            reference=message.json()["reference"],
            fate=Fate.READ,
        )
        assert told.rows() == [("inapp", "accepted"), ("liar", "accepted"), ("honest", "read")]


def test_every_provider_drops_everything_and_the_alert_climbs_to_other_people(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site, ("liar", "thief")) as told:
        alert = told.county.see(told.county.plate())[0]
        for _ in range(4):
            told.later(30)
        assert told.reasons() == ["every way was used and none gave a receipt"]
        for _ in range(4):
            told.county.wait(301)
            told.later(0)
        people = told.county.told(alert.id)
        assert {"wang-fang", "zhao-lei", "town-chengguan", "police-desk"} <= set(people)
        assert ("inapp", "accepted") in told.rows("police-desk"), "the desk has it on its page"


def test_the_running_centre_sends_an_sms_and_hears_back(tmp_path: Path, example_site: Site) -> None:
    clock = SystemClock()
    with provider_at() as server:
        gateway = Gateway.model_validate({"id": "sms", "kind": "sms", "url": server.url})
        everybody = {item.id: PersonSecret(phone=SecretStr("138")) for item in example_site.people}
        secrets = Secrets(people=everybody, gateways={"sms": GatewaySecret(key=SecretStr("k"))})
        plan = Plan(
            site=example_site.model_copy(update={"gateways": (gateway,)}),
            secrets=secrets,
            settings=Settings(data_dir=tmp_path / "centre"),
            port=0,
            parts=frozenset({"router", "web"}),
        )
        centre = Centre(plan, clock)
        centre.start()
        try:
            engine = open_engine(f"sqlite:///{tmp_path / 'centre' / 'centre.db'}")
            event = make_event(clock.now())
            batch = EventBatch(
                node=event.node, epoch=uuid7(clock.now()), oldest=1,
                events=(Numbered(seq=1, event=event),),
            )  # fmt: skip
            EventStore(engine, clock).insert(batch)
            assert wait_for(lambda: len(server.got) > 0, 60)
            reference = server.got[0].json()["reference"]
            said = {"reference": reference, "status": "DELIVRD"}
            answer = httpx.post(f"{centre.url}/api/v1/receipts/sms?key=k", data=said, timeout=60)
            assert answer.status_code == 204
            sent = schema.deliveries.c
            with engine.connect() as connection:
                row = connection.execute(select(sent.state).where(sent.id == reference)).one()
            engine.dispose()
        finally:
            centre.stop()
    assert row.state == "delivered"


def make_event(now: datetime) -> Event:
    """A plate passes the gate."""
    own = uuid7(now)
    return Event(
        id=own,
        visit=own,
        node="node-east",
        camera="east-gate-in",
        kind=EventKind.PLATE,
        started_at=now,
        captured_at=now,
        plate=PlateReading(
            text="冀A12345",
            raw="冀A12345",
            confidence=0.9,
            characters=(),
            colour="blue",
            plate_kind="blue",
        ),
    )


def test_a_night_of_faults_loses_nobody_and_repeats_nothing(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site, ("sms",)) as told:
        told.gateways["sms"].answers = [
            Say(502),
            Say(429, headers={"Retry-After": "20"}),
            Say(reset=True),
            Say(200, b"<html>maintenance</html>"),
        ]
        told.county.see(told.county.plate())
        for _ in range(12):
            told.later(20)
        got = told.gateways["sms"].got
        assert len(got) == 5, "four faults, and then it is taken once"
        assert len({item.headers["idempotency-key"] for item in got}) == 1
        assert told.rows()[1:] == [("sms", "accepted")]
