"""Fixtures of the web tests: counties, running servers, people with a browser of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, BrowserContext, Page

from alerts.web.server import WebServer
from config.clock import Clock, FakeClock, SystemClock
from config.site import Site
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.alerts.web.county import PASSWORDS, County, make_jpeg, with_second_home

FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


def _county(url: str, folder: Path, site: Site, clock: Clock) -> Iterator[County]:
    engine = open_engine(url)
    upgrade(engine)
    yield County(engine, with_second_home(site), clock, folder)
    engine.dispose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, to copy: migrating takes longer than a test."""
    path = tmp_path_factory.mktemp("migrated") / "centre.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: Path) -> str:
    """A database file of this test's own."""
    shutil.copy(migrated, tmp_path / "centre.db")
    return f"sqlite:///{tmp_path / 'centre.db'}"


@pytest.fixture
def county(
    tmp_path: Path, sqlite_url: str, example_site: Site, clock: FakeClock
) -> Iterator[County]:
    """A county whose clock the test moves."""
    yield from _county(sqlite_url, tmp_path, example_site, clock)


@pytest.fixture
def postgres_county(
    tmp_path: Path, postgres_url: str, example_site: Site, clock: FakeClock
) -> Iterator[County]:
    """The same on PostgreSQL."""
    yield from _county(postgres_url, tmp_path, example_site, clock)


@pytest.fixture
def living_county(tmp_path: Path, sqlite_url: str, example_site: Site) -> Iterator[County]:
    """A county in real time, as a browser sees it."""
    yield from _county(sqlite_url, tmp_path, example_site, SystemClock())


@dataclass
class RunningWeb:
    """One running web server, and how often it was started."""

    county: County
    port: int = 0

    def start(self) -> None:
        """Start a fresh process-worth of web on the same port as before."""
        self.server = WebServer(self.county.app(), host="127.0.0.1", port=self.port)
        self.server.start()
        self.port = int(self.server.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """Stop it; open streams are ended."""
        self.server.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url


@pytest.fixture
def running(living_county: County) -> Iterator[RunningWeb]:
    """A web server of the living county, running."""
    site = RunningWeb(living_county)
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, migrated: Path, example_site: Site
) -> Iterator[RunningWeb]:
    """A county in real time with a running server, shared by the stories of one module."""
    folder = tmp_path_factory.mktemp("town")
    shutil.copy(migrated, folder / "centre.db")
    engine = open_engine(f"sqlite:///{folder / 'centre.db'}")
    site = RunningWeb(County(engine, with_second_home(example_site), SystemClock(), folder))
    site.start()
    yield site
    site.stop()
    engine.dispose()


def form_login(client: httpx.Client, person: str, password: str | None = None) -> httpx.Response:
    """Open the login page and send its form, as a browser does."""
    page = client.get("/login")
    found = FORM_TOKEN.search(page.text)
    assert found, page.text
    return client.post(
        "/login",
        data={
            "form_token": found[1],
            "account": person,
            "password": PASSWORDS[person] if password is None else password,
        },
        follow_redirects=False,
    )


@pytest.fixture
def log_in() -> Callable[..., httpx.Response]:
    """:func:`form_login`."""
    return form_login


def csrf_of(client: httpx.Client) -> dict[str, str]:
    """The header that a change of this client's session must carry."""
    return {"X-CSRF-Token": client.get("/api/v1/session").json()["csrf_token"]}


@pytest.fixture
def jpeg() -> Callable[..., bytes]:
    """:func:`make_jpeg`."""
    return make_jpeg


@pytest.fixture
def csrf() -> Callable[[httpx.Client], dict[str, str]]:
    """:func:`csrf_of`."""
    return csrf_of


def form_csrf(client: httpx.Client) -> dict[str, str]:
    """The form field that a change of this client's session must carry."""
    return {"csrf_token": client.get("/api/v1/session").json()["csrf_token"]}


@pytest.fixture
def client(county: County) -> Iterator[TestClient]:
    """A browser without a screen, at the pages of the county."""
    with TestClient(county.app()) as client:
        yield client


def become(client: TestClient, person: str, password: str | None = None) -> None:
    """Whoever was logged in is gone, and ``person`` is."""
    client.cookies.clear()
    assert form_login(client, person, password).status_code == 303


def post(
    client: TestClient, path: str, *, photo: bytes | None = None, **fields: object
) -> httpx.Response:
    """Send a form of the pages, with a photo perhaps; redirects are not followed."""
    files = {"photo": ("p.jpg", photo, "image/jpeg")} if photo is not None else None
    data = {**form_csrf(client), **fields}
    return client.post(path, data=data, files=files, follow_redirects=False)


RECORD_STREAM = """
window.positions = [];
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (name, handle) {
  return listen.call(this, name, (event) => {
    if (name === "alert") window.positions.push(Number(event.lastEventId));
    return handle(event);
  });
};
"""
"""Notes the position of every alert that really came over the line, before the page sees it."""


@dataclass
class Somebody:
    """Somebody with a browser of their own, logged in or not."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)

    def log_in(self, person: str, password: str | None = None) -> Page:
        """Type name and password and press the button."""
        self.page.goto(f"{self.url}/login")
        self.page.fill("#account", person)
        self.page.fill("#password", PASSWORDS[person] if password is None else password)
        self.page.click("button[type=submit]")
        return self.page

    def watch(self, person: str) -> Page:
        """Log in and wait until the stream is live."""
        page = self.log_in(person)
        page.wait_for_selector('#link[data-link="live"]')
        return page


PHONE = {"width": 360, "height": 740}
WALL = {"width": 1440, "height": 900}


@pytest.fixture
def somebody(chromium: Browser, running: RunningWeb) -> Iterator[Callable[..., Somebody]]:
    """Opens a browser for one more person; no page of theirs may break a rule of the policy."""
    yield from _browsers(chromium, running)


@pytest.fixture
def townsman(chromium: Browser, town: RunningWeb) -> Iterator[Callable[..., Somebody]]:
    """The same at the module's own server."""
    yield from _browsers(chromium, town)


def _browsers(chromium: Browser, running: RunningWeb) -> Iterator[Callable[..., Somebody]]:
    contexts: list[BrowserContext] = []
    people: list[Somebody] = []

    def open_browser(size: dict[str, int] = PHONE, **options: object) -> Somebody:
        context = chromium.new_context(viewport=size, **options)
        context.set_default_timeout(60_000)
        context.add_init_script(RECORD_STREAM)
        contexts.append(context)
        person = Somebody(context.new_page(), running.url)
        person.page.on("pageerror", lambda error: person.errors.append(str(error)))
        person.page.on(
            "console",
            lambda line: person.errors.append(line.text) if "Policy" in line.text else None,
        )
        people.append(person)
        return person

    yield open_browser
    for context in contexts:
        context.close()
    assert [error for person in people for error in person.errors] == []
