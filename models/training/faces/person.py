"""Makes up people: age, sex, origin, face and expression, hair, clothes, glasses and masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.training.faces.assets import Assets, Floats, Indices, Surface, Wear

AGES: Final = ("child", "young", "old")
ORIGINS: Final = ("asian", "caucasian", "african")
CHEST: Final = 3.4
"""Height on the neutral mesh below which nothing is drawn, in decimetres."""
NECK: Final = (5.6, 6.5)
"""Heights between which a turned head goes over into the body that did not turn."""
PIVOT: Final = np.array([0.0, 6.2, 0.35], np.float32)
"""About where a head turns."""
EYES: Final = ("helper-r-eye", "helper-l-eye")
NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT = 5054, 369, 7129
"""Vertices of the mesh; right and left are the person's own."""
CHIN, HAIRLINE, EAR = 6.18, 8.05, 0.45
"""Bounds of what counts as the face on the neutral mesh: heights, and the depth of the ears."""
HATS: Final = frozenset({"fedora", "fedora_cocked", "pith_helmet", "Fishing_Hat_01"})
GLASSES: Final = "glasses"
NOT_WORN: Final = (
    *("armsleeve", "female_panties", "toenail", "transparent", "frenchbra", "bandbikini"),
    *("BrazBikini", "F_Bikini", "F_One-piece", "String", "Teddy", "Babydoll"),
    *("JeansSkirt", "ShortJeans", "Tightjeans", "miniskirt", "shoes", "WinterBoots"),
)
"""How names begin of what does not show above the chest, or is not worn in the street."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A surface in place, with what it is painted.

    Attributes:
        surface: its triangles.
        points: float32 (v, 3), its vertices.
        texture: picture with alpha, or None for the plain ``tint``.
        tint: colour that the texture is multiplied with, RGB, about one.
        shine: of highlights, 0 to 1.
        thin: whether its alpha decides where there is nothing.
    """

    surface: Surface
    points: Floats
    texture: Path | None
    tint: tuple[float, float, float]
    shine: float = 0.0
    thin: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A person down to the chest.

    Attributes:
        parts: to be drawn.
        landmarks: float32 (5, 3): right eye, left eye, nose, right and left corner of the mouth.
        face: float32 (n, 3), the skin that counts as the face; a box round it is the label.
    """

    parts: tuple[Part, ...]
    landmarks: Floats
    face: Floats


class People:
    """Draws people from ``assets``."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._skin = assets.skin(CHEST)
        self._skins = assets.skins()
        self._hair = assets.wear("hair")
        clothes = {one.name: one for one in assets.wear("clothes")}
        self._hats = tuple(clothes.pop(name) for name in sorted(HATS) if name in clothes)
        self._glasses = clothes.pop(GLASSES)
        self._clothes = tuple(one for name, one in clothes.items() if not name.startswith(NOT_WORN))
        self._brows = assets.wear("eyebrows")
        self._lashes = assets.wear("eyelashes")
        self._eyes = next(one for one in assets.wear("eyes") if one.name == "HighPolyEyes")
        self._teeth = assets.wear("teeth")[0]
        skin = np.unique(self._skin.corners)
        rest = assets.rest[skin]
        in_height = (rest[:, 1] > CHIN) & (rest[:, 1] < HAIRLINE)
        self._face = skin[in_height & (rest[:, 2] > EAR)]
        self._shapes = _by_part(assets.shape_names)

    def draw(self, rng: np.random.Generator) -> Person:
        """One random person, looking ahead."""
        male, age = bool(rng.random() < 0.5), str(rng.choice(AGES, p=(0.12, 0.55, 0.33)))
        origin = str(rng.choice(ORIGINS, p=(0.6, 0.24, 0.16)))
        body = self._body(rng, male=male, age=age, origin=origin)
        parts, hidden = self._dressed(rng, body, male=male, age=age)
        skin = _without(self._skin, hidden)
        parts.insert(
            0, Part(skin, body, self._skin_of(rng, origin, age, male), _skin_tint(rng), 0.25)
        )
        if rng.random() < 0.16:
            parts.append(self._mask(rng, body))
        turn = _turned(rng)
        return self._posed(body, parts, turn)

    def _body(self, rng: np.random.Generator, *, male: bool, age: str, origin: str) -> Floats:
        assets, body = self._assets, self._assets.rest.copy()
        sex = "male" if male else "female"
        share = float(rng.uniform(0.6, 1.0))
        other = str(rng.choice([one for one in ORIGINS if one != origin]))
        assets.add_shape(body, f"macrodetails/{origin}-{sex}-{age}", share)
        assets.add_shape(body, f"macrodetails/{other}-{sex}-{age}", 1 - share)
        weight = str(rng.choice(["minweight", "averageweight", "maxweight"], p=(0.25, 0.45, 0.3)))
        build = f"macrodetails/universal-{sex}-{age}-averagemuscle-{weight}"
        assets.add_shape(body, build, float(rng.uniform(0.5, 1.0)))
        for part, count in (("head", 2), ("nose", 3), ("mouth", 3), ("chin", 2), ("forehead", 1)):
            for name in rng.choice(self._shapes[part], count, replace=False):
                assets.add_shape(body, str(name), float(rng.uniform(0.1, 0.8)))
        for part, count in (("eyes", 4), ("cheek", 2), ("ears", 1)):
            for name in rng.choice(self._shapes[part], count, replace=False):
                self._both_sides(body, str(name), float(rng.uniform(0.1, 0.7)))
        if rng.random() < 0.65:
            for name in rng.choice(self._shapes["expression"], int(rng.integers(1, 5))):
                shape = str(name).replace("caucasian", origin)
                self._both_sides(body, shape, float(rng.uniform(0.2, 1.0)))
        return body

    def _both_sides(self, body: Floats, name: str, share: float) -> None:
        self._assets.add_shape(body, name, share)
        for left, right in (("/l-", "/r-"), ("-left-", "-right-")):
            if left in name:
                self._assets.add_shape(body, name.replace(left, right), share)

    def _dressed(
        self, rng: np.random.Generator, body: Floats, *, male: bool, age: str
    ) -> tuple[list[Part], Indices]:
        grey = age == "old" and bool(rng.random() < 0.5)
        colour = _hair_colour(rng, grey=grey)
        parts = [
            _worn(self._eyes, body, rng, texture=_brown(self._eyes, rng), shine=0.9, thin=True),
            _worn(self._teeth, body, rng, shine=0.3),
            _worn(_one(self._brows, rng), body, rng, tint=colour, thin=True),
        ]
        if not male and rng.random() < 0.7:
            parts.append(_worn(_one(self._lashes, rng), body, rng, tint=(0.2,) * 3, thin=True))
        bald = male and rng.random() < 0.15
        hat = rng.random() < 0.12
        if not bald:
            short = [one for one in self._hair if one.name.startswith("short")]
            hair = short if hat or (male and rng.random() < 0.85) else self._hair
            parts.append(_worn(_one(hair, rng), body, rng, tint=colour, shine=0.3, thin=True))
        if rng.random() < 0.22:
            parts.append(_worn(self._glasses, body, rng, tint=_dye(rng), shine=0.9, thin=True))
        hidden: list[Indices] = []
        for wear in ([_one(self._hats, rng)] if hat else []) + [_one(self._clothes, rng)]:
            parts.append(_worn(wear, body, rng, tint=_dye(rng), thin=True))
            hidden.append(wear.hidden)
        return parts, np.concatenate(hidden)

    def _skin_of(self, rng: np.random.Generator, origin: str, age: str, male: bool) -> Path:
        years = {"child": "young", "young": "young", "old": str(rng.choice(["middleage", "old"]))}
        folder = f"{years[age]}_{origin}_{'male' if male else 'female'}"
        fitting = [one for one in self._skins if one.parent.parent.name == folder]
        return fitting[int(rng.integers(len(fitting)))]

    def _mask(self, rng: np.random.Generator, body: Floats) -> Part:
        """A mouth mask: the skin from the bridge of the nose to the chin, a little off it."""
        rest = self._assets.rest
        top = float(rng.uniform(6.95, 7.2))
        corners = rest[self._skin.corners[self._skin.triangles]]
        kept = (corners[..., 1] < top + 0.12 * (corners[..., 2] > 1.5)).all(1)
        kept &= (corners[..., 1] > 6.15).all(1) & (corners[..., 2] > 0.75).all(1)
        surface = Surface(self._skin.triangles[kept], self._skin.corners, self._skin.uv)
        centre = np.array([0, 6.65, 0.6], np.float32)
        away = body - centre
        off = away / np.linalg.norm(away, axis=1, keepdims=True).clip(1e-3) * 0.09
        colours = ((0.75, 0.88, 0.95), (0.95, 0.95, 0.95), (0.12, 0.12, 0.13), (0.5, 0.7, 0.85))
        return Part(surface, body + off, None, colours[int(rng.integers(4))])

    def _posed(self, body: Floats, parts: list[Part], turn: Floats) -> Person:
        marks = [body[self._assets.helper(name)].mean(0) for name in EYES]
        marks += [body[NOSE_TIP], body[MOUTH_RIGHT], body[MOUTH_LEFT]]
        return Person(
            parts=tuple(replace(one, points=_turn_head(one.points, turn)) for one in parts),
            landmarks=_turn_head(np.array(marks, np.float32), turn),
            face=_turn_head(body[self._face], turn),
        )


