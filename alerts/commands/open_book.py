"""Opens the centre's database and site for one command, and finds who gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from alerts.database import open_database
from config.errors import UserError
from config.settings import load_settings
from config.site import Person, Site, load_site


@contextmanager
def opened(site: Path) -> Iterator[tuple[Engine, Site]]:
    """The database and the site; the database is closed afterwards."""
    county = load_site(site)
    engine = open_database(load_settings())
    try:
        yield engine, county
    finally:
        engine.dispose()


def person_of(site: Site, person_id: str) -> Person:
    """The person of that id.

    Raises:
        UserError: the site lists nobody of that id.
    """
    person = site.person(person_id)
    if person is None:
        raise UserError(
            where="--as", problem=f"nobody is called {person_id!r}", remedy="give a person's id"
        )
    return person
