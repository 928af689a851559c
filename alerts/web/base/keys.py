"""Keys: random secrets that every web process of a county shares through the database."""

from __future__ import annotations

import secrets

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from alerts.web.schema import keys
from config.clock import Clock
from ingest.engine import reading, writing


def shared_key(engine: Engine, clock: Clock, name: str) -> bytes:
    """The 32 random bytes called ``name``; made by whichever process asks first."""
    find = select(keys.c.value).where(keys.c.name == name)
    with reading(engine) as connection:
        found = connection.execute(find).scalar_one_or_none()
    if found is not None:
        return bytes(found)
    row = {"name": name, "value": secrets.token_bytes(32), "created_at": clock.now()}
    try:
        with writing(engine) as connection:
            connection.execute(insert(keys).values(row))
    except IntegrityError:
        pass  # Another process was first; its key is everybody's.
    with reading(engine) as connection:
        return bytes(connection.execute(find).scalar_one())
