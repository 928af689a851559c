"""Every page of every menu, for whom it is: whole at 360 and 1440 px, usable by everybody.

Which pages there are is read from the menus and the routes, so that a new page is looked at
without being named here. With ``MENSHEN_PICTURES`` set to a folder, each is kept there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from tests.alerts.web.pages import PHONE, WALL, faults

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
EVERYBODY = ("li-qiang", "wang-fang", "police-desk", "installer", "town-chengguan", "admin-gao")
OF_EVERYBODY = ("/", "/account", "/account/second-factor", "/account/notifications")
LED_TO = {"li-qiang": {"/home/household"}}
"""Pages that a page leads to, and no menu."""
SCRIPT_BUDGET = 100_000
"""Bytes of script that a first view may need."""
_NO_PAGES = re.compile(
    r"^/(static|api|v1|healthz|readyz|metrics|sw\.js|favicon|manifest|live$|.*\.ics$)"
)


def keep(page, name: str) -> None:
    """A picture of the page on a phone by day and on a wall at night, where they are asked for."""
    folder = os.environ.get("MENSHEN_PICTURES")
    if folder is None:
        return
    for size, label, scheme in ((PHONE, "phone-light", "light"), (WALL, "wall-dark", "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        picture = page.screenshot(full_page=True)
        # Not by its own ``path``: that leaves a thread behind.
        (Path(folder) / f"{name}-{label}.png").write_bytes(picture)


def look(page, address: str, name: str) -> list[str]:
    """What is wrong with the page at ``address``, its status and weight included."""
    weights: list[int] = []

    def weigh(answer) -> None:
        if answer.url.endswith(".js"):
            weights.append(len(answer.body()))

    page.on("response", weigh)
    answer = page.goto(address)
    page.wait_for_load_state("load")
    page.remove_listener("response", weigh)
    found = faults(page)
    if answer is None or answer.status != 200:
        found.append(f"status {answer.status if answer is not None else None}")
    if sum(weights) > SCRIPT_BUDGET:
        found.append(f"{sum(weights)} bytes of script")
    keep(page, name)
    return found


def fill(county) -> None:
    """Something to show on most pages."""
    county.car("冀T8K2L6")
    county.broken("lixiang-road")
    county.face("home-li-qiang")


@pytest.mark.parametrize("person", EVERYBODY)
def test_every_page_of_a_menu_fits_and_everybody_can_use_it(townsman, town, person):
    fill(town.county)
    page = townsman(WALL).log_in(person)
    page.wait_for_selector("main")
    links = page.locator("nav a[href^='/']").evaluate_all("all => all.map(a => a.pathname)")
    paths = sorted({*OF_EVERYBODY, *links, *LED_TO.get(person, ())})
    found = {}
    for path in paths:
        name = f"{person}{path.replace('/', '-')}".rstrip("-")
        found[path] = look(page, town.url + path, name)
    assert {path: problems for path, problems in found.items() if problems} == {}


def test_every_page_of_a_stranger_fits_and_everybody_can_use_it(townsman, town):
    page = townsman(WALL).page
    web = town.server._app.state.web
    token = web.invitations.invite("sun-mei", by="admin-gao")
    paths = {
        "login": "/login",
        "join": f"/join/{token}",
        "notice": "/notice/east-gate-in",
        "offline": "/offline",
    }
    found = {name: look(page, town.url + path, name) for name, path in paths.items()}
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_no_page_is_left_out(town, townsman):
    """Every page without an object in its address is in a menu, or looked at above."""
    app = town.server._app
    pages = {
        route.path
        for context in iter_route_contexts(app.routes)
        if isinstance(route := context.original_route, APIRoute)
        and "GET" in route.methods
        and "{" not in route.path
        and not _NO_PAGES.match(route.path)
    }
    seen = {*OF_EVERYBODY, "/login", "/offline"}.union(*LED_TO.values())
    for person in EVERYBODY:
        page = townsman(WALL).log_in(person)
        page.wait_for_selector("main")
        seen |= set(page.locator("nav a[href^='/']").evaluate_all("a => a.map(x => x.pathname)"))
    leads_elsewhere = {"/login/oidc", "/login/oidc/callback"}
    assert pages - seen - leads_elsewhere == set()
