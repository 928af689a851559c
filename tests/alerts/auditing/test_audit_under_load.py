"""Chains that are checked while others write them: what is added meanwhile is no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, update

from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.store.schema import audit
from config.clock import FakeClock
from config.ids import uuid7
from config.site import Site
from ingest.engine import writing
from ingest.migrate import upgrade
from ingest.retention import proof
from tests.alerts.auditing.test_audit import Superuser


@contextmanager
def between_statements(engine: Engine, table: str, act: Callable[[], None]) -> Iterator[None]:
    """Let ``act`` commit something as soon as the first statement has read ``table``."""
    waiting = [act]

    def look(*words: object) -> None:
        statement = str(words[2])
        if waiting and statement.startswith("SELECT") and f"FROM {table}" in statement:
            waiting.pop()()

    event.listen(engine, "after_cursor_execute", look)
    yield
    event.remove(engine, "after_cursor_execute", look)
    assert not waiting, f"nothing read {table}"


@pytest.fixture
def engine(bare_engine: Engine) -> Engine:
    upgrade(bare_engine)
    return bare_engine


def test_a_line_written_during_the_check_is_no_damage(engine: Engine, example_site: Site) -> None:
    clock = FakeClock()
    log, auditor = AuditLog(engine, clock), Auditor(engine, example_site, clock)

    def write() -> None:
        log.append(actor="system", action="looked", object="alert 1")

    write()
    with between_statements(engine, "counters", write):
        assert log.verify() is None
    before = log.head()
    with between_statements(engine, "counters", write):
        assert log.verify_from(before) == before, "the end that was seen, not the one that is"
    assert log.verify_from(before) == log.head() != before
    assert auditor.run() == []
    with between_statements(engine, "counters", write):
        assert auditor.run() == [], "nobody is told of a damage that is none"
    assert auditor.run() == []


def test_a_line_written_during_a_look_is_checked_at_the_next(
    engine: Engine, example_site: Site
) -> None:
    clock = FakeClock()
    log, auditor = AuditLog(engine, clock), Auditor(engine, example_site, clock)

    def write() -> None:
        log.append(actor="system", action="looked", object="alert 1")

    write()
    assert auditor.run() == []
    with between_statements(engine, "counters", write):
        assert auditor.run() == []
    with writing(Superuser(engine).engine) as connection:
        connection.execute(update(audit).where(audit.c.seq == 2).values(actor="nobody"))
    assert [one.condition for one in auditor.run()] == ["audit_broken"]


def test_a_deletion_during_the_check_of_the_proofs_is_no_damage(engine: Engine) -> None:
    clock = FakeClock()

    def delete() -> None:
        item = (str(uuid7(clock.now())), "0" * 64)
        with writing(engine) as connection:
            proof.append(connection, at=clock.now(), kind="letter", rule="old", items=[item])

    delete()
    with between_statements(engine, "deletion_head", delete):
        assert proof.verify(engine, {"letter": lambda *_: frozenset()}).problem is None
    assert proof.verify(engine, {"letter": lambda *_: frozenset()}).rows == 2
