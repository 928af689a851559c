"""Whom a camera may know: its own home's people, under its policy; of anybody else nothing."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from config.clock import FakeClock
from config.errors import UserError
from config.event import Event
from config.ids import uuid7
from config.site import FacePolicy
from edge.delivery.evidence import EvidenceStore
from edge.delivery.outbox import Outbox
from edge.events.pipeline import CameraPipeline
from edge.household.book import TemplateBook
from edge.household.recogniser import Recogniser
from edge.watching.pictures import Scene
from models.planes import Picture
from models.types import Detections, FaceDetection
from tests.edge.household.test_book import order, vault_of, vector

CAMERA = "door"
MARKS = np.array([[140, 120], [180, 120], [160, 145], [145, 165], [175, 165]], np.float32)


class Eyes:
    """A network whose answer the test chooses; it remembers only whether a vector still lives."""

    model = "a-network"

    def __init__(self) -> None:
        self.sees = vector(0)
        self.alive: list[weakref.ref[NDArray[np.float32]]] = []
        self.closed = 0

    def vector(self, picture: Picture, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        made = self.sees.copy()
        self.alive.append(weakref.ref(made))
        return made

    def close(self) -> None:
        self.closed += 1


class Door:
    """A home's camera with the real pipeline, outbox and evidence of its node."""

    def __init__(self, folder: Path, clock: FakeClock, policy: FacePolicy) -> None:
        self.folder, self.clock = folder, clock
        self.eyes = Eyes()
        self.book = TemplateBook(vault_of(folder), clock)
        self.recogniser = Recogniser(self.book, lambda: self.eyes)
        self.outbox = Outbox.open(
            folder / "outbox.sqlite", node="node-home", clock=clock, budget_bytes=10**7
        )
        self.events: list[Event] = []
        self.pipeline = CameraPipeline(
            node="node-home", camera=CAMERA, emit=self._emit, face=policy,
            evidence=EvidenceStore(folder / "evidence", 10**8, clock=clock),
            faces=self.recogniser,
        )  # fmt: skip

    def _emit(self, event: Event) -> None:
        self.outbox.append(event)
        self.events.append(event)

    def somebody(self, seconds: float = 2.0, quality: float = 0.8) -> None:
        """Somebody stands there; ten pictures a second."""
        image = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
        face = FaceDetection(np.array([120, 90, 80, 100], np.float32), MARKS, 0.9, quality)
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)
            scene = Scene(image, self.clock.now())
            self.pipeline.feed(scene, Detections(faces=(face,)), ())

    def close(self) -> None:
        self.outbox.close()


@pytest.fixture
def door(tmp_path: Path, clock: FakeClock) -> Iterator[Door]:
    made = Door(tmp_path, clock, FacePolicy.HOUSEHOLD)
    yield made
    made.close()


def test_an_enrolled_person_is_named_by_their_member_id(door: Door, clock: FakeClock) -> None:
    father = order(clock)
    door.book.learn(father, vector(0), model=Eyes.model)
    door.somebody()
    assert [event.face.member for event in door.events if event.face] == [father.member]


