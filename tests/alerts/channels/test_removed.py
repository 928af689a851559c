"""A channel is taken out of the site while notices wait for it: none of them stays stuck."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from alerts.auditing.auditor import Auditor
from alerts.telling.sending import Sending
from config.channel_secrets import GatewaySecret
from config.secrets import PersonSecret, Secrets
from config.site import Site
from tests.alerts.phones import PHONES, Told, telling


def without(told: Told, *left: str) -> Sending:
    """The centre starts again with these gateways only."""
    county = told.county
    kept = tuple(gateway for gateway in county.site.gateways if gateway.id in left)
    site = county.site.model_copy(update={"gateways": kept})
    known = Secrets(
        people={name: PersonSecret(phone=SecretStr("138")) for name in PHONES},
        gateways={name: GatewaySecret(key=SecretStr(f"key-{name}")) for name in left},
    )
    return Sending.open(county.engine, site, known, county.clock, base_url="https://m.example")


@pytest.mark.parametrize("left", [("b",), ()])
def test_what_waits_for_a_gateway_that_is_gone_fails_and_the_next_way_has_its_turn(
    tmp_path: Path, example_site: Site, left: tuple[str, ...]
) -> None:
    with telling(tmp_path, example_site) as told:
        told.county.see(told.county.plate())
        assert told.rows() == [("inapp", "accepted"), ("a", "pending")]
        auditor = Auditor(told.county.engine, told.county.site, told.county.clock)
        told.county.clock.advance(90)
        assert any("deliveries are overdue" in item.problem for item in auditor.run())
        sending = without(told, *left)
        try:
            sending.settle()
        finally:
            sending.close()
        assert told.rows() == [
            ("inapp", "accepted"),
            ("a", "failed"),
            *((name, "accepted") for name in left),
        ]
        assert any("no longer in the site" in reason for reason in told.reasons())
        assert [item for item in auditor.run() if "overdue" in item.problem] == []


def test_what_waits_for_a_gateway_that_is_there_is_left_alone(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site) as told:
        told.county.see(told.county.plate())
        told.county.clock.advance(600)
        assert told.sending.removed.run_once() == 0
