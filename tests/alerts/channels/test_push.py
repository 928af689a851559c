"""Web Push: the RFCs' own example, who may be posted to, who is forgotten, and our signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerts.channels.push import PushChannel, new_private_key, public_key, seal
from alerts.channels.subscriptions import Subscription, Subscriptions, is_allowed
from config.channel_secrets import PushSecret
from config.clock import FakeClock
from config.errors import UserError
from ingest.certificates import Authority
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.alerts.county import sqlite_url
from tests.contracts.test_channels import note
from tests.providers import Provider, Say, provider_at
from tests.push_browser import Browser, unb64

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def test_our_own_browser_opens_the_example_of_the_rfc() -> None:
    # RFC 8291, section 5: keys, message and result as printed there.
    number = int.from_bytes(unb64("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    browser = Browser(
        ec.derive_private_key(number, ec.SECP256R1()), unb64("BTBZMqHH6r4Tts7J_aSIgg")
    )
    sealed = unb64(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert browser.open(sealed) == b"When I grow up, I want to be a watermelon"


@given(st.binary(min_size=1, max_size=3993))
def test_what_is_sealed_opens_to_the_same(content: bytes) -> None:
    browser = Browser()
    keys = {name: unb64(value) for name, value in browser.keys.items()}
    assert browser.open(seal(content, Subscription("1", "https://p.example", **keys))) == content


@contextmanager
def pushing(folder: Path) -> Iterator[tuple[PushChannel, Subscriptions, Provider, PushSecret]]:
    authority = Authority(folder / "ca", datetime.now(UTC))
    certificate, key = authority.issue("push", hosts=("127.0.0.1",))
    engine, clock = open_engine(sqlite_url(folder)), FakeClock(NOW)
    upgrade(engine)
    with provider_at(certificate=certificate, key=key) as provider:
        identity = PushSecret(
            private_key=SecretStr(new_private_key()),
            contact="mailto:centre@m.example",
            hosts=(urlsplit(provider.url).netloc,),
            ca_file=str(folder / "ca" / "ca.crt"),
        )
        kept = Subscriptions(engine, clock, identity.hosts)
        channel = PushChannel(identity, kept, ZoneInfo("Asia/Shanghai"), clock)
        yield channel, kept, provider, identity
        channel.close()
    engine.dispose()


def test_a_browser_that_is_gone_is_forgotten_and_another_still_gets_it(tmp_path: Path) -> None:
    with pushing(tmp_path) as (channel, kept, provider, _):
        for name in ("old", "new"):
            url = f"{provider.url}/{name}"
            kept.add("wang-fang", endpoint=url, device=name, **Browser().keys)
        provider.answers = [Say(410), Say(201)]
        assert channel.send(note()).result == "accepted"
        assert kept.count("wang-fang") == 1
        provider.answers = [Say(404)]
        assert channel.send(note()).result == "refused"
        assert kept.count("wang-fang") == 0
        assert channel.send(note()).problem == "no browser of theirs takes push messages"
        assert len(provider.got) == 3


def test_the_push_service_can_check_who_we_are_and_read_nothing(tmp_path: Path) -> None:
    with pushing(tmp_path) as (channel, kept, provider, identity):
        browser = Browser()
        kept.add("wang-fang", endpoint=f"{provider.url}/x", device="d", **browser.keys)
        provider.always = Say(201)
        channel.send(note())
        [got] = provider.got
    # RFC 8292: "vapid t=<JWT>, k=<public key>", signed with ES256 (RFC 7518).
    scheme, _, rest = got.headers["authorization"].partition(" ")
    values = dict(part.strip().split("=", 1) for part in rest.split(","))
    head, claims, mark = values["t"].split(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(values["k"]))
    raw = unb64(mark)
    first, second = (int.from_bytes(raw[at : at + 32], "big") for at in (0, 32))
    signed = utils.encode_dss_signature(first, second)
    key.verify(signed, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
    said = json.loads(unb64(claims))
    assert (scheme, said["aud"], said["sub"]) == ("vapid", provider.url, "mailto:centre@m.example")
    assert NOW < datetime.fromtimestamp(said["exp"], UTC) < NOW + timedelta(hours=24)
    assert values["k"] == public_key(identity)
    assert "东门".encode() not in got.body
    assert json.loads(browser.open(got.body))["title"].startswith("【警告 warning】")
    assert got.headers["urgency"] == "high"
    assert len(got.headers["topic"]) == 32, "RFC 8030 allows no more"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://127.0.0.1/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com",
        "https://u:p@fcm.googleapis.com/x",
        "https://push.services.mozilla.com/x",
        "https://fcm.googleapis.com:port/x",
        "https://[::1/x",
        "https://fcm.googleapis.com/" + "x" * 1000,
        "",
    ],
)
def test_nobody_can_make_us_post_to_where_they_like(tmp_path: Path, endpoint: str) -> None:
    hosts = ("fcm.googleapis.com", "*.push.services.mozilla.com")
    assert not is_allowed(endpoint, hosts)
    assert is_allowed("https://fcm.googleapis.com/fcm/send/1", hosts)
    assert is_allowed("https://updates.push.services.mozilla.com/wpush/v2/1", hosts)
    engine = open_engine(sqlite_url(tmp_path))
    upgrade(engine)
    kept = Subscriptions(engine, FakeClock(NOW), hosts)
    with pytest.raises(UserError, match="push service"):
        kept.add("wang-fang", endpoint=endpoint, device="", **Browser().keys)
    assert kept.count("wang-fang") == 0
    engine.dispose()


@given(st.text(max_size=120), st.text(max_size=40))
def test_keys_that_are_none_are_refused(p256dh: str, auth: str) -> None:
    kept = Subscriptions(open_engine("sqlite:////nonexistent/x.db"), FakeClock(NOW), ("p.example",))
    with pytest.raises(UserError):
        kept.add("wang-fang", endpoint="https://p.example/1", p256dh=p256dh, auth=auth, device="")


def test_a_person_has_ten_browsers_at_most_and_one_browser_one_person(tmp_path: Path) -> None:
    with pushing(tmp_path) as (_, kept, provider, _):
        for number in range(12):
            url = f"{provider.url}/{number}"
            kept.add("wang-fang", endpoint=url, device="d", **Browser().keys)
        assert kept.count("wang-fang") == 10
        taken = kept.of("wang-fang")[0].endpoint
        kept.add("liu-yang", endpoint=taken, device="d", **Browser().keys)
        assert (kept.count("wang-fang"), kept.count("liu-yang")) == (9, 1)
        assert not kept.remove("wang-fang", taken), "it is no longer theirs"


def test_a_private_key_that_is_none_says_how_to_make_one() -> None:
    with pytest.raises(UserError, match="new-push-key"):
        public_key(PushSecret(private_key=SecretStr("short"), contact="mailto:a@b.example"))
