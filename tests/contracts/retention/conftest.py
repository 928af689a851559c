"""Fixtures of retention: both databases, and PostgreSQL with its days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from config.clock import FakeClock
from config.site import Site
from ingest.engine import open_engine
from ingest.media import DiskStore
from ingest.migrate import upgrade
from tests.retention import START, RetentionCentre


@pytest.fixture
def centre(engine: Engine, example_site: Site, tmp_path: Path) -> RetentionCentre:
    return RetentionCentre(engine, example_site, FakeClock(START), DiskStore(tmp_path / "media"))


@pytest.fixture
def naive(example_site: Site, tmp_path: Path) -> Iterator[RetentionCentre]:
    opened = open_engine(f"sqlite:///{tmp_path / 'naive.db'}")
    upgrade(opened)
    yield RetentionCentre(opened, example_site, FakeClock(START), DiskStore(tmp_path / "naive"))
    opened.dispose()


@pytest.fixture
def by_day(postgres_url: str, example_site: Site, tmp_path: Path) -> Iterator[RetentionCentre]:
    opened = open_engine(postgres_url)
    upgrade(opened)
    yield RetentionCentre(opened, example_site, FakeClock(START), DiskStore(tmp_path / "media"))
    opened.dispose()
