"""From every earlier schema to the newest with a row in every table, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    insert,
    select,
    text,
)

from config.event import EvidenceRef
from config.ids import uuid7
from ingest.engine import open_engine, reading, writing
from ingest.letters.bury import totals
from ingest.migrate import _config, current, newest, upgrade
from ingest.retention.schema import media_refs
from ingest.store import EventStore
from tests.events import MOMENT, motion

REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))
]
FILLED_BY_MIGRATIONS = {"alembic_version", "counters", "deletion_head", "letter_totals"}
GIVEN_UP = {"home_faces", "home_face_copies"}
"""Tables that a later migration drops, with what was in them."""
SHA256 = "a" * 64


@pytest.fixture
def engine(bare_engine: Engine) -> Engine:
    """Without tables: each test begins at a version of its own."""
    return bare_engine


def tables_of(engine: Engine) -> list[Table]:
    """The tables as the database has them, parents first; partitions are part of their parent."""
    found = MetaData()
    with reading(engine) as connection:
        found.reflect(connection)
    return [
        table
        for table in found.sorted_tables
        if table.name not in FILLED_BY_MIGRATIONS and not table.name.startswith("events_")
    ]


def value_for(column: Column[Any], event_id: str) -> object:
    """A value that fits, and that is the same for columns that refer to each other."""
    kind = column.type
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, (Integer, Numeric, Float)):
        return 1
    if isinstance(kind, DateTime):
        return MOMENT.replace(tzinfo=None) if kind.timezone is not True else MOMENT
    if isinstance(kind, LargeBinary):
        return b"\x00bytes"
    length = getattr(kind, "length", None)
    if length == 36 or column.foreign_keys:
        return event_id
    if length == 64:
        return SHA256
    return "[]" if length is None else f"{column.name}"[:length]


def fill(engine: Engine, event_id: str) -> dict[str, dict[str, object]]:
    """One row in every table; returns them by table."""
    rows = {}
    body = (
        motion(
            evidence=(
                EvidenceRef(sha256=SHA256, media_type="image/jpeg", size_bytes=9, role="crop"),
            )
        )
        .model_copy(update={"id": event_id})
        .model_dump_json(exclude_defaults=True)
    )
    with writing(engine) as connection:
        for table in tables_of(engine):
            row = {column.name: value_for(column, event_id) for column in table.columns}
            if table.name == "events":
                row["body"] = body
            # A trigger may have written it already, from the event.
            found = connection.execute(select(table)).first()
            if found is None:
                connection.execute(insert(table), row)
            rows[table.name] = row
    return rows


@pytest.mark.parametrize("revision", REVISIONS)
def test_no_row_is_lost_on_the_way(engine: Engine, revision: str) -> None:
    upgrade(engine, revision)
    event_id = uuid7(datetime(2026, 3, 1, 12, tzinfo=UTC))
    before = fill(engine, event_id)
    assert {"events", "routing_queue", "media", "dead_letters", "presence"} <= before.keys()
    upgrade(engine)
    assert current(engine) == newest()
    after = {table.name: table for table in tables_of(engine)}
    assert before.keys() - GIVEN_UP <= after.keys()
    with reading(engine) as connection:
        for name, row in before.items():
            if name in GIVEN_UP and name not in after:
                continue
            kept = connection.execute(select(after[name])).mappings().all()
            assert len(kept) == 1, name
            same = {column: kept[0][column] for column in row if column in kept[0]}
            assert {key: comparable(value) for key, value in same.items()} == {
                key: comparable(row[key]) for key in same
            }, name
    with reading(engine) as connection:
        named = connection.execute(select(media_refs.c.sha256, media_refs.c.event_id)).all()
    assert named == [(SHA256, event_id)], "retention knows the file of an old event"
    assert EventStore(engine, None).load(event_id).evidence[0].sha256 == SHA256  # type: ignore[arg-type]
    if revision < "0010":  # later ones count as they bury
        assert totals(engine).kept == 1


def comparable(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return int(value) if isinstance(value, bool) else value


def test_every_column_of_ingest_is_explained_in_the_database(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    upgrade(engine)
    with reading(engine) as connection:
        tables = connection.execute(
            text(
                "SELECT relname, obj_description(oid) FROM pg_class WHERE relname = ANY(:names)"
                " AND relnamespace = 'public'::regnamespace"
            ),
            {"names": list(INGEST)},
        ).all()
        columns = connection.execute(
            text(
                "SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class"
                " ON pg_class.oid = attrelid WHERE relname = ANY(:names) AND attnum > 0"
                " AND relnamespace = 'public'::regnamespace"
                " AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL"
            ),
            {"names": list(INGEST)},
        ).all()
    engine.dispose()
    assert {name for name, words in tables if words} == INGEST
    assert sorted(row[0] for row in columns) == []


INGEST = {
    *("nodes", "sequences", "events", "routing_queue", "media", "dead_letters", "presence"),
    *("node_configs", "legal_holds", "hold_events", "deletions", "deletion_head", "media_refs"),
    *("doomed_media", "deleted_seqs", "letter_totals", "face_consents", "face_nodes"),
}
