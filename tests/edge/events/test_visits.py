"""Stories of visits: one event per object and visit, told early, told better, ended."""

from __future__ import annotations

import numpy as np
import pytest

from config.event import EventKind
from config.site import FacePolicy, Line, Zone
from edge.events.geometry import Box
from tests.edge.scripted import Watch, face, plate, visits

CAR: Box = (0.3, 0.3, 0.3, 0.4)


def drive_past(watch: Watch, text: str = "京A12345", pictures: int = 12) -> None:
    for i in range(pictures):
        x = 0.1 + 0.05 * i
        watch.show(plates=[plate(x, text)], moving=[(x - 0.05, 0.3, 0.25, 0.4)])


def test_a_car_driving_past_is_one_plate_event_and_no_motion_event() -> None:
    watch = Watch()
    drive_past(watch)
    watch.empty(3)
    watch.still(6)
    told = watch.of(EventKind.PLATE)
    assert watch.of(EventKind.MOTION) == []
    assert len(visits(told)) == 1
    assert told[0].revision == 0
    assert told[0].plate is not None
    assert told[0].plate.text == "京A12345"
    assert [event.revision for event in told] == list(range(len(told)))
    assert len({event.id for event in told}) == len(told)
    last = told[-1]
    assert last.ended_at is not None
    assert last.plate is not None
    assert last.plate.reads == 12
    assert len(last.path) == 12
    assert watch.pipeline.events == {EventKind.PLATE: 1}


def test_a_busy_machine_that_looks_at_two_pictures_of_it_tells_of_it_all_the_same() -> None:
    watch = Watch()
    watch.show(moving=[(0.1, 0.3, 0.25, 0.4)])
    watch.glance([(0.1 + 0.05 * step, 0.3, 0.25, 0.4) for step in range(1, 6)])
    watch.show(moving=[(0.4, 0.3, 0.25, 0.4)])
    watch.still(9)
    (told,) = watch.of(EventKind.MOTION)
    assert told.captured_at in (watch.times[0], watch.times[1]), "its picture is one of the two"
    assert len(told.path) == 7


def test_a_plate_is_not_gone_because_only_motion_was_watched() -> None:
    watch = Watch()
    for _ in range(5):
        watch.show(plates=[plate(0.4, "京A12345")], moving=[CAR])
    watch.glance([CAR] * 20)
    for _ in range(5):
        watch.show(plates=[plate(0.4, "京A12345")], moving=[CAR])
    watch.empty(8)
    assert len(visits(watch.of(EventKind.PLATE))) == 1
    assert watch.of(EventKind.MOTION) == []


def test_a_plate_that_stays_unreadable_is_not_looked_at_ever_faster() -> None:
    watch = Watch()
    usual = watch.pipeline.appetite_s()
    for _ in range(8):
        watch.show(plates=[plate(0.4, "京A1?345", 0.4)], moving=[CAR])
    assert watch.pipeline.appetite_s() < usual, "it may yet be read"
    for _ in range(12):
        watch.show(plates=[plate(0.4, "京A1?345", 0.4)], moving=[CAR])
    assert watch.pipeline.appetite_s() > usual, "it is told, and no better for seconds"
    watch.show(plates=[plate(0.4, "京A1?345", 0.6, width=120)], moving=[CAR])
    assert watch.pipeline.appetite_s() < usual, "it comes nearer"


def test_it_is_told_while_the_car_is_still_there() -> None:
    watch = Watch()
    drive_past(watch, pictures=4)
    assert [event.revision for event in watch.of(EventKind.PLATE)] == [0]


def test_a_parked_car_is_one_event_however_often_something_else_moves() -> None:
    watch = Watch()
    for _ in range(10):
        watch.show(plates=[plate(0.4, "京A12345")], moving=[CAR])
    for _ in range(5):
        watch.still(600)
        for i in range(10):
            watch.show(plates=[plate(0.4, "京A12345")], moving=[(0.05 * i, 0.1, 0.05, 0.1)])
    assert len(visits(watch.of(EventKind.PLATE))) == 1
    assert all(event.ended_at is None for event in watch.of(EventKind.PLATE))


