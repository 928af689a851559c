"""Opens the centre's database for commands that look into it beside a running centre."""

from __future__ import annotations

from sqlalchemy import Engine

from config.errors import UserError
from config.settings import Settings
from ingest.engine import open_engine
from ingest.migrate import upgrade


def database_url(settings: Settings) -> str:
    """The database of the settings, or a SQLite file in the data folder."""
    if settings.database is not None:
        return settings.database
    return f"sqlite:///{settings.data_dir.resolve() / 'centre.db'}"


def open_database(settings: Settings) -> Engine:
    """The database as it is, brought to the newest schema.

    Raises:
        UserError: there is no database yet.
    """
    path = settings.data_dir / "centre.db"
    if settings.database is None and not path.exists():
        raise UserError(
            where=str(path),
            problem="there is no database here",
            remedy="set MENSHEN_DATA_DIR or MENSHEN_DATABASE to what the centre uses",
        )
    engine = open_engine(database_url(settings))
    upgrade(engine)
    return engine
