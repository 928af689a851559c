"""Fixtures that every test may use: the shared data, a fake clock, free ports, leak checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright
from sqlalchemy import Engine

from config.clock import FakeClock
from config.site import Site, load_site
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests import servers
from tests.servers import Mosquitto, Postgres, running_postgres

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# No test times anything: a machine that is busy for a moment has found no counterexample. Nor does
# chance decide about a change: examples are the same each time. MENSHEN_WALK_STEPS, which makes
# walks long, draws them anew.
settings.register_profile(
    "menshen",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="MENSHEN_WALK_STEPS" not in os.environ,
)
settings.load_profile("menshen")
# Playwright's own five seconds are too few for a page on a machine that is busy.
expect.set_options(timeout=60_000)


CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of labelled pictures, clips and weights beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the labelled data in {SHARED}, which is absent")
    return SHARED


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test advances it."""
    return FakeClock()


@pytest.fixture(scope="session")
def example_site() -> Site:
    """The example county of the repository."""
    return load_site(ROOT / "config" / "example_county.toml")


@pytest.fixture
def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    return servers.free_port()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real mosquitto that runs; a test may kill it and start it again."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@contextmanager
def _a_postgres() -> Iterator[Postgres]:
    """A new cluster. Its folder is not pytest's: another session that starts meanwhile closes
    that one to everybody but its owner, and the server runs as another user.

    Nobody waits until the folder is gone: hundreds of databases are a hundred thousand files, and
    the last test, whose time that would be, has its limit.
    """
    folder = tempfile.mkdtemp(prefix="menshen-postgres-")
    try:
        with running_postgres(Path(folder)) as server:
            yield server
    finally:
        subprocess.Popen(["rm", "-rf", folder], start_new_session=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL that runs, shared by the tests of one session."""
    with _a_postgres() as server:
        yield server


@pytest.fixture
def mortal_postgres() -> Iterator[Postgres]:
    """One for this test alone, which may kill it: no hundred databases of others to recover."""
    with _a_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of an empty PostgreSQL database."""
    return postgres.new_database()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real Chromium, headless.

    One per module: Playwright's event loop lives in the main thread, where tests elsewhere want
    to run their own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("needs Chromium; run: make test-setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: the test runs once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'centre.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture
def bare_engine(database_url: str) -> Iterator[Engine]:
    """Such a database, open, without a table."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def engine(bare_engine: Engine) -> Engine:
    """Such a database with the tables of today."""
    upgrade(bare_engine)
    return bare_engine


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    """A test that leaves a non-daemon thread behind fails."""
    before = set(threading.enumerate())
    yield
    leaked = [
        thread
        for thread in threading.enumerate()
        if thread not in before and not thread.daemon and thread.is_alive()
    ]
    for thread in leaked:
        thread.join(timeout=60)
    alive = [thread.name for thread in leaked if thread.is_alive()]
    assert not alive, f"threads left running: {alive}"