def test_a_car_that_leaves_and_returns_is_two_events() -> None:
    watch = Watch()
    for _ in range(2):
        drive_past(watch)
        watch.empty(8)
    told = watch.of(EventKind.PLATE)
    assert len(visits(told)) == 2
    assert sum(event.ended_at is not None for event in told) == 2


def test_a_pole_that_hides_the_plate_for_a_moment_makes_no_second_visit() -> None:
    watch = Watch()
    for i in range(5):
        watch.show(plates=[plate(0.1 + 0.02 * i, "京A12345")])
    watch.empty(2)
    for i in range(5):
        watch.show(plates=[plate(0.7 + 0.02 * i, "京A12345")])
    watch.still(6)
    assert len(visits(watch.of(EventKind.PLATE))) == 1


def test_two_cars_at_once_are_two_events() -> None:
    watch = Watch()
    for i in range(8):
        x = 0.05 * i
        watch.show(plates=[plate(x, "京A12345"), plate(x + 0.4, "沪B99999")])
    watch.empty(7)
    texts = {event.plate.text for event in watch.of(EventKind.PLATE) if event.plate}
    assert texts == {"京A12345", "沪B99999"}
    assert len(visits(watch.of(EventKind.PLATE))) == 2


@pytest.mark.parametrize("turn", [1, -1], ids=["in one order", "in the other"])
def test_two_cars_of_a_fleet_whose_plates_differ_in_one_character_are_two(turn: int) -> None:
    watch = Watch()
    for i in range(8):
        watch.show(plates=[plate(0.1 + 0.01 * i, "京A12345", 0.8)])
    for i in range(8):
        first, second = (
            plate(0.18 + 0.01 * i, "京A12345", 0.8),
            plate(0.6 + 0.01 * i, "京A12346", 0.8),
        )
        watch.show(plates=[first, second][::turn])
    watch.empty(8)
    told = watch.of(EventKind.PLATE)
    assert len(visits(told)) == 2
    assert {(event.visit, event.plate.text) for event in told if event.plate} == {
        (told[0].visit, "京A12345"),
        (told[-1].visit, "京A12346"),
    }


def test_a_sure_plate_that_follows_one_of_nearly_the_same_text_is_another() -> None:
    watch = Watch()
    for text in ("京A12345", "京A12346"):
        for i in range(10):
            watch.show(plates=[plate(0.05 + 0.08 * i, text, 0.97)])
        watch.empty(1.6)
    watch.empty(8)
    told = watch.of(EventKind.PLATE)
    assert len(visits(told)) == 2
    assert {event.plate.text for event in told if event.plate} == {"京A12345", "京A12346"}


def test_a_better_read_later_is_a_revision_of_the_same_visit() -> None:
    watch = Watch()
    for i in range(10):
        watch.show(plates=[plate(0.1 + 0.01 * i, "京A1?345", 0.4, width=30)])
    first = watch.of(EventKind.PLATE)[-1]
    for i in range(20):
        watch.show(plates=[plate(0.2 + 0.01 * i, "京A12345", 0.97, width=120)])
    told = watch.of(EventKind.PLATE)
    assert first.plate is not None
    assert first.plate.text == "京A1?345"
    assert len(visits(told)) == 1
    assert told[-1].revision > first.revision
    assert told[-1].plate is not None
    assert told[-1].plate.text == "京A12345"
    assert told[-1].captured_at > first.captured_at, "the best shot is the large sure one"


def test_something_without_a_plate_is_one_motion_event() -> None:
    watch = Watch()
    for i in range(10):
        watch.show(moving=[(0.1 + 0.03 * i, 0.3, 0.1, 0.3)])
    watch.still(8)
    told = watch.of(EventKind.MOTION)
    assert [event.revision for event in told] == [0]
    assert told[0].ended_at is not None


def test_an_insect_before_the_lens_is_no_motion_event() -> None:
    watch = Watch()
    for x, y in ((0.4, 0.5), (0.46, 0.42), (0.5, 0.5), (0.41, 0.55), (0.45, 0.6), (0.5, 0.6)):
        watch.show(moving=[(x, y, 0.07, 0.12)])
    watch.empty(3)
    watch.still(8)
    assert watch.of(EventKind.MOTION) == []


