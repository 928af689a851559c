"""What is sealed opens only with its key and at its place; old rows are sealed at start."""

from __future__ import annotations

import os

import pyotp
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import insert, select, update

from alerts.web.app import create_app
from alerts.web.base.seals import SealBroken, Seals, is_sealed_text
from alerts.web.schema import second_factors
from config.errors import UserError
from config.secrets import Secrets
from config.site import Role
from config.web_secrets import WebSecrets, new_seal_key
from ingest.engine import reading, writing
from tests.alerts.web.conftest import form_login
from tests.alerts.web.county import HASHER

KEY, OTHER = os.urandom(32), os.urandom(32)
PLAIN = pyotp.random_base32()


@given(data=st.binary(max_size=200), place=st.text(max_size=20))
def test_what_is_sealed_opens_again_at_its_place(data, place):
    seals = Seals([KEY])
    sealed = seals.seal(data, place=place)
    assert seals.open(sealed, place=place) == data
    assert len(data) < 4 or data not in sealed
    with pytest.raises(SealBroken):
        seals.open(sealed, place=place + "2")


@given(at=st.integers(min_value=0, max_value=60), bit=st.integers(min_value=0, max_value=7))
def test_any_bit_that_is_altered_is_noticed(at, bit):
    seals = Seals([KEY])
    sealed = bytearray(seals.seal(b"0123456789abcdef0123456789abcdef", place="row"))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(SealBroken):
        seals.open(bytes(sealed), place="row")


@given(junk=st.text(max_size=100))
def test_junk_in_the_column_is_refused_in_words(junk):
    with pytest.raises(SealBroken):
        Seals([KEY]).open_text(junk, place="row")


def test_an_earlier_key_opens_and_the_newest_seals():
    sealed = Seals([OTHER]).seal(b"secret", place="row")
    both = Seals([KEY, OTHER])
    assert both.open(sealed, place="row") == b"secret"
    assert not both.is_newest(sealed)
    assert both.is_newest(both.seal(b"secret", place="row"))
    with pytest.raises(SealBroken, match="seal_keys_before"):
        Seals([KEY]).open(sealed, place="row")


@pytest.mark.parametrize("text", ["", "short", "!" * 44, "AA" * 40])
def test_a_seal_key_that_is_none_is_refused_without_quoting_it(text):
    with pytest.raises(ValidationError) as refused:
        WebSecrets(seal_key=SecretStr(text))
    assert "new-key" in str(refused.value)
    assert not text or text not in str(refused.value)


def _app(county, web: WebSecrets, **options):
    return create_app(
        service=county.service,
        engine=county.engine,
        site=county.site,
        secrets=county.secrets.model_copy(update={"web": web}),
        media=county.media,
        clock=county.clock,
        hasher=HASHER,
        **options,
    )


def _store_plain(county) -> None:
    """As version 0010 left it."""
    with writing(county.engine) as connection:
        connection.execute(
            insert(second_factors).values(
                person_id="police-desk",
                secret=PLAIN,
                recovery="[]",
                last_step=0,
                created_at=county.clock.now(),
                confirmed_at=county.clock.now(),
            )
        )


def _stored(county) -> str:
    with reading(county.engine) as connection:
        return connection.execute(select(second_factors.c.secret)).scalar_one()


def test_a_secret_of_an_earlier_version_is_sealed_at_start_and_still_logs_in(county):
    _store_plain(county)
    app = _app(county, WebSecrets(seal_key=SecretStr(new_seal_key())))
    assert is_sealed_text(_stored(county))
    assert PLAIN not in _stored(county)
    with TestClient(app) as client:
        body = {
            "account": "police-desk",
            "password": "police-desk-secret",
            "code": pyotp.TOTP(PLAIN).at(int(county.clock.now().timestamp())),
        }
        assert client.post("/api/v1/session", json=body).status_code == 201


def test_a_new_key_seals_anew_and_then_the_old_one_may_go(county):
    old, new = SecretStr(new_seal_key()), SecretStr(new_seal_key())
    _store_plain(county)
    _app(county, WebSecrets(seal_key=old))
    before = _stored(county)
    _app(county, WebSecrets(seal_key=new, seal_keys_before=(old,)))
    assert _stored(county) != before
    after = _stored(county)
    _app(county, WebSecrets(seal_key=new))
    assert _stored(county) == after, "sealed once, not at every start"


@pytest.mark.parametrize("stored", ["plain", "sealed with another key"])
def test_a_start_without_the_key_says_which_key_is_missing(county, stored):
    _store_plain(county)
    if stored != "plain":
        _app(county, WebSecrets(seal_key=SecretStr(new_seal_key())))
    kept = _stored(county)
    with pytest.raises(UserError, match=r"web\.seal_key"):
        _app(county, WebSecrets())
    assert _stored(county) == kept, "nothing is lost"


def test_codes_cannot_be_required_without_a_key(county):
    with pytest.raises(UserError, match=r"web\.seal_key"):
        _app(county, WebSecrets(), factor_roles=frozenset({Role.POLICE}))


def test_without_a_key_nobody_enrols_and_the_page_says_why(county):
    with TestClient(_app(county, WebSecrets())) as client:
        form_login(client, "wang-fang")
        answer = client.get("/account/second-factor")
        assert answer.status_code == 503
        assert "web.seal_key" in answer.text


def test_a_secret_copied_to_another_person_opens_nothing(county):
    web = WebSecrets(seal_key=SecretStr(new_seal_key()))
    _store_plain(county)
    _app(county, web)
    with writing(county.engine) as connection:
        connection.execute(update(second_factors).values(person_id="admin-gao"))
    with pytest.raises(SealBroken):
        _app(county, web)


def test_the_environment_gives_the_key_where_the_file_has_none():
    key, own = SecretStr(new_seal_key()), SecretStr(new_seal_key())
    assert Secrets().with_seal_key(key).web.seal_key == key
    assert Secrets(web=WebSecrets(seal_key=own)).with_seal_key(key).web.seal_key == own
    assert "**" in repr(Secrets(web=WebSecrets(seal_key=own)))