def test_of_a_stranger_nothing_is_left_anywhere(
    door: Door, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    door.eyes.sees = vector(7)
    door.somebody()
    (event,) = door.events
    assert event.face is not None
    assert event.face.member is None
    assert door.eyes.alive, "the stranger was compared"
    assert all(ref() is None for ref in door.eyes.alive), "and the vector is gone at once"
    door.pipeline.finish(clock.now())
    logs = capsys.readouterr()
    everything = b"".join(p.read_bytes() for p in door.folder.rglob("*") if p.is_file())
    everything += (logs.out + logs.err).encode()
    everything += b"".join(event.model_dump_json().encode() for event in door.events)
    for form in traces_of(vector(7)):
        assert form not in everything


def traces_of(vector: NDArray[np.float32]) -> list[bytes]:
    """How a vector, or a part of it, would look on a disk, in a message or in a log."""
    plain, wide = vector.tobytes(), vector.astype(np.float64).tobytes()
    texts = [json.dumps(float(value))[:9].encode() for value in vector[:8]]
    return [*(plain[i : i + 16] for i in range(0, 1024, 64)), wide[:16], *texts]


def test_the_search_for_traces_finds_one(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(str(vector(7).tolist()))
    assert any(trace in (tmp_path / "log").read_bytes() for trace in traces_of(vector(7)))


@pytest.mark.parametrize("policy", [FacePolicy.OFF, FacePolicy.DETECT, FacePolicy.WATCH])
def test_no_other_policy_ever_asks_who_somebody_is(
    tmp_path: Path, clock: FakeClock, policy: FacePolicy
) -> None:
    door = Door(tmp_path, clock, policy)
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    door.somebody()
    assert door.eyes.alive == []
    assert all(event.face and event.face.member is None for event in door.events)
    door.close()


def test_another_homes_people_on_the_same_node_are_strangers(door: Door, clock: FakeClock) -> None:
    door.book.learn(order(clock, camera="other-door"), vector(0), model=Eyes.model)
    door.somebody()
    assert [event.face.member for event in door.events if event.face] == [None]
    assert door.eyes.alive == [], "nobody to compare with: no vector is made"


def test_while_nobody_is_enrolled_no_network_is_loaded(tmp_path: Path, clock: FakeClock) -> None:
    def open_identity() -> Eyes:
        raise AssertionError("loaded")

    book = TemplateBook(vault_of(tmp_path), clock)
    recogniser = Recogniser(book, open_identity)
    image = np.zeros((240, 320, 3), np.uint8)
    assert recogniser.who(CAMERA, image, MARKS) is None


def test_the_network_is_freed_with_the_last_person(door: Door, clock: FakeClock) -> None:
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    door.somebody(0.5)
    assert door.eyes.closed == 0
    clock.advance(366 * 86_400)
    assert door.recogniser.who(CAMERA, np.zeros((240, 320, 3), np.uint8), MARKS) is None
    assert door.eyes.closed == 1


def test_a_missing_network_is_told_with_its_remedy_and_events_go_on(
    tmp_path: Path, clock: FakeClock
) -> None:
    def open_identity() -> Eyes:
        raise UserError(where="face", problem="is missing", remedy="menshen models pull it")

    door = Door(tmp_path, clock, FacePolicy.HOUSEHOLD)
    door.recogniser = Recogniser(door.book, open_identity)
    door.pipeline._faces = door.recogniser
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    door.somebody()
    assert [event.face.member for event in door.events if event.face] == [None]
    assert "menshen models pull it" in door.recogniser.problem
    door.close()


def test_a_face_that_is_too_small_is_nobody(door: Door, clock: FakeClock) -> None:
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    image = np.zeros((240, 320, 3), np.uint8)
    assert door.recogniser.who(CAMERA, image, MARKS / 8) is None
    assert door.eyes.alive == []


def test_the_nearest_of_a_family_is_named_and_only_above_the_threshold(
    door: Door, clock: FakeClock
) -> None:
    father, mother = order(clock), order(clock, member=uuid7(clock.now() + timedelta(seconds=1)))
    door.book.learn(father, vector(1), model=Eyes.model)
    door.book.learn(mother, vector(2), model=Eyes.model)
    image = np.zeros((240, 320, 3), np.uint8)
    for share, who in ((0.9, mother.member), (0.52, mother.member), (0.48, None)):
        rest = vector(3) - (vector(3) @ vector(2)) * vector(2)
        rest /= np.linalg.norm(rest)
        door.eyes.sees = (share * vector(2) + np.sqrt(1 - share**2) * rest).astype(np.float32)
        assert door.recogniser.who(CAMERA, image, MARKS) == who


def test_when_the_policy_ends_nobody_is_named_any_more(door: Door, clock: FakeClock) -> None:
    door.book.learn(order(clock), vector(0), model=Eyes.model)
    door.somebody(2)
    assert door.events[-1].face is not None
    assert door.events[-1].face.member is not None
    door.pipeline.retune(face=FacePolicy.DETECT, zones=(), lines=())
    door.somebody(4)
    assert door.events[-1].face.member is None
    assert door.events[-1].visit == door.events[0].visit


def test_a_better_shot_that_knows_somebody_is_told_as_a_revision(
    door: Door, clock: FakeClock
) -> None:
    father = order(clock)
    door.book.learn(father, vector(0), model=Eyes.model)
    door.eyes.sees = vector(7)
    door.somebody(2, quality=0.4)
    door.eyes.sees = vector(0)
    door.somebody(4, quality=0.9)
    members = [event.face.member for event in door.events if event.face]
    assert members[0] is None
    assert members[-1] == father.member
    assert {event.visit for event in door.events} == {door.events[0].visit}
