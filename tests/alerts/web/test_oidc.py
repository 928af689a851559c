"""Single sign-on against a real provider: who it vouches for comes in, every lie stays out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from pydantic import SecretStr, ValidationError

from alerts.web.base.seals import Seals
from alerts.web.people.oidc import oidc_client
from alerts.web.people.second_factors import SecondFactors
from alerts.web.server import WebServer
from config.errors import UserError
from config.oidc_site import Oidc
from config.secrets import Secrets
from tests.alerts.web.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider


@pytest.fixture
def provider(clock) -> Iterator[Provider]:
    with Provider(clock) as provider:
        yield provider


@pytest.fixture
def browser(county, provider) -> Iterator[httpx.Client]:
    oidc = Oidc(issuer=provider.issuer, client_id=CLIENT_ID)
    county.site = county.site.model_copy(update={"oidc": oidc})
    web = county.secrets.web.model_copy(update={"oidc_client_secret": SecretStr(CLIENT_SECRET)})
    county.secrets = county.secrets.model_copy(update={"web": web})
    server = WebServer(county.app(), host="127.0.0.1", port=0)
    server.start()
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client
    server.stop()


def leave(browser: httpx.Client, target: str = "/") -> str:
    """Click the link on the login page; the provider's address."""
    assert f"/login/oidc?next={target}" in browser.get(f"/login?next={target}").text
    answer = browser.get(f"/login/oidc?next={target}")
    assert answer.status_code == 303
    return answer.headers["location"]


def at_provider(address: str) -> str:
    """The provider lets us in; the address it sends the browser back to."""
    answer = httpx.get(address, trust_env=False, timeout=60)
    assert answer.status_code == 303
    return answer.headers["location"]


def who(browser: httpx.Client) -> str | None:
    answer = browser.get("/api/v1/me")
    return answer.json()["id"] if answer.status_code == 200 else None


def test_who_the_provider_vouches_for_comes_in_where_they_wanted_to_go(browser, county):
    answer = browser.get(at_provider(leave(browser, "/map")))
    assert (answer.status_code, answer.headers["location"]) == (303, "/map")
    assert who(browser) == "police-desk"
    assert "menshen-oidc" not in browser.cookies, "used up"
    form = browser.get("/login?next=/map")
    assert form.headers["location"] == "/map"


def test_the_wanted_page_is_one_of_ours(browser):
    answer = browser.get(at_provider(leave(browser).replace("/map", "/")))
    assert answer.headers["location"] == "/"
    browser.cookies.clear()
    browser.get("/login")
    away = browser.get("/login/oidc?next=https://evil.example/")
    assert browser.get(at_provider(away.headers["location"])).headers["location"] == "/"


def test_somebody_the_county_does_not_know_stays_out(browser, provider):
    provider.person = "somebody-else"
    answer = browser.get(at_provider(leave(browser)))
    assert answer.status_code == 403
    assert who(browser) is None


def _claims(**changes):
    def twist(claims):
        return {k: v for k, v in {**claims, **changes}.items() if v is not None}

    return twist


