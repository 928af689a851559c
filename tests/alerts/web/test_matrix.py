"""Everybody times every route times every object: whatever is not allowed is denied."""

from __future__ import annotations

import re

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from alerts.web.people.access import RIGHTS, Action
from config.ids import uuid7
from tests.alerts.web.conftest import csrf_of, form_login

CENTRE = {"town-chengguan", "police-desk", "admin-gao"}
PEOPLE = {"li-qiang", "zhou-min", "liu-yang", "wang-fang", "sun-mei", "installer"} | CENTRE
SEES_ALERT = {
    "home-li-qiang": {"li-qiang", "sun-mei"},
    "home-zhou-min": {"zhou-min", "sun-mei"},
    "east-gate-in": {"liu-yang", "wang-fang"} | CENTRE,
    "lixiang-road": {"sun-mei"} | CENTRE,
}
"""Who may see an alert of each camera: its home and the worker told; the grid; the centre."""
LOOKS_THROUGH = {
    "home-li-qiang": {"li-qiang"},
    "home-zhou-min": {"zhou-min"},
    "east-gate-in": {"liu-yang", "wang-fang", "installer"} | CENTRE,
    "lixiang-road": {"sun-mei", "installer"} | CENTRE,
}
OBJECTS = tuple(SEES_ALERT)
FIELDS = {
    "department": "派出所",
    "outcome": "resolved",
    "what": "us",
    "mode": "home",
    "start": "22:00",
    "end": "06:00",
    "days": "mon",
    "number": "0",
    "is_match": "yes",
    "note": "x",
    "person": "sun-mei",
    "minutes": "60",
    "agreed": "yes",
    "account": "zhou-min",
    "wanted": "0",
}
"""A right answer to every form: what is denied is denied for who asks, not for what is sent."""
BODIES = {"acknowledge": {}, "draw": {"on": 0, "drawing": {}}}


def action_of(dependant: Dependant) -> Action | None:
    """The right that a route asks for; the strictest where it asks twice."""
    found = [action_of(inner) for inner in dependant.dependencies]
    own = getattr(dependant.call, "action", None)
    asked = [action for action in (own, *found) if action is not None]
    return min(asked, key=lambda action: len(RIGHTS[action]), default=None)


def routes(app) -> list[tuple[str, str, Action]]:
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or "/live" in route.path:
            continue
        action = action_of(route.dependant)
        if action is not None and not route.path.endswith("/stream"):
            path = context.path if hasattr(context, "path") else route.path
            found += [(method, path, action) for method in sorted(route.methods)]
    return found


def denied(person: str, role, action: Action, path: str, camera: str) -> bool:
    if role not in RIGHTS[action]:
        return True
    if "{alert_id}" in path:
        return person not in SEES_ALERT[camera]
    if "{camera_id}" in path and "/home/" in path:
        return person not in LOOKS_THROUGH[camera] or not camera.startswith("home-")
    if "{camera_id}" in path:
        return person not in LOOKS_THROUGH[camera]
    return False


@pytest.mark.parametrize("person", sorted(PEOPLE))
def test_whatever_is_not_allowed_is_denied(client, county, person):
    alerts = {}
    for camera in OBJECTS:
        is_home = camera.startswith("home-")
        alerts[camera] = county.face(camera) if is_home else county.car("冀T1", camera=camera)
    who = county.site.person(person)
    assert form_login(client, person).status_code == 303
    headers = csrf_of(client)
    wrong, tried = [], 0
    for method, path, action in routes(client.app):
        objects = OBJECTS if "{alert_id}" in path or "{camera_id}" in path else OBJECTS[:1]
        for camera in objects:
            address = path.replace("{alert_id}", alerts[camera].id).replace("{camera_id}", camera)
            address = re.sub(r"\{\w+\}", uuid7(county.clock.now()), address)
            is_denied = denied(person, who.role, action, path, camera)
            if method != "GET" and not is_denied:
                continue  # Allowed changes have tests of their own.
            body = BODIES.get(path.rsplit("/", 1)[1]) if method == "POST" else None
            is_json = path.startswith("/api/") or path.endswith("/draw")
            sent = {"json": body} if is_json and body is not None else {"data": FIELDS}
            sent = sent if method == "POST" else {}
            status = client.request(method, address, headers=headers, **sent).status_code
            tried += 1
            if is_denied and status not in (401, 403, 404):
                wrong.append(f"{method} {path} of {camera}: {status}")
            if status >= 500 or (not is_denied and status in (401, 403)):
                wrong.append(f"{method} {path} of {camera}: {status}")
    assert wrong == []
    assert tried > 60


def test_a_stranger_is_denied_everything(client):
    for method, path, _ in routes(client.app):
        address = re.sub(r"\{\w+\}", "x", path)
        assert client.request(method, address, follow_redirects=False).status_code == 401, path
