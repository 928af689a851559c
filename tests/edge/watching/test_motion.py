"""Motion: sees what moves, and neither noise nor light."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from edge.watching.motion import Motion, MotionDetector


class Yard:
    """A noisy grey yard of 320x180 pixels at ten pictures a second."""

    def __init__(self, noise: float = 4.0, seed: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.noise = noise
        self.lit_rows = 70
        """Of a lorry, from the top."""
        ground = np.kron(self.random.integers(60, 160, (9, 16)), np.ones((20, 20)))
        self.ground = np.asarray(ground, dtype=np.float64)
        self.detector = MotionDetector()
        self.at_s = 1000.0

    def show(
        self, car_x: int | None = None, light: float = 0.0, lorry: slice | None = None
    ) -> Motion:
        noise = self.random.normal(0, self.noise, self.ground.shape)
        picture: npt.NDArray[np.float64] = np.asarray(self.ground + light + noise, np.float64)
        if car_x is not None:
            picture[90:130, car_x : car_x + 60] = 230
        if lorry is not None:
            picture[:, lorry] = 10
            picture[: self.lit_rows, lorry] = 240
        return self.show_as(picture)

    def show_as(self, picture: npt.NDArray[np.float64]) -> Motion:
        """A picture as it is."""
        self.at_s += 0.1
        return self.detector.update(np.clip(picture, 0, 255).astype(np.uint8), self.at_s)


def test_an_empty_noisy_yard_stays_still() -> None:
    yard = Yard(noise=8.0)
    assert not any(yard.show().active for _ in range(150))


def test_a_car_is_seen_where_it_is_and_then_forgotten() -> None:
    yard = Yard()
    for _ in range(30):
        yard.show()
    states = [yard.show(car_x=10 + 8 * i) for i in range(25)]
    assert not states[0].active, "one picture may be a flash"
    assert states[1].active
    left, top, width, height = states[-1].boxes[0]
    assert left - 0.08 < (10 + 8 * 24) / 320 < left + width
    assert abs(top - 90 / 180) < 0.05
    assert abs(height - 40 / 180) < 0.1
    after = [yard.show() for _ in range(60)]
    assert after[0].active, "hysteresis: it may only have been hidden for a moment"
    assert not after[-1].active


def test_dawn_is_no_motion() -> None:
    yard = Yard()
    assert not any(yard.show(light=i * 0.15).active for i in range(400))


def test_a_lamp_switched_on_is_no_object() -> None:
    yard = Yard()
    for _ in range(20):
        yard.show()
    assert not any(yard.show(light=60).boxes for _ in range(20))


def test_a_lamp_that_goes_on_and_off_again_is_no_object() -> None:
    yard = Yard()
    for _ in range(100):
        yard.show()
    lit = [yard.show(light=60) for _ in range(100)]
    assert not any(motion.boxes for motion in [*lit, *(yard.show() for _ in range(50))])


def test_a_lorry_that_fills_the_picture_at_once_leaves_no_ghost() -> None:
    yard = Yard()
    for _ in range(300):
        yard.show()
    for left in (250, 0, 0, 0):
        yard.show(lorry=slice(left, 320))
    leaving = [yard.show(lorry=slice(0, right)) for right in (250, 150, 60, 30)]
    assert leaving[-1].boxes[0][2] < 0.2, "what is left of it"
    assert not any(yard.show().boxes for _ in range(50))


def test_a_plain_lorry_that_comes_as_watching_begins_leaves_no_ghost() -> None:
    yard = Yard()
    for _ in range(20):
        yard.show()
    for i in range(60):
        yard.show(lorry=slice(80 - i, 200 + i))
    for i in range(8):
        yard.show(lorry=slice(60 + 30 * i, 320))
    assert not any(yard.show().boxes for _ in range(50))


def test_what_a_lorry_leaves_free_of_the_picture_is_not_there() -> None:
    yard = Yard()
    yard.lit_rows = 0
    for _ in range(300):
        yard.show()
    for left in range(300, 100, -20):
        motion = yard.show(lorry=slice(left, 320))
    (lorry,) = motion.boxes
    assert abs(lorry[0] - 120 / 320) < 0.03


def test_a_view_that_changed_for_good_is_learned() -> None:
    yard = Yard()
    for _ in range(100):
        yard.show()
    yard.ground = yard.ground[::-1, ::-1].copy()
    assert not any(yard.show().boxes for _ in range(50))
    assert any(yard.show(car_x=10 + 8 * i).active for i in range(10))
    assert not [yard.show() for _ in range(30)][-1].present


def test_a_car_that_parks_becomes_background() -> None:
    yard = Yard()
    for _ in range(20):
        yard.show()
    for i in range(10):
        yard.show(car_x=10 + 10 * i)
    parked = [yard.show(car_x=110) for _ in range(500)]
    assert parked[10].active
    assert not parked[-1].active


def test_somebody_standing_still_stays_present_for_a_minute_without_moving() -> None:
    yard = Yard()
    for _ in range(300):
        yard.show()
    for i in range(10):
        yard.show(car_x=10 + 10 * i)
    standing = [yard.show(car_x=110) for _ in range(500)]
    assert all(motion.present for motion in standing)
    assert not any(motion.active for motion in standing[50:])
    assert not any(motion.present for motion in [yard.show(car_x=110) for _ in range(300)][-50:])


def test_a_slow_lorry_leaves_no_ghost() -> None:
    yard = Yard()
    for _ in range(300):
        yard.show()
    for i in range(100):
        yard.show(car_x=10 + i)
    assert not any(yard.show().boxes for _ in range(50))


def test_what_was_there_at_the_start_leaves_a_ghost_for_a_moment_only() -> None:
    yard = Yard()
    for i in range(30):
        yard.show(car_x=100 + i * (i > 20))
    after = [yard.show() for _ in range(100)]
    assert not any(motion.present for motion in after[6:])


def test_a_car_that_stood_for_long_leaves_no_ghost() -> None:
    yard = Yard()
    for _ in range(250):
        yard.show()
    for i in range(10):
        yard.show(car_x=10 + 10 * i)
    assert not [yard.show(car_x=110) for _ in range(700)][-1].present
    going = [yard.show(car_x=110 + 10 * i) for i in range(20)]
    assert all(motion.active for motion in going[3:])
    assert len(going[-1].boxes) == 1, "where it stood nothing is"
    assert not any(yard.show().boxes for _ in range(20))


def test_another_resolution_starts_learning_anew() -> None:
    yard = Yard()
    yard.show()
    motion = yard.detector.update(np.full((100, 100), 250, np.uint8), yard.at_s + 0.1)
    assert motion == Motion(active=False, boxes=())


def test_a_camera_that_turns_to_infrared_sees_nothing_move() -> None:
    yard = Yard()
    for _ in range(100):
        yard.show()
    night = np.fliplr(yard.ground) * 0.6
    exposures = [0.0, 0.02, 0.1, 0.4, 0.65, 0.8, 0.9, 0.95]
    seen = [yard.show_as(night * exposure) for exposure in exposures]
    seen += [yard.show_as(night) for _ in range(60)]
    assert not any(motion.boxes for motion in seen)
    yard.ground = night
    assert [yard.show(car_x=10 + 8 * i) for i in range(10)][-1].active


def test_a_dark_yard_is_not_taken_for_a_blind_camera() -> None:
    yard = Yard(noise=1.0)
    yard.ground = np.full(yard.ground.shape, 4.0)
    for _ in range(50):
        yard.show()
    assert [yard.show(car_x=10 + 8 * i) for i in range(10)][-1].active


def test_leaves_that_were_known_are_known_after_the_light_has_changed() -> None:
    yard = Yard()
    leaves = np.kron(yard.random.integers(60, 150, (6, 6, 6)), np.ones((1, 8, 8)))

    def show(light: float) -> Motion:
        picture = yard.ground * light + yard.random.normal(0, 2, yard.ground.shape)
        picture[20:68, 30:78] = leaves[yard.random.integers(6)] * light
        return yard.show_as(picture)

    while show(1.0).active or yard.at_s < 1100:
        assert yard.at_s < 1600, "leaves are learned sooner or later"
    assert not any(motion.active for motion in [show(0.1), *(show(0.45) for _ in range(100))])


def test_thick_snow_is_no_object_but_who_walks_in_it_is() -> None:
    yard = Yard()
    yard.ground *= 0.4

    def show(walker_x: int | None = None) -> Motion:
        picture = yard.ground + yard.random.normal(0, 3, yard.ground.shape)
        for x, y in yard.random.integers(0, (317, 177), (150, 2)):
            picture[y : y + 4, x : x + 3] = 170
        if walker_x is not None:
            picture[80:140, walker_x : walker_x + 20] = 150
        return yard.show_as(picture)

    began = [show() for _ in range(150)]
    assert not any(motion.active for motion in began[100:])
    walking = [show(20 + 3 * i) for i in range(60)]
    assert all(motion.active for motion in walking[5:])
    assert all(len(motion.boxes) == 1 for motion in walking[5:]), "and no flake with them"
    assert not any(motion.active for motion in [show() for _ in range(100)][30:])


kinds = st.sampled_from(["black", "white", "noise", "one half", "other half", "a dot"])


def picture_of(kind: str, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if kind == "noise":
        return np.random.default_rng(1).integers(0, 256, size, np.uint8)
    picture = np.full(size, 255 if kind == "white" else 0, np.uint8)
    if kind == "one half":
        picture[:, : size[1] // 2] = 200
    if kind == "other half":
        picture[:, size[1] // 2 :] = 200
    if kind == "a dot":
        picture[size[0] // 2, size[1] // 2] = 255
    return picture


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 400)),
    st.lists(st.tuples(kinds, st.floats(-2, 70)), min_size=1, max_size=40),
)
def test_whatever_comes_boxes_lie_in_the_picture(
    size: tuple[int, int], shown: list[tuple[str, float]]
) -> None:
    detector, at_s = MotionDetector(), 100.0
    for kind, step_s in shown:
        at_s += step_s
        for left, top, width, height in detector.update(picture_of(kind, size), at_s).boxes:
            assert 0 <= left < left + width <= 1 + 1e-9
            assert 0 <= top < top + height <= 1 + 1e-9
