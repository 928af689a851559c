"""The journal of a centre whose disk is full, or whose reader has gone: alerts go on."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

from alerts.deciding.router import Router
from alerts.journal import Journal
from alerts.store.applying import AlertStore
from alerts.timers import Timers
from config.site import Site
from tests.alerts.county import county_at, sqlite_url


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    is_full = True

    def flush(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_journal_that_cannot_be_written_holds_up_no_alert(
    tmp_path: Path, example_site: Site
) -> None:
    with county_at(sqlite_url(tmp_path), example_site) as county:
        disk = Disk()
        journal = Journal(disk, county.clock)
        store = AlertStore(county.engine, example_site, county.clock, listener=journal.changes)
        county.router = Router(
            county.engine, example_site, county.clock, store=store, journal=journal
        )
        county.timers = Timers(county.engine, county.clock, store=store)
        county.arrive(*[county.plate(f"冀A{number:05d}") for number in range(3)])
        assert county.router.run_once() == 3, "a batch, and not one by one"
        assert county.wait(301) == 3, "all of them climb"
        disk.is_full = False
        written = len(disk.getvalue().splitlines())
        assert county.wait(301) == 3
        lines = [json.loads(line) for line in disk.getvalue().splitlines()[written:]]
        assert [line["what"] for line in lines] == ["escalated"] * 3
        disk.is_full = True
        journal.close()
