"""Builds vehicles out of polygons and painted faces, and knows where their plate is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge.simulator.scene import bodies
from edge.simulator.scene.camera import Camera, Points
from edge.simulator.scene.paint import (
    Bgr,
    Panel,
    Picture,
    Polygon,
    Texture,
    add_light,
    draw_panel,
    draw_polygon,
    quad,
    shade,
    vec,
)
from models.plates.grammar import PlateText
from models.plates.render import render_plate

_TYRE: Bgr = (26, 26, 26)
_GLASS: Bgr = (66, 58, 50)


class Body(StrEnum):
    """Shapes of vehicles."""

    CAR = "car"
    VAN = "van"
    TRUCK = "truck"
    BUS = "bus"
    BOX_BACK = "box_back"
    """A box truck seen from behind: the plate with two rows hangs there."""


@dataclass(frozen=True, slots=True)
class Light:
    """Day or night, as factors of brightness: of paint, and of the reflecting plate."""

    night: bool = False

    @property
    def paint(self) -> float:
        return 0.30 if self.night else 1.0

    @property
    def plate(self) -> float:
        return 0.82 if self.night else 0.97


@dataclass(frozen=True)
class Vehicle:
    """Parts in the order they are painted; z 0 is the face that carries the plate.

    ``plate`` are its corners (4, 3) clockwise from the left top; ``lamps`` are points (N, 3).
    """

    parts: tuple[Polygon | Panel, ...]
    plate: Points
    lamps: Points
    lamp_colour: Bgr
    light: Light
    half_width: float

    def draw(self, picture: Picture, camera: Camera, x: float, z: float) -> None:
        """Draw it with the middle of its plate face at ``x``, ``z`` on the ground."""
        offset = vec(x, 0, z)
        for part in self.parts:
            if isinstance(part, Polygon):
                draw_polygon(picture, camera, part, offset)
            else:
                draw_panel(picture, camera, part, offset)
        if self.light.night:
            self._shine(picture, camera, offset)

    def _shine(self, picture: Picture, camera: Camera, offset: Points) -> None:
        lamps = self.lamps + offset
        depth = camera.depth(lamps)
        for lamp, far in zip(lamps, depth, strict=True):
            if far > 0.8:
                radius = camera.focal * camera.width * 0.34 / far
                add_light(picture, camera.project(lamp[None])[0], max(radius, 9), self.lamp_colour)

    def plate_box(
        self, camera: Camera, x: float, z: float
    ) -> tuple[float, float, float, float] | None:
        """x, y, width, height of the plate in pixels, or None if it is not wholly in view."""
        corners = self.plate + vec(x, 0, z)
        if camera.depth(corners).min() < 0.5:
            return None
        points = camera.project(corners)
        low, high = points.min(0), points.max(0)
        if low.min() < 0 or high[0] >= camera.width or high[1] >= camera.height:
            return None
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def build(
    body: Body, plate: PlateText, colour: Bgr, light: Light, *, right_side: bool = True
) -> Vehicle:
    """A vehicle with a plate; ``right_side`` tells which of its sides the camera can see."""
    if body is Body.CAR:
        return _low(plate, colour, light, 1 if right_side else -1, nose=1.05, roof=1.44, tail=4.5)
    if body is Body.VAN:
        return _low(plate, colour, light, 1 if right_side else -1, nose=0.55, roof=1.88, tail=4.3)
    return _tall(body, plate, colour, light, 1 if right_side else -1)


def _lit(picture: Picture, share: float) -> Picture:
    return np.asarray(np.clip(picture.astype(np.float32) * share, 0, 255), dtype=np.uint8)


def _face(
    face: Picture,
    plate: PlateText,
    light: Light,
    *,
    size_m: tuple[float, float],
    bottom: float,
    plate_y: float,
) -> tuple[Panel, Points]:
    """The panel with the plate, ``plate_y`` metres below its top, and the plate's corners."""
    width, height = size_m
    rows = 2 if render_plate(plate, height_px=40).shape[1] < 100 else 1
    tall = 0.22 if rows == 2 else 0.14
    picture = _lit(face, light.paint)
    drawn = _lit(render_plate(plate, height_px=bodies.px(tall)), light.plate)
    shares = bodies.mount_plate(picture, drawn, plate_y)
    mask = bodies.rounded(picture.shape[0], picture.shape[1], bodies.px(0.07))
    origin = vec(-width / 2, bottom + height, 0)
    panel = Panel(origin, vec(width, 0, 0), vec(0, -height, 0), Texture(picture, mask))
    left, top, right, low = shares
    corners = [(left, top), (right, top), (right, low), (left, low)]
    return panel, np.array([origin + u * panel.right + v * panel.down for u, v in corners])


