"""Dead letters stay within their limits on SQLite and PostgreSQL, and every drop is counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select, update

from alerts.web.base.store_metrics import store_metrics
from config.clock import FakeClock
from ingest.engine import reading, writing
from ingest.letters.bury import Limit, Totals, bury, recount, totals
from ingest.letters.reading import DeadLetter
from ingest.retention.schema import letter_totals
from ingest.schema import dead_letters

TOPIC = "menshen/v1/demo/evt/node-1/cam-1"


def letter(number: int, size: int = 10) -> DeadLetter:
    return DeadLetter.of(TOPIC, f"{number:06}".encode().ljust(size, b"."), "no JSON")


def kept(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        heads = connection.execute(select(dead_letters.c.head).order_by(dead_letters.c.id))
        return [int(head[:6]) for head in heads.scalars()]


def test_the_oldest_are_dropped_and_counted(engine: Engine, clock: FakeClock) -> None:
    limit = Limit(letters=5, size_bytes=10**6)
    for number in range(8):
        with writing(engine) as connection:
            bury(connection, [letter(number)], clock.now(), limit)
        clock.advance(1)
    assert kept(engine) == [3, 4, 5, 6, 7]
    assert totals(engine) == Totals(kept=5, kept_bytes=50, dropped=3, dropped_bytes=30)


def test_bytes_are_a_limit_too(engine: Engine, clock: FakeClock) -> None:
    limit = Limit(letters=100, size_bytes=1_000)
    with writing(engine) as connection:
        bury(connection, [letter(n, size=300) for n in range(5)], clock.now(), limit)
    found = totals(engine)
    assert (found.kept, found.kept_bytes, found.dropped) == (3, 900, 2)


def test_what_comes_again_is_young_again(engine: Engine, clock: FakeClock) -> None:
    limit = Limit(letters=2, size_bytes=10**6)
    for number in (1, 2, 1, 3):
        with writing(engine) as connection:
            bury(connection, [letter(number)], clock.now(), limit)
        clock.advance(1)
    assert kept(engine) == [1, 3]
    with reading(engine) as connection:
        times = connection.execute(select(dead_letters.c.times).order_by(dead_letters.c.id))
        assert list(times.scalars()) == [2, 1]


def test_one_group_larger_than_the_limit(engine: Engine, clock: FakeClock) -> None:
    with writing(engine) as connection:
        bury(connection, [letter(n % 1200) for n in range(1300)], clock.now(), Limit(letters=3))
    found = totals(engine)
    assert (found.kept, found.dropped, len(kept(engine))) == (3, 1197, 3)


def test_replicas_that_bury_at_once_agree_on_the_counts(engine: Engine, clock: FakeClock) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 10):
            with writing(engine) as connection:
                bury(connection, [letter(number)], clock.now(), Limit(letters=15))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, (0, 100, 200)))
    assert totals(engine) == Totals(kept=15, kept_bytes=150, dropped=15, dropped_bytes=150)
    assert len(kept(engine)) == 15


def test_counts_that_drifted_are_put_right(engine: Engine, clock: FakeClock) -> None:
    with writing(engine) as connection:
        bury(connection, [letter(1), letter(2)], clock.now())
        connection.execute(update(letter_totals).values(kept=0, kept_bytes=-5))
        recount(connection)
    assert totals(engine) == Totals(kept=2, kept_bytes=20, dropped=0, dropped_bytes=0)


def test_the_counts_are_metrics(engine: Engine, clock: FakeClock) -> None:
    with writing(engine) as connection:
        bury(connection, [letter(n) for n in range(4)], clock.now(), Limit(letters=3))
    told = store_metrics(engine, clock).decode()
    assert "menshen_dead_letters 3.0" in told
    assert "menshen_dead_letters_bytes 30.0" in told
    assert "menshen_dead_letters_dropped_total 1.0" in told
    assert "menshen_files_to_remove 0.0" in told