LIES = {
    "nonce of another login": _claims(nonce="another"),
    "no nonce": _claims(nonce=None),
    "issuer of another provider": _claims(iss="http://127.0.0.1:1"),
    "no issuer": _claims(iss=None),
    "made for another client": _claims(aud="another-client"),
    "made for two, authorized for the other": _claims(aud=["menshen", "other"], azp="other"),
    "made for two, authorized for nobody": _claims(aud=["menshen", "other"]),
    "expired": _claims(exp=1),
    "no end": _claims(exp=None),
    "end is no number": _claims(exp="tomorrow"),
    "issued tomorrow": _claims(iat=2**40),
    "no claim of who it is": _claims(preferred_username=None),
    "who it is is a list": _claims(preferred_username=["police-desk"]),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_that_does_not_fit_lets_nobody_in(browser, provider, lie):
    provider.twist = LIES[lie]
    answer = browser.get(at_provider(leave(browser)))
    assert answer.status_code == 401
    assert who(browser) is None


@pytest.mark.parametrize("how", ["unsigned", "signed_with_the_public_key", "signed_by_a_stranger"])
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(browser, provider, how):
    provider.sign = getattr(provider, how)
    assert browser.get(at_provider(leave(browser))).status_code == 401
    assert who(browser) is None


@pytest.mark.parametrize("junk", ["", "a.b.c", "....", "eyJ", "null"])
def test_a_token_that_is_none_lets_nobody_in(browser, provider, junk):
    provider.sign = lambda _: junk
    assert browser.get(at_provider(leave(browser))).status_code == 401


def test_a_key_that_changed_is_fetched_anew(browser, provider):
    browser.get(at_provider(leave(browser)))
    browser.cookies.clear()
    provider.key = type(provider.key).generate_key(2048, {"kid": "two"}, private=True)
    provider.sign = lambda claims: _with_kid_two(provider, claims)
    browser.get(at_provider(leave(browser)))
    assert who(browser) == "police-desk"


def _with_kid_two(provider, claims):
    return jwt.encode({"alg": "RS256", "kid": "two"}, claims, provider.key)


def test_an_answer_for_another_browser_is_refused(browser, county):
    """Login CSRF: the attacker's own answer, sent to a victim."""
    attackers = at_provider(leave(browser))
    browser.cookies.clear()
    assert browser.get(attackers).status_code == 401, "this browser was never sent away"
    leave(browser)
    assert browser.get(attackers).status_code == 401, "it was sent away with another state"
    assert who(browser) is None


@pytest.mark.parametrize("change", ["altered", "late", "dropped"])
def test_the_cookie_is_ours_whole_and_fresh(browser, monkeypatch, change):
    back = at_provider(leave(browser))
    value = browser.cookies["menshen-oidc"]
    if change == "altered":
        browser.cookies.delete("menshen-oidc")
        browser.cookies.set("menshen-oidc", value[:-2] + ("aa" if value[-2:] != "aa" else "bb"))
    elif change == "late":
        monkeypatch.setattr("alerts.web.people.oidc_pages.PENDING_S", -1)
    else:
        browser.cookies.delete("menshen-oidc")
    assert browser.get(back).status_code == 401
    assert who(browser) is None


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:1", "", "https://evil.example"])
def test_an_answer_in_the_name_of_another_issuer_is_refused(browser, provider, issuer):
    """Mix-up (RFC 9207)."""
    back = urlsplit(at_provider(leave(browser)))
    query = {name: values[0] for name, values in parse_qs(back.query).items()}
    assert browser.get(back.path, params={**query, "iss": issuer}).status_code == 401
    assert who(browser) is None


def test_an_answer_that_should_name_its_issuer_and_does_not_is_refused(browser):
    back = urlsplit(at_provider(leave(browser)))
    query = {name: values[0] for name, values in parse_qs(back.query).items() if name != "iss"}
    assert browser.get(back.path, params=query).status_code == 401


def test_metadata_of_another_issuer_are_not_believed(browser, provider):
    provider.metadata_issuer = "https://evil.example"
    answer = browser.get("/login/oidc")
    assert answer.status_code == 503
    assert "location" not in answer.headers


def test_a_code_works_once(browser):
    back = at_provider(leave(browser))
    cookie = browser.cookies["menshen-oidc"]
    assert browser.get(back).status_code == 303
    browser.cookies.clear()
    browser.cookies.set("menshen-oidc", cookie)
    assert browser.get(back).status_code == 401


@pytest.mark.parametrize("query", ["", "error=access_denied", "code=x", "code=" + "x" * 5000])
def test_half_an_answer_is_refused_without_being_echoed(browser, query):
    state = parse_qs(urlsplit(leave(browser)).query)["state"][0]
    answer = browser.get(f"/login/oidc/callback?state={state}&{query}")
    assert answer.status_code == 401
    assert "access_denied" not in answer.text


def test_a_provider_that_is_down_leaves_the_password(browser, provider):
    provider.is_down = True
    answer = browser.get("/login/oidc")
    assert answer.status_code == 503
    assert "请用密码登录" in answer.text
    assert 'name="password"' in answer.text


def test_nobody_waits_again_for_a_provider_that_was_down_just_now(browser, provider, county):
    provider.is_down = True
    for _ in range(3):
        assert browser.get("/login/oidc").status_code == 503
    assert provider.asked == 1, "everybody who waits holds a thread that an answer may need"
    provider.is_down = False
    county.clock.advance(10)
    assert who(browser) is None
    browser.get(at_provider(leave(browser)))
    assert who(browser) == "police-desk"


def test_a_provider_that_breaks_half_way_leaves_the_password(browser, provider):
    back = at_provider(leave(browser))
    provider.is_broken = True
    answer = browser.get(back)
    assert answer.status_code == 503
    assert 'name="password"' in answer.text


def test_one_time_codes_are_asked_for_all_the_same(browser, county):
    store = SecondFactors(county.engine, county.clock, Seals.of(county.secrets))
    secret = store.begin("police-desk")
    now = int(county.clock.now().timestamp())
    assert store.confirm("police-desk", pyotp.TOTP(secret).at(now)) is not None
    county.clock.advance(60)
    answer = browser.get(at_provider(leave(browser)))
    assert answer.status_code == 200
    assert 'name="ticket"' in answer.text
    assert who(browser) is None


def test_without_a_provider_there_is_no_such_page(county):
    with TestClient(county.app()) as client:
        assert client.get("/login/oidc").status_code == 404
        assert client.get("/login/oidc/callback?state=x").status_code == 404
        assert "/login/oidc" not in client.get("/login").text


def test_a_provider_without_the_clients_secret_is_a_clear_error(county):
    oidc = Oidc(issuer="https://id.example", client_id=CLIENT_ID)
    site = county.site.model_copy(update={"oidc": oidc})
    with pytest.raises(UserError, match=r"web\.oidc_client_secret"):
        oidc_client(site, Secrets(), county.clock)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "http://127.0.0.1@evil.example",
        "http://localhost.evil.example",
        "ftp://id.example",
        "https://id.example?x",
    ],
)
def test_an_issuer_is_reached_over_https(issuer):
    with pytest.raises(ValidationError):
        Oidc(issuer=issuer, client_id=CLIENT_ID)
