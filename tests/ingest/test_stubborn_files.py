"""A file of evidence that its disk does not give up holds up no other deletion."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from config.clock import FakeClock
from config.site import Site
from ingest.media import DiskStore
from ingest.media.base import ListedMedia
from tests.retention import GATE, START, RetentionCentre


class StubbornStore(DiskStore):
    """A disk with one file that cannot be removed, and that perhaps cannot be listed."""

    stubborn = ""
    is_listed = True

    def remove(self, sha256: str) -> bool:
        if sha256 == self.stubborn:
            raise OSError(errno.EIO, "Input/output error")
        return super().remove(sha256)

    def walk(self) -> Iterator[ListedMedia]:
        if not self.is_listed:
            raise OSError(errno.EIO, "Input/output error")
        yield from super().walk()


@pytest.mark.parametrize("is_listed", [True, False])
def test_one_file_that_stays_keeps_nothing_else(
    engine: Engine, example_site: Site, tmp_path: Path, is_listed: bool
) -> None:
    media = StubbornStore(tmp_path / "media")
    centre = RetentionCentre(engine, example_site, FakeClock(START), media)
    first, second = centre.see(pictures=(b"1",)), centre.see(pictures=(b"2",))
    names = sorted(event.evidence[0].sha256 for event in (first, second))
    media.stubborn = names[0]
    centre.days(31.5)
    media.is_listed = is_listed
    centre.sweeper.run()
    later = centre.see(GATE)
    assert centre.ids() == {later.id}
    centre.days(31.5)
    centre.sweeper.run()
    assert centre.ids() == set(), "nor does the order that waits"
    media.is_listed = True
    assert centre.files() == {names[0]}
    media.stubborn = ""
    assert centre.sweeper.run().files == 1
    assert centre.files() == set()
