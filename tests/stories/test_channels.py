"""Ways of telling in the product's own words, with providers of ours that fail as theirs do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.channels.receipts import Fate, note_receipt
from config.site import Site
from tests.alerts.telling import telling
from tests.providers import Say


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
