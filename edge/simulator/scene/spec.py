"""What a rendered scene shows and when: pure numbers, the same for the same seed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from config.errors import UserError
from edge.simulator.nal import Codec
from edge.simulator.scene.paint import Bgr
from edge.simulator.scene.vehicles import Body
from models.plates.grammar import PlateKind, PlateText, random_plate

PERSON: Final = "person"
Visit = str
"""A kind of plate, or ``person``."""

_B, _G, _BUS = PlateKind.BLUE.value, PlateKind.GREEN_SMALL.value, PlateKind.GREEN_LARGE.value
_RARE = tuple(
    kind.value
    for kind in (
        PlateKind.POLICE,
        PlateKind.TRAINER,
        PlateKind.HONG_KONG,
        PlateKind.MACAO,
        PlateKind.EMERGENCY,
        PlateKind.CONSULATE,
    )
)
_TWO_ROWS = (PlateKind.YELLOW_DOUBLE.value, PlateKind.TRAILER.value)
PRESETS: Final[dict[str, tuple[tuple[Visit, ...], ...]]] = {
    "entrance": ((_B,), (_G,), (PERSON,), (PlateKind.YELLOW.value,)),
    "exit": ((_B,), (_BUS,), _TWO_ROWS, (_G, _B)),
    "village": ((_B,), (_G,), (_B,), _RARE),
    "home": ((PERSON,), (_B,), (PlateKind.TRAINER.value, _G), (PERSON,)),
}
"""Visits by kind of scene; the seed chooses among the alternatives of each."""

_PAINTS: Final[tuple[Bgr, ...]] = (
    (212, 212, 208),
    (48, 46, 46),
    (150, 152, 152),
    (40, 36, 140),
    (120, 62, 34),
    (92, 104, 116),
)
_WORK_PAINTS: Final[tuple[Bgr, ...]] = ((150, 76, 34), (206, 206, 202), (40, 52, 176))


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """One camera's rendered loop.

    Attributes:
        camera: the camera's id, also the name in its address.
        title: written into the picture; usually the camera's name.
        visits: what comes, in order: kinds of plate or ``person``.
        seed: decides plates, colours, trees and pauses.
        night: street lamps, headlights and sensor noise.
        parked: a car stands at the kerb, too far away to be read.
        width, height, fps: main stream, even numbers of pixels, at most 25 pictures per second.
        sub_width, sub_height, sub_fps: sub stream; ``sub_fps`` is at most ``fps``.
        seconds: shortest duration of the loop; it grows to fit the visits and an empty stretch.
        gop_s: seconds between key pictures.

    Raises:
        UserError: a value is out of range.
    """

    camera: str
    title: str = ""
    visits: tuple[Visit, ...] = (_B, _G, PERSON, PlateKind.YELLOW.value)
    seed: int = 1
    night: bool = False
    parked: bool = False
    width: int = 1280
    height: int = 720
    fps: float = 12.0
    sub_width: int = 640
    sub_height: int = 360
    sub_fps: float = 8.0
    codec: Codec = Codec.H264
    seconds: float = 48.0
    gop_s: float = 2.0

    def __post_init__(self) -> None:
        known = {PERSON, *(kind.value for kind in PlateKind)}
        unknown = [visit for visit in self.visits if visit not in known]
        checks = (
            ("visits", not unknown, f"there is no visit {unknown[:1]}"),
            ("width", self.width % 2 == 0 and 160 <= self.width <= 1920, "even, 160..1920"),
            ("height", self.height % 2 == 0 and 90 <= self.height <= 1080, "even, 90..1080"),
            ("sub_width", self.sub_width % 2 == 0 and self.sub_width >= 80, "even, at least 80"),
            ("sub_height", self.sub_height % 2 == 0 and self.sub_height >= 44, "even, >= 44"),
            ("fps", 1 <= self.fps <= 25, "1..25"),
            ("sub_fps", 0 < self.sub_fps <= self.fps, "above 0 and at most fps"),
            ("seconds", 1 <= self.seconds <= 600, "1..600"),
            ("gop_s", 0.1 <= self.gop_s <= 10, "0.1..10"),
        )
        for name, good, allowed in checks:
            if not good:
                raise UserError(
                    where=f"scene of camera {self.camera}",
                    field=name,
                    problem=f"{getattr(self, name)!r} is not possible ({allowed})",
                    remedy="choose a value in that range",
                )


@dataclass(frozen=True, slots=True)
class Actor:
    """One visit: who comes, and from when (seconds) it is somewhere in the picture."""

    start: float
    duration: float
    plate: PlateText | None
    body: Body = Body.CAR
    colour: Bgr = (200, 200, 200)

    def place(self, second: float) -> tuple[float, float]:
        """x and z in metres at ``second`` of the loop; see the paths below."""
        at = second - self.start
        if self.plate is None:
            return _walk(at)
        if self.body is Body.BOX_BACK:
            return LANE_X, _drive(self.duration - at)
        return LANE_X, _drive(at)


LANE_X: Final = 0.1
LENGTHS: Final = {
    Body.CAR: 4.5,
    Body.VAN: 4.3,
    Body.TRUCK: 7.0,
    Body.BUS: 10.5,
    Body.BOX_BACK: 5.5,
}
_FAR_Z, _BRAKE_Z, _GATE_Z = 58.0, 20.0, 5.4
_BRAKE_S, _CREEP_S, _CREEP_SPEED = 2.6, 1.4, 0.5
_SPEED = 2 * (_BRAKE_Z - _GATE_Z - _CREEP_SPEED * _BRAKE_S) / _BRAKE_S + _CREEP_SPEED
_CRUISE_S = (_FAR_Z - _BRAKE_Z) / _SPEED
_AWAY = 6.0
PAUSE_S: Final = (1.5, 3.5)
EMPTY_S: Final = 9.0
"""Nothing moves for so long at the end of each pass."""
WALK_S: Final = 4.8


def _drive(at: float) -> float:
    """Distance of a vehicle ``at`` seconds after it came in sight.

    It cruises, brakes to walking pace at the gate, creeps past the camera's best distance, and
    drives on.
    """
    if at < _CRUISE_S:
        return _FAR_Z - _SPEED * at
    at -= _CRUISE_S
    creep = _GATE_Z + _CREEP_SPEED * (_BRAKE_S - at)
    if at < _BRAKE_S:
        over = _BRAKE_Z - _GATE_Z - _CREEP_SPEED * _BRAKE_S
        return float(creep + over * (1 - at / _BRAKE_S) ** 2)
    at -= _BRAKE_S + _CREEP_S
    return float(creep - _AWAY * max(0.0, at) ** 2)


def _drive_seconds(length: float) -> float:
    rest = _GATE_Z + length
    return float(_CRUISE_S + _BRAKE_S + _CREEP_S + (rest / _AWAY) ** 0.5)


def _walk(at: float) -> tuple[float, float]:
    """A person comes round the corner on the right, towards the camera, and out of the picture."""
    return float(1.75 + 2.7 * np.exp(-at / 0.9)), 8.2 - 1.3 * at


def timetable(spec: SceneSpec) -> tuple[tuple[Actor, ...], float]:
    """Everyone who comes, in order and never two at a time, and the loop's duration in seconds.

    The duration is a whole number of groups of pictures.
    """
    rng = np.random.default_rng([spec.seed, zlib.crc32(spec.camera.encode())])
    actors, now = [], 1.0
    for visit in spec.visits:
        actor = _actor(rng, visit, now)
        actors.append(actor)
        now += actor.duration + float(rng.uniform(*PAUSE_S))
    whole = max(spec.seconds, now + EMPTY_S)
    return tuple(actors), float(np.ceil(whole / spec.gop_s) * spec.gop_s)


def _actor(rng: np.random.Generator, visit: Visit, start: float) -> Actor:
    if visit == PERSON:
        return Actor(start, WALK_S, None)
    plate = random_plate(rng, PlateKind(visit))
    body = _body(rng, plate.kind)
    paints = _WORK_PAINTS if body in (Body.TRUCK, Body.BUS, Body.BOX_BACK) else _PAINTS
    colour = paints[int(rng.integers(len(paints)))]
    return Actor(start, _drive_seconds(LENGTHS[body]), plate, body, colour)


def _body(rng: np.random.Generator, kind: PlateKind) -> Body:
    if kind in (PlateKind.YELLOW_DOUBLE, PlateKind.TRAILER):
        return Body.BOX_BACK
    if kind is PlateKind.GREEN_LARGE:
        return Body.BUS
    if kind in (PlateKind.YELLOW, PlateKind.EMERGENCY):
        return Body.TRUCK if rng.random() < 0.7 else Body.BUS
    return Body.CAR if rng.random() < 0.7 else Body.VAN


def parked_plate(spec: SceneSpec) -> PlateText:
    """The plate of the car at the kerb."""
    return random_plate(np.random.default_rng([spec.seed, 5]), PlateKind.BLUE)


def preset(camera: str, kind: str, *, title: str = "", seed: int = 1) -> SceneSpec:
    """The scene of one of :data:`PRESETS`, with the seed's choice of visitors.

    ``village`` is at night; ``exit`` has a parked car.

    Raises:
        UserError: there is no such preset.
    """
    if kind not in PRESETS:
        raise UserError(
            where=f"scene of camera {camera}",
            field="kind",
            problem=f"there is no scene {kind!r}",
            remedy=f"choose one of {', '.join(PRESETS)}",
        )
    rng = np.random.default_rng([seed, zlib.crc32(camera.encode()), 3])
    visits: Sequence[str] = [some[int(rng.integers(len(some)))] for some in PRESETS[kind]]
    return SceneSpec(
        camera,
        title,
        tuple(visits),
        seed=seed,
        night=kind == "village",
        parked=kind == "exit",
    )