@pytest.mark.parametrize(
    ("first", "pictures", "size"),
    [(0.0, 7, (0.07, 0.12)), (0.4, 14, (0.07, 0.12)), (0.4, 7, (0.12, 0.3))],
    ids=["in over the border", "for longer", "larger"],
)
def test_what_insects_do_not_do_is_told(
    first: float, pictures: int, size: tuple[float, float]
) -> None:
    watch = Watch()
    for i in range(pictures):
        watch.show(moving=[(first + 0.02 * i, 0.5, *size)])
    watch.empty(3)
    watch.still(8)
    assert len(watch.of(EventKind.MOTION)) == 1


def test_a_long_mover_is_told_before_it_ends() -> None:
    watch = Watch()
    for i in range(30):
        watch.show(moving=[(0.01 * i, 0.3, 0.1, 0.3)])
    assert len(watch.of(EventKind.MOTION)) == 1
    watch.still(8)
    assert len(visits(watch.of(EventKind.MOTION))) == 1
    assert watch.sent[-1].ended_at is not None


def test_a_plate_that_nobody_can_read_still_gives_a_motion_event() -> None:
    watch = Watch()
    for i in range(10):
        x = 0.1 + 0.03 * i
        watch.show(plates=[plate(x, None)], moving=[(x - 0.05, 0.3, 0.25, 0.4)])
    watch.empty(2)
    watch.still(8)
    assert watch.of(EventKind.PLATE) == []
    assert len(visits(watch.of(EventKind.MOTION))) == 1


def test_a_thing_that_splits_into_pieces_is_one_motion_event() -> None:
    watch = Watch()
    for i in range(20):
        x = 0.1 + 0.02 * i
        whole = [(x, 0.3, 0.3, 0.3)]
        pieces = [(x, 0.3, 0.14, 0.3), (x + 0.15, 0.32, 0.12, 0.25), (x + 0.1, 0.6, 0.1, 0.05)]
        watch.show(moving=pieces if i % 4 in (1, 2) else whole)
    watch.empty(3)
    watch.still(8)
    assert len(visits(watch.of(EventKind.MOTION))) == 1


def test_somebody_who_leaves_a_car_is_an_event_of_their_own() -> None:
    watch = Watch()
    for i in range(5):
        watch.show(moving=[(0.05 * i, 0.3, 0.3, 0.3)])
    for i in range(20):
        watch.show(moving=[(0.2, 0.3, 0.3, 0.3), (0.48 + 0.02 * i, 0.3, 0.05, 0.25)])
    watch.empty(3)
    watch.still(8)
    assert len(visits(watch.of(EventKind.MOTION))) == 2


def test_pieces_of_a_car_with_a_plate_are_no_motion_events() -> None:
    watch = Watch()
    for i in range(14):
        x = 0.1 + 0.03 * i
        pieces = [(x, 0.2, 0.2, 0.25), (x - 0.02, 0.55, 0.25, 0.12)]
        watch.show(plates=[plate(x + 0.05, "京A12345")], moving=pieces)
    watch.empty(3)
    watch.still(8)
    assert watch.of(EventKind.MOTION) == []
    assert len(visits(watch.of(EventKind.PLATE))) == 1


def test_a_plate_cut_by_the_border_changes_nothing_that_was_read_before() -> None:
    watch = Watch()
    for i in range(8):
        watch.show(plates=[plate(0.5 + 0.05 * i, "京A12345", 0.9)])
    for _ in range(20):
        watch.show(plates=[plate(0.91, "京A1234", 0.99, width=57)])
    watch.empty(8)
    told = watch.of(EventKind.PLATE)[-1]
    assert told.plate is not None
    assert told.plate.text == "京A12345"
    assert told.box is not None
    assert told.box[0] + told.box[2] < 0.99


def test_more_pictures_are_wanted_of_what_is_not_sure_and_fewer_of_what_is() -> None:
    watch = Watch()
    watch.show(moving=[CAR])
    usual = watch.pipeline.appetite_s()
    for _ in range(3):
        watch.show(plates=[plate(0.4, "京A12345", 0.5)], moving=[CAR])
    assert watch.pipeline.appetite_s() < usual
    for _ in range(10):
        watch.show(plates=[plate(0.4, "京A12345", 0.97)], moving=[CAR])
    assert watch.pipeline.appetite_s() > usual
    watch.show(plates=[plate(0.4, "京A12345", 0.97)], moving=[CAR, (0.8, 0.1, 0.1, 0.2)])
    assert watch.pipeline.appetite_s() == usual, "somebody else comes"


