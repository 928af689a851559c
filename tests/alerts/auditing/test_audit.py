"""The audit log against the superuser of its database: whatever they do, the first row is named.

``AUDIT_CASES=2000 pytest tests/alerts/auditing/test_audit.py`` tries more.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, Engine, select, text, update

from alerts.auditing.audit import GENESIS, AuditLine, AuditLog, Head, append_lines, row_hash
from alerts.auditing.auditor import Auditor
from alerts.auditing.checkpoints import (
    CheckpointExport,
    parse_head,
    read_checkpoints,
    verify_against,
)
from alerts.store.schema import audit, counters
from config.clock import FakeClock
from config.errors import UserError
from config.site import Site
from ingest.engine import open_engine, reading, writing
from ingest.migrate import upgrade
from tests.alerts.county import sqlite_url

CASES = int(os.environ.get("AUDIT_CASES", "60"))
ACTORS = ("wang-fang", "police-desk", "system", "户主")


class Superuser:
    """Somebody who owns the database: no trigger and no right stands in their way."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                assert connection.execute(text("SHOW is_superuser")).scalar_one() == "on"
                connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
            else:
                for name in ("audit_no_update", "audit_no_delete"):
                    connection.execute(text(f"DROP TRIGGER {name}"))

    def start_anew(self, chance: random.Random, clock: FakeClock) -> int:
        """A log of 2 to 25 rows, written as the centre writes it; returns how many."""
        rows = chance.randint(2, 25)
        lines = [
            AuditLine(
                clock.now() + timedelta(microseconds=chance.randrange(10**9)),
                chance.choice(ACTORS),
                chance.choice(("looked", "acknowledged", "导出")),
                f"alert {number}",
                chance.choice(("", "version 2; step 1", '","')),
            )
            for number in range(rows)
        ]
        with writing(self.engine) as connection:
            connection.execute(audit.delete())
            _count(connection, 0, GENESIS)
            while lines:
                part = chance.randint(1, len(lines))
                append_lines(connection, lines[:part])
                lines = lines[part:]
        return rows


def _count(connection: Connection, rows: int, digest: str) -> None:
    changed = counters.c.name == "audit"
    connection.execute(update(counters).where(changed).values(value=rows, hash=digest))


def _hash_of(connection: Connection, seq: int) -> str:
    if seq == 0:
        return GENESIS
    found: str = connection.execute(select(audit.c.hash).where(audit.c.seq == seq)).scalar_one()
    return found


def alter(connection: Connection, chance: random.Random, rows: int) -> int:
    seq = chance.randint(1, rows)
    old = connection.execute(select(audit).where(audit.c.seq == seq)).one()
    column = chance.choice(("actor", "action", "object", "detail", "at", "hash", "previous"))
    was = getattr(old, column)
    new = was + timedelta(microseconds=1) if column == "at" else was[1:] + chr(ord(was[0]) + 1) if (
        was
    ) else "x"  # fmt: skip
    connection.execute(update(audit).where(audit.c.seq == seq).values({column: new}))
    return seq


def delete_inside(connection: Connection, chance: random.Random, rows: int) -> int:
    first = chance.randint(1, rows - 1)
    last = chance.randint(first, rows - 1)
    connection.execute(audit.delete().where(audit.c.seq.between(first, last)))
    return first


def delete_and_close_up(connection: Connection, chance: random.Random, rows: int) -> int:
    """The later rows move down, so that no number is missing."""
    seq = chance.randint(1, rows - 1)
    connection.execute(audit.delete().where(audit.c.seq == seq))
    for later in range(seq + 1, rows + 1):
        connection.execute(update(audit).where(audit.c.seq == later).values(seq=later - 1))
    _count(connection, rows - 1, _hash_of(connection, rows - 1))
    return seq


def reorder(connection: Connection, chance: random.Random, rows: int) -> int:
    first, second = sorted(chance.sample(range(1, rows + 1), 2))
    for old, new in ((first, 10_000), (second, first), (10_000, second)):
        connection.execute(update(audit).where(audit.c.seq == old).values(seq=new))
    return first


def truncate(connection: Connection, chance: random.Random, rows: int) -> int:
    first = chance.randint(1, rows)
    connection.execute(audit.delete().where(audit.c.seq >= first))
    return first


