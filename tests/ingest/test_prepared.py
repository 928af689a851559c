"""Statements over PostgreSQL are prepared once, answer as before, and survive a changed table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ARRAY, Connection, Engine, String, bindparam, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from ingest import prepared
from ingest.engine import open_engine

_ADD = text("INSERT INTO things (id, name, at) VALUES (:id, :name, :at)")
_ONE = text("SELECT * FROM things WHERE id = :id")


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    """An engine with a table of its own."""
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE things (id int PRIMARY KEY, name text, at timestamptz)")
        )
    yield engine
    engine.dispose()


def _prepared(connection: Connection) -> int:
    return connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()


def test_a_statement_is_prepared_at_its_second_use_and_answers_alike_each_time(
    engine: Engine,
) -> None:
    moments = [datetime(2026, 11, 29, 8, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 0, 25, tzinfo=UTC)]
    names = ['a "quoted" \\ name', "夜班", None]
    rows = [(number, names[number % 3], moments[number % 2]) for number in range(6)]
    with engine.connect() as connection:
        for number, name, at in rows:
            given = {"id": number, "name": name, "at": at}
            assert connection.execute(_ADD, given).rowcount == 1
        assert [tuple(connection.execute(_ONE, {"id": row[0]}).one()) for row in rows] == rows
        assert connection.execute(_ONE, {"id": 99}).all() == []
        assert _prepared(connection) == 2


def test_a_list_is_one_array_whatever_its_texts_hold(engine: Engine) -> None:
    texts = ['"', "\\", "{a,b}", "NULL", "", " ", "中", "%s"]
    same = text("SELECT unnest(:texts)").bindparams(bindparam("texts", type_=ARRAY(String)))
    with engine.connect() as connection:
        for _ in range(3):
            assert list(connection.execute(same, {"texts": texts}).scalars()) == texts


def test_a_refused_statement_undoes_its_transaction_and_leaves_nothing_prepared(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        connection.execute(_ADD, {"id": 1, "name": "first", "at": None})
    for _ in range(3):
        with pytest.raises(IntegrityError):
            _add_again(engine)
    with engine.connect() as connection:
        assert connection.execute(_ONE, {"id": 1}).one().name == "first"
        assert connection.execute(_ONE, {"id": 2}).all() == []
        # What the server had parsed before it refused the row is closed again.
        assert _prepared(connection) == 1


def _add_again(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO things (id) VALUES (2)"))
        connection.execute(_ADD, {"id": 1, "name": "second", "at": None})


def test_after_a_change_of_its_table_a_statement_fails_once_at_most(engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(_ONE, {"id": 1})
        connection.rollback()
        connection.execute(text("ALTER TABLE things ADD COLUMN grid text DEFAULT 'east'"))
        connection.commit()
        with pytest.raises(ProgrammingError, match="cached plan"):
            connection.execute(_ONE, {"id": 1})
        connection.rollback()
        connection.execute(_ADD, {"id": 1, "name": "after", "at": None})
        assert connection.execute(_ONE, {"id": 1}).one() == (1, "after", None, "east")
        assert _prepared(connection) == 0


def test_a_connection_keeps_only_so_many_prepared(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "KEPT", 5)
    with engine.connect() as connection:
        for _ in range(3):
            for number in range(4):
                asked = text(f"SELECT :n + {number}").bindparams(n=number)
                assert connection.execute(asked).scalar_one() == 2 * number
        for number in range(20):
            connection.execute(text(f"SELECT :n - {number}").bindparams(n=number)).scalar_one()
        assert _prepared(connection) <= 5


class _Cut:
    """The connection's stream, of which nothing more comes after so many bytes."""

    def __init__(self, stream: Any, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def test_an_answer_cut_off_anywhere_is_a_lost_connection(engine: Engine) -> None:
    """A server that is killed had perhaps sent half a row: the next try asks anew."""
    rows = text("SELECT id, '夜班' || id FROM generate_series(1, :last) AS id")
    for left in range(60):
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver._sock = _Cut(driver._sock, left)
            with pytest.raises(DBAPIError) as caught:
                connection.execute(rows, {"last": 9}).all()
        assert caught.value.connection_invalidated, left
    with engine.connect() as connection:
        assert len(connection.execute(rows, {"last": 9}).all()) == 9
