"""Photographs people: perspective, light and textures by OpenGL, on a GPU or in software."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import moderngl
import numpy as np
from numpy.typing import NDArray

from models.training.faces.assets import Floats, picture
from models.training.faces.person import Part, Person, rotation

SIDE: Final = 256
"""Pixels a side of a portrait."""
_FINER: Final = 2
"""Pixels drawn per pixel kept, in x and y."""

BEHIND_THE_FACE: Final = np.array([0.0, 0.1, 0.5], np.float32)
"""From the middle of the head to that of the face, in decimetres."""

_VERTEX: Final = """
#version 330
uniform mat4 view;
in vec3 place; in vec3 normal; in vec2 uv;
out vec3 facing; out vec2 spot;
void main() { facing = normal; spot = uv; gl_Position = view * vec4(place, 1.0); }
"""
_FRAGMENT: Final = """
#version 330
uniform sampler2D paint; uniform vec3 tint; uniform float shine; uniform bool thin;
uniform vec3 sky; uniform vec3 ground; uniform vec3 eye;
uniform vec3 lamps[3]; uniform vec3 glows[3];
in vec3 facing; in vec2 spot; out vec4 seen;
void main() {
  vec4 colour = texture(paint, spot);
  if (thin && colour.a < 0.35) discard;
  vec3 n = normalize(facing);
  if (!gl_FrontFacing) n = -n;
  vec3 light = mix(ground, sky, 0.5 + 0.5 * n.y);
  vec3 gleam = vec3(0.0);
  for (int i = 0; i < 3; i++) {
    light += glows[i] * max(0.0, (dot(n, lamps[i]) + 0.15) / 1.15);
    vec3 halfway = normalize(lamps[i] + eye);
    gleam += glows[i] * pow(max(0.0, dot(n, halfway)), 24.0) * shine * 0.5;
  }
  vec3 linear = pow(colour.rgb, vec3(2.2)) * tint * light + gleam;
  seen = vec4(pow(clamp(linear, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A person cut out of nothing.

    Attributes:
        pixels: uint8 (256, 256, 4) BGRA; alpha is how much of a pixel the person covers.
        landmarks: float32 (5, 2), pixels, order of ``Person.landmarks``.
        box: float32 (4,): left, top, right, bottom of the face in pixels.
        yaw: of the head as the camera sees it, radians, -pi to pi; from behind it is beyond 1.9.
    """

    pixels: NDArray[np.uint8]
    landmarks: Floats
    box: Floats
    yaw: float


class Studio:
    """A camera, lamps and what is needed to draw with them. For one thread at a time."""

    def __init__(self) -> None:
        self._gl = moderngl.create_standalone_context(backend="egl")
        self._program = self._gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        size = (SIDE * _FINER, SIDE * _FINER)
        self._frame = self._gl.framebuffer(
            self._gl.texture(size, 4), self._gl.depth_renderbuffer(size)
        )
        self._paints: dict[Path | None, moderngl.Texture] = {
            None: self._gl.texture((1, 1), 4, b"\xff" * 4)
        }

    def photograph(self, person: Person, rng: np.random.Generator) -> Portrait:
        """One portrait from a random side, in random light."""
        turn, view = _camera(person, rng)
        self._frame.use()
        self._gl.clear(0.0, 0.0, 0.0, 0.0)
        self._gl.enable(moderngl.DEPTH_TEST)
        self._light(turn, rng)
        for part in person.parts:
            self._draw(part, view)
        raw = np.frombuffer(self._frame.read(components=4), np.uint8)
        fine = raw.reshape(SIDE * _FINER, SIDE * _FINER, 4)[::-1].astype(np.float32)
        pixels = fine.reshape(SIDE, _FINER, SIDE, _FINER, 4).sum((1, 3))
        alpha = pixels[..., 3:].copy()
        pixels[..., :3] *= 255.0 / np.maximum(alpha, 1.0)
        pixels[..., 3:] /= _FINER**2
        marks, face = _project(person.landmarks, view), _project(person.face, view)
        box = np.concatenate([face.min(0), face.max(0)])
        eyes = person.landmarks[1] - person.landmarks[0]
        across = turn @ eyes
        yaw = float(np.arctan2(across[2], across[0]))
        bgra = pixels[..., [2, 1, 0, 3]].clip(0, 255).astype(np.uint8)
        return Portrait(bgra, marks, box.astype(np.float32), yaw)

    def _light(self, turn: Floats, rng: np.random.Generator) -> None:
        program = self._program
        warm = rng.uniform(0.75, 1.25, 3)
        level = float(rng.uniform(0.15, 0.75))
        program["sky"] = tuple((level * warm).tolist())
        program["ground"] = tuple(
            (level * rng.uniform(0.3, 0.9) * rng.uniform(0.8, 1.2, 3)).tolist()
        )
        lamps = rng.normal(0, (1.0, 0.7, 0.9), (3, 3)) + (0, 0.5, 0.5)
        lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
        bright = np.array([rng.uniform(0.2, 1.3), rng.uniform(0, 0.5), rng.uniform(0, 0.3)])
        glows = bright[:, None] * rng.uniform(0.8, 1.2, (3, 3))
        # Lamps stand in the street, not on the person: they are where the camera's axes put them.
        program["lamps"] = (lamps @ turn).astype(np.float32).tolist()
        program["glows"] = glows.astype(np.float32).tolist()
        program["eye"] = tuple((np.array([0.0, 0.0, 1.0]) @ turn).tolist())

    def _draw(self, part: Part, view: Floats) -> None:
        surface, points = part.surface, part.points
        triangles = surface.corners[surface.triangles]
        normals = _normals(points, triangles)
        corner = np.concatenate(
            [points[surface.corners], normals[surface.corners], surface.uv], axis=1
        ).astype(np.float32)
        program = self._program
        program["view"].write(np.ascontiguousarray(view.T, np.float32).tobytes())
        program["tint"], program["shine"], program["thin"] = part.tint, part.shine, part.thin
        self._paint(part.texture).use(0)
        vertices = self._gl.buffer(corner.tobytes())
        index = self._gl.buffer(np.ascontiguousarray(surface.triangles, np.int32).tobytes())
        array = self._gl.vertex_array(
            program, [(vertices, "3f 3f 2f", "place", "normal", "uv")], index
        )
        array.render()
        for thing in (array, vertices, index):
            thing.release()

    def _paint(self, path: Path | None) -> moderngl.Texture:
        if path not in self._paints:
            assert path is not None
            pixels = np.ascontiguousarray(picture(path)[::-1])
            paint = self._gl.texture(pixels.shape[1::-1], 4, pixels.tobytes())
            paint.build_mipmaps()
            self._paints[path] = paint
        return self._paints[path]


def _camera(person: Person, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """How the world is turned (3, 3), and from it to clip space (4, 4); it looks at the head."""
    side = rng.random()
    if side < 0.12:
        yaw = float(rng.uniform(2.0, 4.28))
    else:
        yaw = float(rng.uniform(-1.5, 1.5) if side < 0.45 else rng.normal(0, 0.45))
    pitch = float(np.clip(rng.normal(0.18, 0.28), -0.6, 0.95))
    turn = rotation(yaw=yaw, pitch=pitch, roll=float(rng.normal(0, 0.1)))
    away = float(rng.uniform(8.0, 40.0))
    half = 2.2 / away
    near, far = away - 8, away + 12
    near = max(near, 1.0)
    perspective = np.array(
        [
            [1 / half, 0, 0, 0],
            [0, 1 / half, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    place = np.eye(4)
    place[:3, :3] = turn
    shift = np.array([rng.normal(0, 0.15), rng.normal(-0.1, 0.25), -away])
    place[:3, 3] = shift - turn @ (person.face.mean(0) - BEHIND_THE_FACE)
    return turn, np.asarray(perspective @ place, np.float32)


def _project(points: Floats, view: Floats) -> Floats:
    """Pixels (n, 2) of points (n, 3)."""
    clip = np.concatenate([points, np.ones((len(points), 1), np.float32)], 1) @ view.T
    flat = clip[:, :2] / clip[:, 3:]
    return np.asarray((flat * (0.5, -0.5) + 0.5) * SIDE, np.float32)


def _normals(points: Floats, triangles: NDArray[np.int32]) -> Floats:
    """Unit normals (v, 3) of vertices, means of those of their triangles."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    flat = triangles.ravel()
    for axis in range(3):
        shares = np.repeat(across[:, axis], 3)
        total[:, axis] = np.bincount(flat, shares, minlength=len(points))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-6), np.float32)
