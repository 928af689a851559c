"""A small county with a real database, real alerts and a real web, for tests and browsers."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pydantic import SecretStr
from sqlalchemy import Engine

from alerts.hub import Hub
from alerts.router import Router
from alerts.service import AlertService, AlertView, Viewer
from alerts.store import AlertStore
from alerts.web.app import create_app
from alerts.web.server import WebServer
from config.clock import Clock, FakeClock, SystemClock
from config.event import (
    Character,
    Event,
    EventKind,
    EvidenceRef,
    FaceShot,
    HealthReport,
    PlateReading,
    Severity,
)
from config.ids import uuid7
from config.secrets import PersonSecret, Secrets
from config.site import Camera, LegalClass, Person, Role, Site
from config.wire import EventBatch, Numbered
from ingest.engine import open_engine
from ingest.media import MediaStore
from ingest.migrate import upgrade
from ingest.store import EventStore

PASSWORDS = {
    "wang-fang": "东门-wang-2026",
    "liu-yang": "liu-yang-secret",
    "sun-mei": "sun-mei-secret",
    "li-qiang": "li-qiang-secret",
    "zhou-min": "zhou-min-secret",
    "police-desk": "police-desk-secret",
    "installer": "installer-secret",
}
HASHER = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
"""Real argon2id, with less memory than in service: the tests log in often."""
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass
class County:
    """The centre of one small county; ``see`` is what its cameras do."""

    engine: Engine
    site: Site
    clock: Clock
    folder: Path
    secrets: Secrets = field(
        default_factory=lambda: Secrets(
            people={name: PersonSecret(password=SecretStr(p)) for name, p in PASSWORDS.items()}
        )
    )

    def __post_init__(self) -> None:
        self.hub = Hub()
        self.service = AlertService(self.engine, self.site, self.clock, hub=self.hub)
        self.events = EventStore(self.engine, self.clock)
        store = AlertStore(self.engine, self.site, self.clock, hub=self.hub)
        self.router = Router(self.engine, self.site, self.clock, store=store)
        self.media = MediaStore(self.folder / "media")
        self._epochs: dict[str, tuple[str, int]] = {}

    def app(self) -> FastAPI:
        """A fresh web process on this county's database."""
        return create_app(
            service=self.service,
            engine=self.engine,
            site=self.site,
            secrets=self.secrets,
            media=self.media,
            clock=self.clock,
            hasher=HASHER,
        )

    def viewer(self, person_id: str) -> Viewer:
        """That person's view."""
        person = self.site.person(person_id)
        assert person is not None
        return Viewer(person.id, person.role, person.grid)

    def police(self) -> Viewer:
        """The police desk's view."""
        return self.viewer("police-desk")

    def car(
        self,
        plate: str,
        *,
        camera: str = "east-gate-in",
        colour: str = "blue",
        kind: str = "blue",
        severity: Severity = Severity.NOTICE,
        unsure: int | None = None,
        picture: bytes | None = None,
        evidence: tuple[EvidenceRef, ...] = (),
    ) -> AlertView:
        """A car passes and its plate is read; returns the alert this raised."""
        chances = [0.55 if i == unsure else 0.99 for i in range(len(plate))]
        reading = PlateReading(
            text=plate,
            raw=plate,
            confidence=min(chances),
            characters=tuple(
                Character(text=c, probability=p) for c, p in zip(plate, chances, strict=True)
            ),
            colour=colour,
            plate_kind=kind,
            rows=2 if kind == "yellow_double" else 1,
        )
        return self.see(
            camera,
            EventKind.PLATE,
            plate=reading,
            severity=severity,
            thumbnail=picture or make_jpeg(plate),
            evidence=evidence,
        )

    def face(self, camera: str) -> AlertView:
        """Somebody stands before a camera."""
        return self.see(
            camera,
            EventKind.FACE,
            face=FaceShot(quality=0.8, height_px=120),
            thumbnail=make_jpeg("face"),
        )

    def broken(self, camera: str) -> AlertView:
        """A camera goes black."""
        return self.see(
            camera, EventKind.HEALTH, health=HealthReport(condition="black", active=True)
        )

    def see(self, camera_id: str, kind: EventKind, **body: object) -> AlertView:
        """Store one event as ingest does and route it; returns its alert."""
        camera = self.site.camera(camera_id)
        assert camera is not None
        now = self.clock.now()
        epoch, seq = self._epochs.get(camera.node, (uuid7(now), 0))
        self._epochs[camera.node] = (epoch, seq + 1)
        event = Event.model_validate(
            {
                "id": uuid7(now),
                "visit": uuid7(now),
                "node": camera.node,
                "camera": camera.id,
                "kind": kind,
                "started_at": now,
                "captured_at": now,
                **body,
            }
        )
        numbered = Numbered(seq=seq + 1, event=event)
        self.events.insert(EventBatch(node=camera.node, epoch=epoch, oldest=1, events=(numbered,)))
        before = self.service.position()
        assert self.router.run_once() == 1
        everybody = [self.police(), *(self.viewer(p.id) for p in self.site.people)]
        for viewer in everybody:
            for view in self.service.recent(viewer, 5):
                if view.position > before:
                    return view
        raise AssertionError("the event raised no alert")

    def evidence(self, data: bytes, *, role: str = "scene") -> EvidenceRef:
        """A file as an edge node has uploaded it."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self.media.begin(sha256) as upload:
            upload.write(data)
            upload.finish(declared="image/jpeg")
        return EvidenceRef.model_validate(
            {"sha256": sha256, "media_type": "image/jpeg", "size_bytes": len(data), "role": role}
        )


def make_jpeg(text: str, size: tuple[int, int] = (320, 180)) -> bytes:
    """A small real JPEG that differs by ``text``."""
    image = Image.new("RGB", size, (40, 50, 60))
    ImageDraw.Draw(image).text((20, 20), text.encode("ascii", "replace").decode(), fill="white")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=70)
    return out.getvalue()


def with_second_home(site: Site) -> Site:
    """The example county with one more home, whose pictures are nobody else's."""
    home = site.camera("home-li-qiang")
    assert home is not None
    zhou = Person(id="zhou-min", name="周敏", role=Role.HOME_OWNER, grid="lixiang")
    camera = Camera.model_validate(
        {
            **home.model_dump(),
            "id": "home-zhou-min",
            "name": "周敏家院门",
            "owner": "zhou-min",
            "duty_holder": "周敏",
            "legal_class": LegalClass.HOME,
        }
    )
    return Site.model_validate(
        {**site.model_dump(), "people": (*site.people, zhou), "cameras": (*site.cameras, camera)}
    )


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


CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real Chromium, headless."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("needs Chromium; run: make test-setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


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
    contexts: list[BrowserContext] = []
    people: list[Somebody] = []

    def open_browser(size: dict[str, int] = PHONE, **options: object) -> Somebody:
        context = chromium.new_context(viewport=size, **options)
        context.set_default_timeout(20_000)
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
