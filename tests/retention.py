"""A centre with retention on a clock that the test moves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select

from config.clock import FakeClock
from config.event import Event, EvidenceRef
from config.ids import uuid7
from config.site import Site
from ingest.engine import reading, writing
from ingest.media import DiskStore
from ingest.retention import proof
from ingest.retention.files import still_stored
from ingest.retention.holds import Hold, Holds, Scope
from ingest.retention.proof import Head
from ingest.retention.sweep import Sweeper
from ingest.schema import events
from ingest.schema import media as media_table
from ingest.store import EventStore
from tests.events import batch_of, motion

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DAY = 86_400.0
HOME, GATE = "home-li-qiang", "east-gate-in"


@dataclass
class RetentionCentre:
    """A store, its files and its retention, on a clock that the test moves."""

    engine: Engine
    site: Site
    clock: FakeClock
    media: DiskStore
    epoch: str = field(default_factory=lambda: uuid7(START))
    seq: int = 0

    def __post_init__(self) -> None:
        self.store = EventStore(self.engine, self.clock)
        self.holds = Holds(self.engine, self.clock)
        self.sweeper = self.new_sweeper()

    def new_sweeper(self) -> Sweeper:
        return Sweeper(self.engine, self.site, self.clock, store=self.media)

    def see(
        self, camera: str = GATE, *, pictures: tuple[bytes, ...] = (), ago_s: float = 0.0
    ) -> Event:
        """An event with pictures, captured ``ago_s`` before it is stored now."""
        captured = self.clock.now() - timedelta(seconds=ago_s)
        event = motion(camera=camera, evidence=tuple(self.keep(data) for data in pictures))
        event = event.model_copy(
            update={"id": uuid7(captured), "captured_at": captured, "started_at": captured}
        )
        self.seq += 1
        self.store.insert(batch_of([(self.seq, event)], epoch=self.epoch))
        return event

    def keep(self, data: bytes) -> EvidenceRef:
        """A picture as an uploaded file with its row."""
        sha256 = hashlib.sha256(jpeg(data)).hexdigest()
        with self.media.begin(sha256) as upload:
            upload.write(jpeg(data))
            stored = upload.finish(declared=None)
        with writing(self.engine) as connection:
            connection.execute(delete(media_table).where(media_table.c.sha256 == sha256))
            connection.execute(
                media_table.insert().values(
                    sha256=sha256,
                    media_type="image/jpeg",
                    size_bytes=stored.size_bytes,
                    node="node-1",
                    received_at=self.clock.now(),
                )
            )
        return EvidenceRef(
            sha256=sha256, media_type="image/jpeg", size_bytes=stored.size_bytes, role="crop"
        )

    def days(self, count: float) -> None:
        self.clock.advance(count * DAY)

    def ids(self) -> set[str]:
        with reading(self.engine) as connection:
            return set(connection.execute(select(events.c.id)).scalars())

    def files(self) -> set[str]:
        return {item.file.sha256 for item in self.media.walk()}

    def rows(self, table: object) -> int:
        with reading(self.engine) as connection:
            counted = select(func.count()).select_from(table)  # type: ignore[arg-type]
            return int(connection.execute(counted).scalar_one())

    def verdict(self, checkpoint: Head | None = None) -> proof.Verdict:
        def there(connection, names, _):  # type: ignore[no-untyped-def]
            found = select(events.c.id).where(events.c.id.in_(names))
            return frozenset(connection.execute(found).scalars())

        looks = {"event": there, "media": still_stored(self.media)}
        return proof.verify(self.engine, looks, checkpoint)


def jpeg(data: bytes) -> bytes:
    return b"\xff\xd8\xff\xe0" + data.ljust(20, b".")


def hold(
    centre: RetentionCentre, *, camera: str = GATE, days: float = 60, owner: str = "police-desk"
) -> Hold:
    now = centre.clock.now()
    return centre.holds.ask(
        Scope(camera=camera, first_at=now - timedelta(days=90), last_at=now + timedelta(seconds=1)),
        owner="police-desk",
        case_number="A-2026-17",
        reason="theft at the gate",
        ends_at=now + timedelta(days=days),
    )
