"""What only seems to be there is no visit: writing, windscreens, flickers, what never moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from config.event import EventKind
from edge.events.geometry import Box
from tests.edge.scripted import Watch, plate, read, visits


@pytest.mark.parametrize(
    ("box", "is_told"),
    [
        ((0.96, 0.88, 0.04, 0.12), False),
        ((0.5, 0.5, 0.04, 0.12), True),
        ((0.9, 0.7, 0.1, 0.3), True),
    ],
    ids=["a sliver over the border", "small, but whole", "cut off, but large"],
)
def test_what_nobody_could_make_out_is_no_visit(box: Box, is_told: bool) -> None:
    watch = Watch()
    x, y, width, height = box
    for i in range(12):
        watch.show(moving=[(x, y - 0.02 * i, width, height)])
    watch.empty(8)
    assert bool(watch.of(EventKind.MOTION)) is is_told


def test_what_has_never_been_anywhere_else_is_no_motion_event() -> None:
    watch = Watch()
    for i in range(30):
        watch.show(moving=[(0.5 + 0.005 * (i % 2), 0.5, 0.08, 0.11)])
    watch.empty(8)
    assert watch.of(EventKind.MOTION) == []


def test_somebody_who_stands_and_then_goes_is_told_as_they_go() -> None:
    watch = Watch()
    for _ in range(20):
        watch.show(moving=[(0.5, 0.5, 0.08, 0.3)])
    assert watch.of(EventKind.MOTION) == []
    for i in range(12):
        watch.show(moving=[(0.5 + 0.03 * i, 0.5, 0.08, 0.3)])
    watch.empty(8)
    told = watch.of(EventKind.MOTION)
    assert len(visits(told)) == 1
    assert told[0].started_at == watch.times[0]


def test_what_the_camera_writes_over_the_picture_is_no_plate() -> None:
    watch = Watch()
    name = replace(plate(0.8, None), read=read("宁7XHH警", 0.6, kind=None))
    for i in range(10):
        watch.show(plates=[name], moving=[(0.1 + 0.06 * i, 0.3, 0.25, 0.4)])
    watch.empty(8)
    assert watch.of(EventKind.PLATE) == []
    assert len(visits(watch.of(EventKind.MOTION))) == 1, "what drove past is told as what it is"


def test_a_plate_of_no_known_kind_is_told_as_soon_as_it_moves() -> None:
    watch = Watch()
    told = []
    for i in range(16):
        x = 0.1 + 0.04 * max(0, i - 7)
        watch.show(plates=[replace(plate(x, None), read=read("KA7XHH1", 0.6, kind=None))])
        told.append(len(watch.of(EventKind.PLATE)))
    assert told[7] == 0
    assert told[9] == 1


def test_a_plate_of_no_known_kind_that_only_comes_nearer_is_told() -> None:
    watch = Watch()
    for i in range(10):
        width = 40 + 6 * i
        x = 0.5 - width / 2 / 640
        watch.show(
            plates=[replace(plate(x, None, width=width), read=read("KA7XHH1", 0.6, kind=None))]
        )
    assert len(visits(watch.of(EventKind.PLATE))) == 1


@pytest.mark.parametrize(("sure", "is_told"), [(3, False), (5, True)])
def test_a_plate_with_a_character_hidden_by_dirt_is_told_and_a_windscreen_is_not(
    sure: int, is_told: bool
) -> None:
    watch = Watch()
    characters = tuple((c, 0.9 if i < sure else 0.15) for i, c in enumerate("京A12345"))
    dirty = replace(read("京A12345", 0.15), characters=characters)
    for i in range(8):
        watch.show(plates=[replace(plate(0.1 + 0.04 * i, None), read=dirty)])
    watch.empty(8)
    assert bool(watch.of(EventKind.PLATE)) is is_told


@pytest.mark.parametrize(
    ("text", "above", "is_told"),
    [("辽7170", True, False), ("辽7170", False, True), ("京B54321", True, True)],
    ids=["on the car with a sure plate", "on another", "a plate as others are"],
)
def test_a_car_has_no_second_plate_in_its_windscreen(text: str, above: bool, is_told: bool) -> None:
    watch = Watch()
    kind = {} if text == "京B54321" else {"kind": None}
    for i in range(14):
        x = 0.1 + 0.03 * i
        glass = plate(x if above else 0.7 + 0.015 * i, None, width=60 if above else 25)
        higher = glass.corners - np.array([0, 72], np.float32)
        glass = replace(glass, corners=higher, read=read(text, 0.6, **kind))
        car = (x - 0.1, 0.2, 0.3, 0.5)
        watch.show(plates=[plate(x, "京A12345", 0.98), *([glass] if i > 6 else [])], moving=[car])
    watch.empty(8)
    told = {event.plate.text for event in watch.of(EventKind.PLATE) if event.plate}
    assert told == ({"京A12345", text} if is_told else {"京A12345"})


def test_a_flicker_is_no_event() -> None:
    watch = Watch()
    watch.show(moving=[(0.3, 0.3, 0.3, 0.4)], plates=[plate(0.5, "京A12345", 0.3)])
    watch.empty(3)
    watch.still(10)
    assert watch.sent == []