def add(connection: Connection, chance: random.Random, rows: int) -> int:
    """A forged row at the end, chained rightly, which nobody counted."""
    line = AuditLine(FakeClock().now(), "nobody", "looked", "alert 1")
    previous = _hash_of(connection, rows)
    digest = row_hash(rows + 1, line, previous)
    values = {name: getattr(line, name) for name in ("at", "actor", "action", "object", "detail")}
    connection.execute(
        audit.insert().values(seq=rows + 1, previous=previous, hash=digest, **values)
    )
    return rows + 1


def truncate_and_count(connection: Connection, chance: random.Random, rows: int) -> int:
    first = truncate(connection, chance, rows)
    _count(connection, first - 1, _hash_of(connection, first - 1))
    return first


def rewrite(connection: Connection, chance: random.Random, rows: int) -> int:
    """From some row on the whole chain anew, hashes and counter and all."""
    first = chance.randint(1, rows)
    connection.execute(update(audit).where(audit.c.seq == first).values(actor="nobody"))
    previous = _hash_of(connection, first - 1)
    for row in connection.execute(select(audit).where(audit.c.seq >= first).order_by(audit.c.seq)):
        line = AuditLine(row.at, row.actor, row.action, row.object, row.detail)
        digest = row_hash(row.seq, line, previous)
        values = {"previous": previous, "hash": digest}
        connection.execute(update(audit).where(audit.c.seq == row.seq).values(values))
        previous = digest
    _count(connection, rows, previous)
    return first


Harm = Callable[[Connection, random.Random, int], int]
FOUND_BY_THE_CHAIN: tuple[Harm, ...] = (
    alter, delete_inside, delete_and_close_up, reorder, truncate, add,
)  # fmt: skip
FOUND_BY_CHECKPOINTS: tuple[Harm, ...] = (truncate_and_count, rewrite)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def superuser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Superuser]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("audit"))
    else:
        url = request.getfixturevalue("postgres").new_database()
    engine = open_engine(url)
    upgrade(engine)
    yield Superuser(engine)
    engine.dispose()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("harm", FOUND_BY_THE_CHAIN, ids=lambda harm: harm.__name__)
