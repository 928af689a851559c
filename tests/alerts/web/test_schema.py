"""The API's own description, tried at random: whatever is sent, nothing breaks."""

from __future__ import annotations

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.alerts.web.conftest import csrf_of, form_login

FEW = settings(max_examples=8, suppress_health_check=list(HealthCheck), derandomize=True)
ENDLESS = "/stream|/live|/session"
"""Streams do not end, and an ended session would make every later answer the same 401."""


def test_nothing_breaks(town):
    town.county.car("冀T8K2L6")
    with httpx.Client(base_url=town.url, timeout=60) as client:
        assert form_login(client, "police-desk").status_code == 303
        headers = {
            **csrf_of(client),
            "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
        }
    schema = schemathesis.openapi.from_url(f"{town.url}/api/v1/openapi.json")
    tried = 0
    for found in schema.exclude(path_regex=ENDLESS).get_all_operations():

        @FEW
        @given(found.ok().as_strategy())
        def nothing_breaks(case: schemathesis.Case) -> None:
            response = case.call(headers=headers, timeout=60)
            assert response.status_code < 500, case.as_curl_command()
            assert response.headers["x-content-type-options"] == ["nosniff"]

        nothing_breaks()
        tried += 1
    assert tried > 5
