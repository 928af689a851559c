"""The tracker alone: who is who from picture to picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.events.tracker import PATH_POINTS, ObjectClass, Sighting, Tracker

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def plate(x: float, y: float = 0.5, text: str = "", sure: float = 0.9) -> Sighting:
    return Sighting(ObjectClass.PLATE, (x, y, 0.06, 0.03), 0.9, text, sure if text else 0.0)


share = st.floats(0, 0.9)
sighting = st.builds(
    Sighting,
    object_class=st.sampled_from(ObjectClass),
    box=st.tuples(share, share, st.floats(0.001, 0.5), st.floats(0.001, 0.5)),
    score=st.floats(0, 1),
    text=st.sampled_from(["", "京A12345", "京A12346", "沪B99999", "?"]),
    text_confidence=st.floats(0, 1),
)


@given(st.lists(st.tuples(st.floats(-1, 5), st.lists(sighting, max_size=6)), max_size=25))
def test_every_sighting_gets_one_track_and_no_track_two(
    pictures: list[tuple[float, list[Sighting]]],
) -> None:
    tracker, now = Tracker(), 0.0
    for step, sightings in pictures:
        now += step
        result = tracker.update(at(now), sightings)
        assert [item for _, item in result.seen] == sightings
        numbers = [track.number for track, _ in result.seen]
        assert len(set(numbers)) == len(numbers)
        assert not set(numbers) & {track.number for track in result.lost}
        for track in tracker.tracks:
            assert track.first_seen <= track.last_seen
            assert len(track.path) <= PATH_POINTS
        assert all(track.object_class is item.object_class for track, item in result.seen)


def test_a_plate_that_jumps_several_widths_between_pictures_is_one() -> None:
    tracker = Tracker()
    numbers = {
        tracker.update(at(i * 0.2), [plate(0.05 + 0.15 * i)]).seen[0][0].number for i in range(6)
    }
    assert len(numbers) == 1


def test_two_cars_bumper_to_bumper_stay_two_by_their_texts() -> None:
    tracker = Tracker()
    tracker.update(at(0), [plate(0.5, text="京A12345"), plate(0.6, text="沪B99999")])
    step = tracker.update(at(0.2), [plate(0.6, text="京A12345"), plate(0.7, text="沪B99999")])
    assert [track.number for track, _ in step.seen] == [1, 2]


def test_a_distant_plate_that_reads_as_another_in_each_picture_is_one() -> None:
    tracker = Tracker()
    texts = (("晋AHM9673", 0.65), ("鲁WHY9673", 0.87), ("晋WHY9673", 0.96))
    numbers = {
        tracker.update(at(i * 0.17), [plate(0.5 + 0.01 * i, text=text, sure=sure)])
        .seen[0][0]
        .number
        for i, (text, sure) in enumerate(texts)
    }
    assert len(numbers) == 1


def test_where_one_car_was_a_moment_ago_another_sure_text_is_another_car() -> None:
    tracker = Tracker()
    tracker.update(at(0), [plate(0.5, text="京A12345", sure=0.97)])
    step = tracker.update(at(0.2), [plate(0.5, text="沪B99999", sure=0.97)])
    assert step.seen[0][0].number == 2
    later = tracker.update(at(0.8), [plate(0.5, text="苏C77777", sure=0.7)])
    assert later.seen[0][0].number == 3, "after a while it need not even be very sure"


def test_an_object_is_lost_only_by_time_that_was_looked_at() -> None:
    tracker = Tracker()
    tracker.update(at(0), [plate(0.5)])
    assert not tracker.update(at(3600), []).lost, "nobody looked for an hour"
    lost = [track for i in range(1, 6) for track in tracker.update(at(3600 + 0.2 * i), []).lost]
    assert [track.number for track in lost] == [1]


def test_a_step_back_in_time_breaks_nothing() -> None:
    tracker = Tracker()
    tracker.update(at(10), [plate(0.5)])
    step = tracker.update(at(2), [plate(0.5)])
    assert step.seen[0][0].hits == 2
    assert step.seen[0][0].last_seen == at(10)
