"""Scripts of detections for tests: what a network would find, told picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from config.event import Event, EventKind
from edge.events.geometry import Box
from edge.events.pipeline import CameraPipeline
from edge.watching.pictures import Scene
from edge.watching.trigger import Glance
from models.plates.grammar import PlateColour, PlateKind
from models.plates.reading import PlateRead
from models.types import Detections, FaceDetection, Image, PlateSighting

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
WIDTH, HEIGHT = 640, 360


def picture(seed: int = 0) -> Image:
    """A noisy picture: uint8 (360,640,3)."""
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def read(text: str, confidence: float = 0.95, kind: PlateKind | None = PlateKind.BLUE) -> PlateRead:
    """One reading of something blue; ``kind`` None: no plate has such a text."""
    return PlateRead(
        text=text,
        raw=text,
        confidence=confidence,
        characters=tuple((c, confidence) for c in text),
        colour=PlateColour.BLUE,
        kind=kind,
        rows=1,
    )


def plate(x: float, text: str | None, confidence: float = 0.95, width: float = 60) -> PlateSighting:
    """A plate whose left top corner is at ``x`` (share), 0.5."""
    left, top = x * WIDTH, 0.5 * HEIGHT
    corners = np.array(
        [[left, top], [left + width, top], [left + width, top + 20], [left, top + 20]], np.float32
    )
    return PlateSighting(corners, 0.9, 1, None if text is None else read(text, confidence))


def face(x: float, quality: float) -> FaceDetection:
    """A face of 40x50 pixels at ``x`` (share), 0.2."""
    box = np.array([x * WIDTH, 0.2 * HEIGHT, 40, 50], np.float32)
    return FaceDetection(box, np.zeros((5, 2), np.float32), 0.9, quality)


def visits(events: Sequence[Event]) -> set[str]:
    """Which visits events are of."""
    return {event.visit for event in events}


class Watch:
    """A camera's pipeline with the events it has sent, fed at five pictures a second."""

    def __init__(self, **options: object) -> None:
        self.sent: list[Event] = []
        self.now = START
        self.times: list[datetime] = []
        self._glances: list[Glance] = []
        self.pipeline = CameraPipeline(
            node="node-a",
            camera="cam-a",
            emit=self.sent.append,
            **{"evidence": None, **options},  # type: ignore[arg-type]
        )

    def show(
        self,
        *,
        plates: Sequence[PlateSighting] = (),
        faces: Sequence[FaceDetection] = (),
        moving: Sequence[Box] = (),
    ) -> None:
        """The next picture."""
        self.now += timedelta(seconds=0.2)
        scene = Scene(picture(), self.now)
        self.times.append(self.now)
        before, self._glances = self._glances, []
        self.pipeline.feed(scene, Detections(tuple(plates), tuple(faces)), moving, before)

    def glance(self, moving: Sequence[Box]) -> None:
        """One thing moves from box to box, and no picture is taken."""
        for box in moving:
            self.now += timedelta(seconds=0.2)
            self._glances.append(Glance(self.now.timestamp(), (box,)))

    def still(self, seconds: float) -> None:
        """Nothing moves, so no picture is analysed; only time passes."""
        for _ in range(int(seconds * 4)):
            self.now += timedelta(seconds=0.25)
            self.pipeline.tick(self.now)

    def empty(self, seconds: float) -> None:
        """Pictures in which nothing is found."""
        for _ in range(int(seconds * 5)):
            self.show()

    def of(self, kind: EventKind) -> list[Event]:
        """Events of one kind, in order."""
        return [event for event in self.sent if event.kind is kind]