def _side(
    half: float, sign: int, *, span: tuple[float, float], length: float, picture: Picture
) -> Panel:
    mask = np.full(picture.shape[:2], 255, np.uint8)
    bottom, top = span
    return Panel(
        vec(sign * half, top, 0), vec(0, 0, length), vec(0, bottom - top, 0), Texture(picture, mask)
    )


def _ground_shadow(half: float, length: float) -> Polygon:
    return Polygon(
        quad(
            (-half - 0.12, 0, -0.18),
            (half + 0.12, 0, -0.18),
            (half + 0.25, 0, length),
            (-half - 0.12, 0, length),
        ),
        (18, 18, 20),
        0.55,
    )


def _tyres(half: float, radius: float) -> list[Polygon]:
    return [
        Polygon(
            quad((x, 0, 0.35), (x + 0.21, 0, 0.35), (x + 0.21, radius, 0.3), (x, radius, 0.3)),
            _TYRE,
        )
        for x in (-half + 0.04, half - 0.25)
    ]


def _low(
    plate: PlateText,
    colour: Bgr,
    light: Light,
    sign: int,
    *,
    nose: float,
    roof: float,
    tail: float,
) -> Vehicle:
    half, bottom, belt = 0.9, 0.20, 0.80
    paint = shade(colour, light.paint)
    glass = shade(_GLASS, light.paint)
    electric = plate.kind.startswith("green")
    front, corners = _face(
        bodies.car_front(2 * half, belt - bottom, colour, electric=electric),
        plate,
        light,
        size_m=(2 * half, belt - bottom),
        bottom=bottom,
        plate_y=0.275,
    )
    shoulder, rake = 0.95, nose + (0.85 if nose > 0.8 else 0.62)
    narrow = 0.66 if nose > 0.8 else 0.74
    flank = _lit(bodies.side(tail, 0.72, colour, 0), light.paint * 0.8)
    wheel = bodies.wheels(tail, 0.31, (0.85, tail - 0.9))
    s = sign
    parts: list[Polygon | Panel] = [
        _ground_shadow(half, tail),
        *_tyres(half, 0.34),
        _side(half, s, span=(0.22, 0.94), length=tail, picture=flank),
        Panel(vec(s * (half + 0.01), 0.62, 0), vec(0, 0, tail), vec(0, -0.62, 0), wheel),
        Polygon(
            quad(
                (s * 0.88, 0.93, nose),
                (s * narrow, roof, rake),
                (s * narrow, roof, tail - 0.9),
                (s * 0.88, 0.93, tail - 0.15),
            ),
            shade(glass, 0.8),
        ),
        Polygon(
            quad(
                (-narrow, roof - 0.01, rake - 0.05),
                (narrow, roof - 0.01, rake - 0.05),
                (narrow - 0.06, roof + 0.05, tail - 1.2),
                (-narrow + 0.06, roof + 0.05, tail - 1.2),
            ),
            shade(paint, 1.05),
        ),
        # Body-coloured pillars, then the glass a little smaller inside them.
        Polygon(
            quad(
                (-0.88, shoulder - 0.03, nose),
                (0.88, shoulder - 0.03, nose),
                (narrow, roof, rake),
                (-narrow, roof, rake),
            ),
            shade(paint, 0.9),
        ),
        Polygon(
            quad(
                (-0.80, shoulder, nose - 0.01),
                (0.80, shoulder, nose - 0.01),
                (narrow - 0.07, roof - 0.05, rake - 0.04),
                (-narrow + 0.07, roof - 0.05, rake - 0.04),
            ),
            glass,
        ),
        *_cabin(nose, shoulder, roof, rake, light),
        Polygon(
            quad(
                (-0.86, belt - 0.02, 0),
                (0.86, belt - 0.02, 0),
                (0.84, 0.96, nose),
                (-0.84, 0.96, nose),
            ),
            shade(paint, 1.12),
        ),
        Polygon(
            quad(
                (-0.30, belt + 0.01, 0.02),
                (0.30, belt + 0.01, 0.02),
                (0.42, 0.965, nose),
                (-0.42, 0.965, nose),
            ),
            shade(paint, 1.2),
        ),
        *_mirrors(half, nose, paint),
        front,
    ]
    lamps = quad((-0.68, 0.65, -0.02), (0.68, 0.65, -0.02))
    return Vehicle(tuple(parts), corners, lamps, (205, 225, 235), light, half)


