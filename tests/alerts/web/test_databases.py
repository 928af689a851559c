"""The web on both databases: what it keeps is kept alike, and its tables are as migrated."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient

from alerts.web import schema
from ingest.schema import live_links
from tests.alerts.web.conftest import become, post


@pytest.fixture(params=["county", "postgres_county"])
def any_county(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(any_county) -> Iterator[TestClient]:
    with TestClient(any_county.app()) as client:
        yield client


def test_the_tables_are_what_the_migration_made(any_county):
    tables = (
        schema.accounts,
        schema.sessions,
        schema.login_attempts,
        schema.keys,
        schema.second_factors,
        schema.discoveries,
        schema.camera_trials,
        live_links,
    )
    ours = {table.name for table in tables}

    def is_ours(thing, name, kind, _reflected, _other) -> bool:
        return name in ours if kind == "table" else thing.table.name in ours

    with any_county.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, schema.accounts.metadata) == []


def test_log_in_answer_lock_and_log_out(client, any_county, log_in, csrf):
    county = any_county
    alert = county.car("冀T8K2L6")
    assert log_in(client, "wang-fang", "wrong").status_code == 401
    assert log_in(client, "wang-fang").status_code == 303
    path = f"/api/v1/alerts/{alert.id}/acknowledge"
    answered = client.post(path, json={"version": alert.version}, headers=csrf(client))
    assert answered.json()["acked_by"] == "wang-fang"
    assert "王芳" in client.get("/").text
    assert client.get(f"/api/v1/alerts/{alert.id}/thumbnail").status_code == 200
    assert client.get("/account").status_code == 200
    client.post("/logout", headers=csrf(client))
    assert client.get("/api/v1/me").status_code == 401
    for _ in range(5):
        log_in(client, "wang-fang", "wrong")
    assert log_in(client, "wang-fang").status_code == 429
    county.clock.advance(15 * 60)
    assert log_in(client, "wang-fang").status_code == 303


def test_a_plate_is_found_as_it_is_typed(client, any_county):
    alert, _ = any_county.car("冀T8K2L6"), any_county.car("冀T8K2L60", kind="green_small")
    become(client, "police-desk")
    day = str(any_county.clock.now().date())
    fields = {"first": day, "last": day, "purpose": "核查昨晚的事", "case_number": "案1"}
    found = post(client, "/search", **fields, plate="冀t·8k2l6").text
    assert re.findall(r'name="alert" value="([^"]+)"', found) == [alert.id]
    assert 'name="alert"' not in post(client, "/search", **fields, plate="冀T%").text


def test_a_second_web_process_shares_sessions_and_the_key_of_the_login_form(
    client, any_county, log_in
):
    other = TestClient(any_county.app(), cookies=client.cookies)
    page = client.get("/login").text
    token = page.split('name="form_token" value="')[1][:64]
    with other:
        other.cookies = client.cookies
        answer = other.post(
            "/login",
            data={"form_token": token, "account": "liu-yang", "password": "liu-yang-secret"},
            follow_redirects=False,
        )
        assert answer.status_code == 303
        client.cookies = other.cookies
        assert client.get("/api/v1/me").json()["id"] == "liu-yang"
