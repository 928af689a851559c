"""The outbox: durable, numbered without a hole, emptied only by receipts, honest about loss."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.clock import FakeClock
from config.errors import UserError
from config.event import EventKind, Severity
from config.ranges import SeqSet
from config.wire import EventBatch, Receipt, decode
from edge.delivery.outbox import Outbox, OutboxError, shed_class
from edge.delivery.resend import FIRST_WAIT_S, LONGEST_WAIT_S, Flights, wait_before
from tests.events import motion, wait_until

BIG = 10**9


@pytest.fixture
def outbox(tmp_path: Path, clock: FakeClock) -> Iterator[Outbox]:
    opened = Outbox.open(tmp_path / "outbox.db", node="node-1", clock=clock, budget_bytes=BIG)
    yield opened
    opened.close()


def receipt(outbox: Outbox, upto: int, *also: tuple[int, int]) -> Receipt:
    return Receipt(node=outbox.node, epoch=outbox.epoch, acked_upto=upto, also=also)


def settled(outbox: Outbox, pending: int) -> None:
    """Receipts delete with the next commit: this append is one."""
    outbox.append(motion())
    assert outbox.pending() == pending + 1


def test_a_receipt_needs_no_append_to_be_settled(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.append(motion())
    outbox.take()
    outbox.receive(receipt(outbox, 1))
    outbox.receive(receipt(outbox, 3))
    wait_until(lambda: outbox.pending() == 0, what="an empty outbox")


def test_events_submitted_together_are_numbered_in_order(outbox: Outbox) -> None:
    waiting = [outbox.submit(motion()) for _ in range(50)]
    assert [done.result() for done in waiting] == list(range(1, 51))


def test_a_closed_outbox_refuses_and_may_be_closed_twice(outbox: Outbox) -> None:
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        outbox.append(motion())
    outbox.close()


def read(payload: bytes) -> EventBatch:
    return decode(EventBatch, payload, topic="test")


def test_numbers_have_no_hole_whoever_appends(outbox: Outbox) -> None:
    seqs: list[int] = []

    def append() -> None:
        seqs.extend(outbox.append(motion()) for _ in range(25))

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 201))
    assert outbox.pending() == 200


def test_an_event_appended_twice_is_kept_once(outbox: Outbox) -> None:
    event = motion()
    assert outbox.append(event) == outbox.append(event) == 1
    assert outbox.pending() == 1


def test_what_is_published_is_the_wire_format(outbox: Outbox) -> None:
    events = [motion(thumbnail=b"\xff\xd8\xff picture"), motion(camera="cam-2")]
    for event in events:
        outbox.append(event)
    taken = outbox.take()
    assert taken is not None
    batch = read(taken.payload)
    assert [numbered.event for numbered in batch.events] == events
    assert (batch.node, batch.epoch, batch.oldest) == ("node-1", outbox.epoch, 1)
    assert taken.camera == "cam-1"


def test_a_message_stays_under_the_broker_limit(outbox: Outbox) -> None:
    for _ in range(60):
        outbox.append(motion(thumbnail=random.randbytes(20_000)))
    sizes = []
    while (taken := outbox.take()) is not None:
        sizes.append(len(taken.payload))
    assert len(sizes) == 2
    assert max(sizes) <= 900_000


def test_only_a_receipt_deletes_and_the_numbers_go_on_after_a_restart(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "outbox.db"
    first = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    for _ in range(5):
        first.append(motion())
    first.take()
    assert first.receive(receipt(first, 2, (4, 4)))
    settled(first, 2)
    first.receive(receipt(first, 5))
    first.close()
    again = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    assert again.epoch == first.epoch
    assert again.append(motion()) == 7
    assert again.pending() == 2  # the sixth, and this one
    again.close()


def test_without_a_receipt_everything_comes_again_for_ever(
    outbox: Outbox, clock: FakeClock
) -> None:
    outbox.append(motion())
    first = outbox.take()
    assert first is not None
    waits = []
    for _ in range(8):
        due = outbox.next_due_s()
        assert due is not None
        waits.append(due)
        assert outbox.take() is None, "nothing is due yet"
        clock.advance(due + 0.001)
        again = outbox.take()
        assert again is not None
        assert read(again.payload).events == read(first.payload).events
    assert waits[0] < 1.25 * FIRST_WAIT_S + 1e-6
    assert waits[-1] >= 0.75 * LONGEST_WAIT_S - 1e-6


def test_live_events_go_ahead_of_the_backlog(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.append(motion())
    outbox.reconnected()
    live = outbox.append(motion())
    first, second = outbox.take(), outbox.take()
    assert first is not None
    assert second is not None
    assert (first.seqs, first.backlog) == ((live,), False)
    assert (second.seqs, second.backlog) == ((1, 2, 3), True)
    assert outbox.take() is None


def test_a_batch_that_was_overtaken_is_sent_at_once(outbox: Outbox, clock: FakeClock) -> None:
    outbox.append(motion())
    outbox.take()
    clock.advance(5)
    outbox.append(motion())
    outbox.take()
    outbox.receive(receipt(outbox, 0, (2, 2)))
    again = outbox.take()
    assert again is not None
    assert again.seqs == (1,)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda outbox: Receipt(node="node-2", epoch=outbox.epoch, acked_upto=1),
        lambda outbox: receipt(outbox, 1).model_copy(
            update={"epoch": "01900000-0000-7000-8000-000000000000"}
        ),
        lambda outbox: receipt(outbox, 3),  # the third was never published
        lambda outbox: receipt(outbox, 0, (2, 3)),
        lambda outbox: receipt(outbox, 2**62),  # never even given
    ],
)
def test_hostile_receipts_delete_nothing(outbox: Outbox, wrong: object) -> None:
    for _ in range(2):
        outbox.append(motion())
    outbox.take()
    outbox.append(motion())
    assert callable(wrong)
    assert outbox.receive(wrong(outbox)) is False
    settled(outbox, 3)


def test_a_receipt_after_a_restart_is_believed_for_what_was_sent_before(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "outbox.db"
    before = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    before.append(motion())
    before.take()
    before.append(motion())  # its commit writes down that the first was published
    before.close()
    after = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    assert after.receive(receipt(after, 1))
    assert not after.receive(receipt(after, 2))
    settled(after, 1)
    after.close()


def test_when_full_the_lowest_class_goes_first_and_the_count_is_exact(
    tmp_path: Path, clock: FakeClock
) -> None:
    outbox = Outbox.open(tmp_path / "outbox.db", node="node-1", clock=clock, budget_bytes=100_000)
    critical = [outbox.append(motion(severity=Severity.CRITICAL)) for _ in range(20)]
    plain = [outbox.append(motion()) for _ in range(400)]
    kept: dict[int, EventKind] = {}
    reported = 0
    while (taken := outbox.take()) is not None:
        for numbered in read(taken.payload).events:
            kept[numbered.seq] = numbered.event.kind
            if numbered.event.shed is not None:
                reported += numbered.event.shed.count
                assert numbered.event.shed.kinds == {EventKind.MOTION: numbered.event.shed.count}
    gone = set(range(1, outbox.highest + 1)) - kept.keys()
    assert set(critical) <= kept.keys()
    assert reported == len(gone) > 0
    assert gone == set(sorted(plain)[: len(gone)]), "the oldest went"
    outbox.close()


def test_shed_reports_are_never_shed() -> None:
    assert shed_class(motion(severity=Severity.CRITICAL)) < 1_000


def test_a_damaged_file_is_kept_and_told_and_work_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this was a database once" * 100)
    outbox = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    outbox.append(motion())
    taken = outbox.take()
    assert taken is not None
    report = read(taken.payload).events[0].event
    kept = [found for found in tmp_path.iterdir() if "damaged" in found.name]
    assert len(kept) == 1
    assert kept[0].read_bytes().startswith(b"this was a database once")
    assert report.health is not None
    assert report.health.condition == "outbox_damaged"
    assert kept[0].name in report.health.detail
    outbox.close()


def test_damage_in_the_middle_is_found_too(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    for _ in range(50):
        outbox.append(motion(thumbnail=random.randbytes(2_000)))
    outbox.close()
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(data)
    again = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    assert again.epoch != outbox.epoch
    assert again.append(motion()) == 2  # after the report of the damage
    again.close()


@given(junk=st.binary(max_size=3_000))
@settings(max_examples=25)
def test_whatever_the_file_holds_the_outbox_opens(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("junk") / "outbox.db"
    path.write_bytes(junk)
    outbox = Outbox.open(path, node="node-1", clock=FakeClock(), budget_bytes=BIG)
    assert outbox.append(motion()) >= 1
    outbox.close()


def test_a_second_process_and_a_wrong_node_are_refused_in_words(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    with pytest.raises(UserError, match="another process has this outbox open"):
        Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    outbox.close()
    with pytest.raises(UserError, match="belongs to node 'node-1'"):
        Outbox.open(path, node="node-2", clock=clock, budget_bytes=BIG)
    with pytest.raises(OutboxError, match="it is closed"):
        outbox.append(motion())


def test_another_database_is_left_as_it_is(tmp_path: Path, clock: FakeClock) -> None:
    import sqlite3

    path = tmp_path / "somebody.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="not an outbox"):
        Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    assert path.read_bytes()[100:] == before[100:]


def test_a_full_disk_is_an_error_in_words_and_nothing_is_half_kept(outbox: Outbox) -> None:
    outbox.append(motion())
    pages = outbox._file._connection.execute("PRAGMA page_count").fetchone()[0]
    outbox._file._connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for _ in range(50):
            outbox.append(motion(thumbnail=random.randbytes(10_000)))

    with pytest.raises(OutboxError, match="full"):
        fill()
    outbox._file._connection.execute("PRAGMA max_page_count = 1000000")
    before = outbox.highest
    assert outbox.append(motion()) == before + 1
    assert outbox.pending() == before + 1


def test_receipts_whose_deletion_failed_are_settled_later(outbox: Outbox) -> None:
    outbox.append(motion())
    outbox.take()
    outbox._file._connection.execute("PRAGMA query_only = ON")
    outbox.receive(receipt(outbox, 1))
    with pytest.raises(OutboxError):
        outbox.append(motion())
    outbox._file._connection.execute("PRAGMA query_only = OFF")
    settled(outbox, 0)


@given(
    operations=st.lists(
        st.one_of(
            st.tuples(st.just("fill"), st.integers(0, 60)),
            st.tuples(st.just("add"), st.sets(st.integers(1, 80), max_size=12)),
        ),
        max_size=20,
    )
)
def test_ranges_behave_as_a_plain_set(operations: list[tuple[str, object]]) -> None:
    ranges, plain = SeqSet(), set[int]()
    for name, value in operations:
        if name == "fill":
            assert isinstance(value, int)
            ranges, plain = ranges.filled_to(value), plain | set(range(1, value + 1))
        else:
            assert isinstance(value, set)
            ranges, plain = ranges.including(value), plain | value
    assert {n for n in range(1, 100) if ranges.covers(n)} == plain
    assert ranges.count() == len(plain)
    assert ranges.highest() == max(plain, default=0)
    missing = {n for first, last in ranges.missing(99) for n in range(first, last + 1)}
    assert missing == set(range(1, 100)) - plain
    Receipt(
        node="n",
        epoch="01900000-0000-7000-8000-000000000000",
        acked_upto=ranges.upto,
        also=ranges.also,
    )
    assert json.dumps(ranges.also)


def test_waits_grow_to_a_limit() -> None:
    chance = random.Random(1)
    waits = [wait_before(attempt, chance) for attempt in (1, 2, 3, 4, 50, 10_000)]
    assert all(wait <= 1.25 * LONGEST_WAIT_S for wait in waits)
    assert waits[0] < waits[2] < waits[-1]


def test_after_a_reconnection_everything_in_flight_is_due_soon() -> None:
    flights = Flights(random.Random(1))
    flights.add((1, 2, 3), attempts=5, now=0.0)
    flights.hurry(10.0)
    assert flights.pop_due(11.0) is not None


def test_an_event_of_another_node_is_a_programming_error(outbox: Outbox) -> None:
    with pytest.raises(ValueError, match="node-9"):
        outbox.append(motion(node="node-9"))
    assert outbox.pending() == 0
