"""Empty, migrated databases by the hundred, quickly: copies of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.servers import Postgres


@pytest.fixture
def sqlite_engines(tmp_path: Path) -> Callable[[], Engine]:
    """Copies of one migrated file."""
    template = tmp_path / "template.db"
    engine = open_engine(f"sqlite:///{template}")
    upgrade(engine)
    engine.dispose()
    numbers = count()

    def new() -> Engine:
        path = tmp_path / f"walk-{next(numbers)}.db"
        shutil.copyfile(template, path)
        return open_engine(f"sqlite:///{path}")

    return new


@pytest.fixture
def postgresql_engines(postgres: Postgres) -> Callable[[], Engine]:
    """Databases made from one migrated one."""
    template = postgres.new_database()
    engine = open_engine(template)
    upgrade(engine)
    engine.dispose()

    def new() -> Engine:
        return open_engine(postgres.new_database(template=template))

    return new