def test_a_face_is_told_once_with_its_best_shot() -> None:
    watch = Watch()
    for i, quality in enumerate([0.2, 0.3, 0.8, 0.5, 0.3, 0.3, 0.3]):
        watch.show(faces=[face(0.4 + 0.01 * i, quality)])
    watch.empty(3)
    told = watch.of(EventKind.FACE)
    assert len(visits(told)) == 1
    assert told[0].face is not None
    assert told[0].face.quality == pytest.approx(0.8)
    assert told[0].face.height_px == 50
    assert told[0].thumbnail is not None
    assert len(told[0].thumbnail) <= 20_000


@pytest.mark.parametrize(("away_s", "people"), [(20, 1), (120, 2)])
def test_a_face_after_a_camera_was_off_for_long_is_somebody_elses(away_s: int, people: int) -> None:
    watch = Watch()
    for _ in range(8):
        watch.show(faces=[face(0.4, 0.8)])
    watch.still(away_s)
    for _ in range(8):
        watch.show(faces=[face(0.42, 0.6)])
    watch.empty(3)
    told = watch.of(EventKind.FACE)
    assert len(visits(told)) == people
    assert sum(event.ended_at is not None for event in told) == people


def test_where_faces_are_off_no_face_leaves_the_pipeline() -> None:
    watch = Watch(face=FacePolicy.OFF)
    for i in range(10):
        watch.show(faces=[face(0.4 + 0.01 * i, 0.9)])
    watch.empty(3)
    assert watch.of(EventKind.FACE) == []


def test_zones_lines_and_loitering_are_each_told_once() -> None:
    yard = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    watch = Watch(
        zones=[Zone(id="yard", polygon=yard), Zone(id="gate", polygon=yard, loiter_seconds=3)],
        lines=[Line(id="kerb", start=(0.4, 1.0), end=(0.4, 0.0), direction="left_to_right")],
    )
    for i in range(12):
        watch.show(moving=[(0.05 * i, 0.3, 0.1, 0.3)])
    for _ in range(20):
        watch.show(moving=[(0.55, 0.3, 0.1, 0.3)])
    found = [(e.kind, e.zone) for e in watch.sent if e.zone is not None]
    assert found == [
        (EventKind.LINE, "kerb"),
        (EventKind.ZONE, "yard"),
        (EventKind.LOITER, "gate"),
    ]


def test_when_the_node_stops_open_visits_are_ended_not_forgotten() -> None:
    watch = Watch()
    for _ in range(3):
        watch.show(plates=[plate(0.4, "京A12345", 0.6)], moving=[CAR])
    assert watch.sent == []
    watch.pipeline.finish(watch.now)
    assert [event.kind for event in watch.sent] == [EventKind.PLATE]
    assert watch.sent[0].ended_at == watch.now


def test_detections_outside_the_picture_are_clipped() -> None:
    watch = Watch()
    outside = face(0.98, 0.9)
    outside.box[:] = np.array([630, -20, 80, 90], np.float32)
    gone = face(0.5, 0.9)
    gone.box[:] = np.array([900, 900, 10, 10], np.float32)
    for _ in range(8):
        watch.show(faces=[outside, gone])
    told = watch.of(EventKind.FACE)
    assert len(visits(told)) == 1
    assert told[0].box is not None
    assert told[0].box[0] + told[0].box[2] <= 1.0


def test_motion_alone_is_told_in_its_hours_only_and_all_else_at_any_time() -> None:
    for hours, told in ((None, 1), ((), 0)):
        watch = Watch(motion=hours)
        for step in range(30):
            box = (0.02 * step, 0.4, 0.2, 0.2)
            watch.show(moving=[box])
        watch.empty(3)
        assert len(watch.of(EventKind.MOTION)) >= told
        assert bool(watch.of(EventKind.MOTION)) is bool(told)
    watch = Watch(motion=())
    for step in range(20):
        watch.show(plates=[plate(0.02 * step, "冀A12345")], moving=[(0.02 * step, 0.4, 0.2, 0.2)])
    watch.empty(6)
    assert watch.of(EventKind.PLATE)
