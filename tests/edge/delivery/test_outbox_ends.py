"""An outbox whose process ends before its time: it hangs nobody, and what it sent is believed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from config.clock import FakeClock
from config.ranges import SeqSet
from config.wire import Receipt
from edge.delivery.outbox import WINDOW_EVENTS, Outbox
from tests.events import motion, wait_until

BIG = 10**9


def test_a_process_that_fails_before_it_closes_its_outbox_ends_all_the_same(
    tmp_path: Path,
) -> None:
    """A metrics port that is taken must end the node in words, not leave it there for ever."""
    story = (
        "import sys; from pathlib import Path; from config.clock import SystemClock; "
        "from edge.delivery.outbox import Outbox; "
        "Outbox.open(Path(sys.argv[1]), node='n', clock=SystemClock(), budget_bytes=10**6); "
        "sys.exit(2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", story, str(tmp_path / "outbox.db")], timeout=60, check=False
    )
    assert done.returncode == 2


def test_a_node_killed_with_a_long_backlog_believes_the_receipts_after_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    path, backlog = tmp_path / "outbox.db", WINDOW_EVENTS + 500
    before = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    for waiting in [before.submit(motion()) for _ in range(backlog)]:
        waiting.result()
    before.reconnected()
    live = before.append(motion())
    first = before.take()
    assert first is not None
    assert first.seqs == (live,)
    before.close()  # killed: no commit has written down that the live one was published
    after = Outbox.open(path, node="node-1", clock=clock, budget_bytes=BIG)
    try:
        after.reconnected()
        stored = SeqSet().including(first.seqs)
        while (taken := after.take()) is not None:
            stored = stored.including(taken.seqs)
            after.receive(
                Receipt(node="node-1", epoch=after.epoch, acked_upto=stored.upto, also=stored.also)
            )
        assert stored == SeqSet(live), "everything was published"
        wait_until(lambda: after.pending() == 0, what="an empty outbox")
    finally:
        after.close()
