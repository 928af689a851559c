"""Renders a scene's pictures, and computes from the same geometry what they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulator.loop import TICKS_PER_SECOND
from edge.simulator.scene.camera import Camera
from edge.simulator.scene.paint import Picture
from edge.simulator.scene.spec import Actor, SceneSpec, parked_plate, timetable
from edge.simulator.scene.street import paint_street
from edge.simulator.scene.vehicles import Body, Light, Vehicle, build
from edge.simulator.scene.walker import Walker
from edge.simulator.truth import Appearance

LEAST_PLATE_PX = 24.0
"""A plate narrower than this is not counted as visible at 1280 pixels; it scales."""
LEAST_FACE_PX = 40.0
LEGIBLE_PLATE_PX = 80.0
_PARKED = (3.05, 24.0)
_NOISE_PICTURES = 5
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Scene:
    """One camera's loop, ready to be rendered."""

    spec: SceneSpec

    @cached_property
    def camera(self) -> Camera:
        """The camera of the main stream."""
        return Camera(self.spec.width, self.spec.height)

    @cached_property
    def _plan(self) -> tuple[tuple[Actor, ...], float]:
        return timetable(self.spec)

    @property
    def seconds(self) -> float:
        """Duration of the loop."""
        return self._plan[1]

    @property
    def pictures(self) -> int:
        """Number of main-stream pictures in the loop."""
        return round(self.seconds * self.spec.fps)

    def ticks(self, index: int) -> int:
        """Presentation time of a picture in ticks of 1/90000 s."""
        return round(index * TICKS_PER_SECOND / self.spec.fps)

    def render(self) -> Iterator[Picture]:
        """Every picture of the loop in order, uint8 (height, width, 3) BGR, to be read only."""
        street = self._street()
        cast = [(actor, self._figure(actor)) for actor in self._plan[0]]
        noise = self._noise()
        for index in range(self.pictures):
            second = index / self.spec.fps
            moving = [(a, f) for a, f in cast if a.start <= second < a.start + a.duration]
            picture = street.copy() if moving else street
            for actor, figure in moving:
                self._draw(picture, actor, figure, second)
            if noise:
                grain = noise[index % _NOISE_PICTURES]
                picture = np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), dtype=np.uint8)
            yield picture

    def _street(self) -> Picture:
        spec = self.spec
        street = paint_street(self.camera, seed=spec.seed, night=spec.night, title=spec.title)
        if spec.parked:
            car = build(
                Body.CAR, parked_plate(spec), (150, 152, 152), Light(spec.night), right_side=False
            )
            car.draw(street, self.camera, *_PARKED)
        return street

    def _figure(self, actor: Actor) -> Vehicle | Walker:
        if actor.plate is None:
            return Walker(brightness=0.6 if self.spec.night else 1.0)
        return build(actor.body, actor.plate, actor.colour, Light(self.spec.night))

    def _noise(self) -> list[NDArray[np.int16]]:
        """Sensor noise of a night: standard deviation 2.2 levels, the same in all channels."""
        if not self.spec.night:
            return []
        rng = np.random.default_rng([self.spec.seed, 9])
        size = (self.spec.height, self.spec.width, 1)
        grains = (rng.normal(0, 2.2, size) for _ in range(_NOISE_PICTURES))
        return [np.repeat(np.rint(grain).astype(np.int16), 3, axis=2) for grain in grains]

    def _draw(
        self, picture: Picture, actor: Actor, figure: Vehicle | Walker, second: float
    ) -> None:
        x, z = actor.place(second)
        if isinstance(figure, Walker):
            if z > 1.0:
                figure.draw(picture, self.camera, x, z, second)
        else:
            figure.draw(picture, self.camera, x, z)

    def truth(self) -> list[Appearance]:
        """What one pass shows, in order; a car that only stands there comes last."""
        found: list[Appearance] = []
        for actor in self._plan[0]:
            item = self._appearance(len(found), actor)
            if item is not None:
                found.append(item)
        if self.spec.parked:
            found.append(self._parked(len(found)))
        return found

    def _appearance(self, index: int, actor: Actor) -> Appearance | None:
        figure, share = self._figure(actor), self.spec.width / 1280
        least = (LEAST_FACE_PX if actor.plate is None else LEAST_PLATE_PX) * share
        seen: list[tuple[float, Box]] = []
        first = int(np.ceil(actor.start * self.spec.fps))
        for number in range(first, int((actor.start + actor.duration) * self.spec.fps) + 1):
            second = number / self.spec.fps
            box = self._box(figure, *actor.place(second))
            if box is not None and box[2] >= least:
                seen.append((second, box))
        if not seen:
            return None
        best_s, best = max(seen, key=lambda item: item[1][2])
        face = actor.plate is None
        return Appearance(
            camera=self.spec.camera,
            index=index,
            text="" if actor.plate is None else actor.plate.text,
            kind="face" if face else "plate",
            first_s=seen[0][0],
            last_s=seen[-1][0],
            best_s=best_s,
            box=best,
            legible=best[2] >= (LEAST_FACE_PX if face else LEGIBLE_PLATE_PX),
            plate_kind="" if actor.plate is None else actor.plate.kind.value,
        )

    def _box(self, figure: Vehicle | Walker, x: float, z: float) -> Box | None:
        if isinstance(figure, Walker):
            return figure.face_box(self.camera, x, z) if z > 1.0 else None
        return figure.plate_box(self.camera, x, z)

    def _parked(self, index: int) -> Appearance:
        plate = parked_plate(self.spec)
        car = build(Body.CAR, plate, (150, 152, 152), Light(self.spec.night), right_side=False)
        box = car.plate_box(self.camera, *_PARKED) or (0.0, 0.0, 0.0, 0.0)
        last = self.seconds - 1 / self.spec.fps
        return Appearance(
            self.spec.camera,
            index,
            plate.text,
            "plate",
            0.0,
            last,
            0.0,
            box,
            False,
            plate.kind.value,
        )