def test_the_chain_names_the_first_bad_row(superuser: Superuser, harm: Harm) -> None:
    clock = FakeClock()
    log = AuditLog(superuser.engine, clock)
    for seed in range(CASES // len(FOUND_BY_THE_CHAIN)):
        chance = random.Random(seed)
        rows = superuser.start_anew(chance, clock)
        assert log.verify() is None, f"seed {seed}"
        with writing(superuser.engine) as connection:
            first = harm(connection, chance, rows)
        finding = log.verify()
        assert finding is not None, f"seed {seed}"
        assert finding.seq == first, f"seed {seed}: {finding}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("harm", FOUND_BY_CHECKPOINTS, ids=lambda harm: harm.__name__)
def test_a_checkpoint_shows_what_the_chain_cannot(superuser: Superuser, harm: Harm) -> None:
    clock = FakeClock()
    log = AuditLog(superuser.engine, clock)
    for seed in range(CASES // len(FOUND_BY_CHECKPOINTS)):
        chance = random.Random(seed)
        rows = superuser.start_anew(chance, clock)
        marks = sorted(chance.sample(range(1, rows + 1), chance.randint(1, min(rows, 4))))
        with reading(superuser.engine) as connection:
            checkpoints = [Head(mark, _hash_of(connection, mark)) for mark in marks]
        assert log.verify(checkpoints) is None, f"seed {seed}"
        with writing(superuser.engine) as connection:
            first = harm(connection, chance, rows)
        assert log.verify() is None, "the chain alone agrees with whoever rewrote it to its end"
        finding = log.verify(chance.sample(checkpoints, len(checkpoints)))
        later = [mark for mark in marks if mark >= first]
        if not later:
            assert finding is None, f"seed {seed}: nobody wrote down what came after {marks}"
            continue
        assert finding is not None, f"seed {seed}"
        sure = max((mark for mark in marks if mark < first), default=0)
        named = first if harm is truncate_and_count else sure + 1
        assert finding.seq == named <= first, f"seed {seed}: {finding}"
        if harm is rewrite and later[0] > sure + 1:
            assert f"to {later[0]}" in finding.problem


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Iterator[AuditLog]:
    engine = open_engine(sqlite_url(tmp_path))
    upgrade(engine)
    yield AuditLog(engine, clock)
    engine.dispose()


def export(log: AuditLog, path: Path, **more: object) -> CheckpointExport:
    return CheckpointExport(log, FakeClock(), county="qinghe", path=path, **more)  # type: ignore[arg-type]


def test_checkpoints_go_to_a_file_once_per_change_and_are_read_back(
    log: AuditLog, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoints.jsonl"
    exporting = export(log, path)
    exporting.run_once()
    assert not path.exists(), "an empty log has no end"
    heads = []
    for number in range(3):
        log.append(actor="system", action="looked", object=f"alert {number}")
        heads.append(log.head())
        for _ in range(2):
            exporting.run_once()
    exporting.close()
    assert read_checkpoints(path) == heads
    assert path.stat().st_mode & 0o777 == 0o600
    assert verify_against(log, path) is None
    after = export(log, path)
    with path.open("a") as file:
        file.write('{"rows": 4, "ha')
    log.append(actor="system", action="looked", object="alert 4")
    after.run_once()
    after.close()
    assert read_checkpoints(path) == [*heads, log.head()], "a power cut ended a line early"
    with path.open("a") as file:
        file.write('{"rows": 4, "hash": "feed"}\n')
    with pytest.raises(UserError, match=r"checkpoints.jsonl:6: is no checkpoint"):
        read_checkpoints(path)


@pytest.mark.parametrize("status", [200, 204, 302, 401, 503, "silent"])
def test_the_outside_address_gets_each_end_until_it_has_it(
    log: AuditLog, tmp_path: Path, status: int | str
) -> None:
    bodies: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if status == "silent":
            raise httpx.ReadTimeout("silent")
        return httpx.Response(int(status))

    exporting = export(
        log,
        tmp_path / "c.jsonl",
        url="https://outside.example/audit?key=secret",
        client=httpx.Client(transport=httpx.MockTransport(answer)),
    )
    log.append(actor="system", action="looked", object="alert 1")
    for _ in range(3):
        exporting.run_once()
    exporting.close()
    head = log.head()
    assert {(body["rows"], body["hash"]) for body in bodies} == {(head.rows, head.hash)}
    assert len(bodies) == (1 if status in (200, 204) else 3)


@pytest.mark.parametrize(
    "word", ["", "5", "5:", "x:" + "0" * 64, "5:" + "g" * 64, "-1:" + "0" * 64]
)
def test_what_is_no_checkpoint_is_none(word: str) -> None:
    assert parse_head(word) is None
    assert parse_head("7:" + "a" * 64) == Head(7, "a" * 64)


@pytest.mark.parametrize("harm", [alter, reorder, truncate_and_count, rewrite, delete_and_close_up])
def test_the_auditor_sees_harm_to_the_end_of_the_log_at_its_next_look(
    superuser: Superuser, example_site: Site, harm: Harm
) -> None:
    clock = FakeClock()
    for seed in range(5):
        chance = random.Random(seed)
        rows = superuser.start_anew(chance, clock)
        auditor = Auditor(superuser.engine, example_site, clock)
        log = AuditLog(superuser.engine, clock)
        assert auditor.run() == []
        log.append(actor="system", action="looked", object="alert 9")
        assert auditor.run() == []
        for _ in range(3):
            log.append(actor="system", action="looked", object="alert 9")
        with writing(superuser.engine) as connection:
            first = harm(connection, chance, rows + 4)
        found = [one for one in auditor.run() if one.condition == "audit_broken"]
        seen_end = rows + 1
        if harm in (truncate_and_count, rewrite):
            # What came after the last look and was rewritten to its end, only a checkpoint shows.
            assert len(found) == (1 if first <= seen_end else 0), f"seed {seed}"
        elif harm is delete_and_close_up or first > seen_end:
            assert len(found) == 1, f"seed {seed}"
        assert auditor.run() == found, "until it is put right"