def _cabin(nose: float, low: float, roof: float, rake: float, light: Light) -> list[Polygon]:
    """What is seen through the front window: the driver, and the sky's reflection."""
    share, mid = light.paint, (roof + low) / 2
    deep = nose + (rake - nose) * 0.5
    body = shade((70, 64, 60), share)
    parts = [
        Polygon(
            quad(
                (x - 0.2, low, deep),
                (x + 0.2, low, deep),
                (x + 0.13, mid, deep),
                (x - 0.13, mid, deep),
            ),
            body,
        )
        for x in (-0.36, 0.36)
    ]
    skin = shade((112, 136, 176), share)
    ring = [
        (0.36 + 0.075 * np.cos(a), mid + 0.07 + 0.1 * np.sin(a), deep)
        for a in np.arange(0, 6.2, 0.5)
    ]
    parts.append(Polygon(np.array(ring), skin))
    parts.append(
        Polygon(
            quad(
                (-0.78, low + 0.02, nose),
                (-0.2, low + 0.02, nose),
                (0.1, roof - 0.06, rake - 0.05),
                (-0.56, roof - 0.06, rake - 0.05),
            ),
            shade((190, 180, 168), share),
            0.35,
        )
    )
    return parts


def _mirrors(half: float, nose: float, paint: Bgr) -> list[Polygon]:
    z = nose + 0.25
    return [
        Polygon(
            quad(
                (s * (half - 0.02), 0.93, z),
                (s * (half + 0.20), 0.95, z),
                (s * (half + 0.19), 1.07, z),
                (s * half, 1.06, z),
            ),
            shade(paint, 0.8),
        )
        for s in (-1, 1)
    ]


@dataclass(frozen=True, slots=True)
class _Tall:
    half: float
    top: float
    length: float
    bottom: float
    plate_y: float
    windows: int


_TALL = {
    Body.TRUCK: _Tall(1.15, 2.55, 1.9, 0.32, 1.98, 1),
    Body.BUS: _Tall(1.25, 3.05, 10.5, 0.28, 2.50, 6),
    Body.BOX_BACK: _Tall(1.15, 3.00, 5.5, 0.48, 2.02, 0),
}


def _tall(body: Body, plate: PlateText, colour: Bgr, light: Light, sign: int) -> Vehicle:
    shape = _TALL[body]
    size = (2 * shape.half, shape.top - shape.bottom)
    if body is Body.BOX_BACK:
        face = bodies.cargo_back(*size, colour)
    else:
        glass = 0.95 if body is Body.TRUCK else 1.35
        sign_text = "15" if body is Body.BUS else None
        face = bodies.tall_front(*size, colour, glass_m=glass, sign=sign_text)
    front, corners = _face(
        face, plate, light, size_m=size, bottom=shape.bottom, plate_y=shape.plate_y
    )
    flank = _lit(bodies.side(shape.length, size[1], colour, shape.windows), light.paint * 0.8)
    wheel = bodies.wheels(shape.length, 0.46, (0.9, shape.length - 1.0))
    parts: list[Polygon | Panel] = [_ground_shadow(shape.half, shape.length)]
    if body is Body.TRUCK:
        parts += _cargo_box(sign, light)
    parts += [
        *_tyres(shape.half, 0.5),
        _side(shape.half, sign, span=(shape.bottom, shape.top), length=shape.length, picture=flank),
        Panel(
            vec(sign * (shape.half + 0.01), 0.92, 0),
            vec(0, 0, shape.length),
            vec(0, -0.92, 0),
            wheel,
        ),
        front,
    ]
    low = shape.bottom + (0.40 if body is Body.BOX_BACK else 0.28)
    lamps = quad((-shape.half + 0.26, low, -0.02), (shape.half - 0.26, low, -0.02))
    red = body is Body.BOX_BACK
    glow: Bgr = (20, 20, 120) if red else (205, 225, 235)
    return Vehicle(tuple(parts), corners, lamps, glow, light, shape.half)


def _cargo_box(sign: int, light: Light) -> list[Polygon | Panel]:
    half, low, top, start, length = 1.2, 0.9, 3.2, 1.95, 5.0
    colour = (150, 152, 150)
    front = Polygon(
        quad((-half, low, start), (half, low, start), (half, top, start), (-half, top, start)),
        shade(colour, light.paint),
    )
    flank = _lit(bodies.side(length, top - low, colour, 0), light.paint * 0.8)
    panel = Panel(
        vec(sign * half, top, start),
        vec(0, 0, length),
        vec(0, low - top, 0),
        Texture(flank, np.full(flank.shape[:2], 255, np.uint8)),
    )
    return [panel, front]