def _by_part(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Shapes of each part of the face; of pairs the left one."""
    parts = ("head", "nose", "mouth", "chin", "forehead", "eyes", "cheek", "ears")
    found = {part: [name for name in names if name.startswith(f"{part}/")] for part in parts}
    for part in ("eyes", "cheek", "ears"):
        found[part] = [name for name in found[part] if "/l-" in name]
    found["head"] = [name for name in found["head"] if "trans" not in name]
    units = "expression/units/caucasian/"
    found["expression"] = [n for n in names if n.startswith(units) and "-right-" not in n]
    return found


def _one(choices: tuple[Wear, ...] | list[Wear], rng: np.random.Generator) -> Wear:
    return choices[int(rng.integers(len(choices)))]


def _worn(
    wear: Wear,
    body: Floats,
    rng: np.random.Generator,
    *,
    texture: Path | None = None,
    tint: tuple[float, ...] = (1.0, 1.0, 1.0),
    shine: float = 0.0,
    thin: bool = False,
) -> Part:
    if texture is None and wear.textures:
        texture = wear.textures[int(rng.integers(len(wear.textures)))]
    red, green, blue = tint
    return Part(wear.surface, wear.fitted(body), texture, (red, green, blue), shine, thin)


def _brown(eyes: Wear, rng: np.random.Generator) -> Path:
    brown = [one for one in eyes.textures if "brown" in one.name]
    choices = brown if rng.random() < 0.75 else list(eyes.textures)
    return choices[int(rng.integers(len(choices)))]


def _without(surface: Surface, hidden: Indices) -> Surface:
    covered = np.isin(surface.corners, hidden)
    kept = ~covered[surface.triangles].any(1)
    return Surface(surface.triangles[kept], surface.corners, surface.uv)


def _skin_tint(rng: np.random.Generator) -> tuple[float, float, float]:
    light = float(rng.uniform(0.75, 1.15))
    warm = float(rng.normal(0, 0.04))
    return light * (1 + warm), light, light * (1 - warm)


def _hair_colour(rng: np.random.Generator, *, grey: bool) -> tuple[float, float, float]:
    if grey:
        light = float(rng.uniform(0.9, 1.8))
        return light, light, light
    dark = float(rng.uniform(0.15, 0.5) if rng.random() < 0.75 else rng.uniform(0.5, 1.2))
    red = float(rng.uniform(1.0, 1.25))
    return dark * red, dark, dark * float(rng.uniform(0.8, 1.0))


def _dye(rng: np.random.Generator) -> tuple[float, float, float]:
    light = rng.uniform(0.25, 1.3)
    red, green, blue = (light * rng.uniform(0.55, 1.3, 3)).tolist()
    return red, green, blue


def _turned(rng: np.random.Generator) -> Floats:
    """Rotation (3, 3) of a head against its body: nods, shakes and tilts a little."""
    yaw, pitch, roll = rng.normal(0, (0.3, 0.2, 0.12))
    return rotation(yaw=float(yaw), pitch=float(pitch), roll=float(roll))


def rotation(*, yaw: float, pitch: float, roll: float) -> Floats:
    """Rotation (3, 3) by angles in radians about y, x and z, in that order from the right."""
    cy, sy, cx, sx = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cz, sz = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


def _turn_head(points: Floats, turn: NDArray[np.float32]) -> Floats:
    low, high = NECK
    share = np.clip((points[:, 1:2] - low) / (high - low), 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    turned = (points - PIVOT) @ turn.T + PIVOT
    return np.asarray(points + (turned - points) * share, np.float32)
