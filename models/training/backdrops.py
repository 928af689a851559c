"""Pictures without plates to train the detector on, and things that look like plates."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.plates.alphabet import CHARACTERS
from models.plates.render import font_face

Picture = NDArray[np.uint8]
_WORDS: Final = "停车场出口入口禁止通行小心慢行注意安全超市烟酒便民服务电话营业中国移动联通招租热线"


def library_pictures(*, without: frozenset[str] = frozenset()) -> list[Picture]:
    """The photographs that come with scikit-image's wheel, uint8 BGR; none if it is absent.

    Args:
        without: names, less their ending, of those to leave out.
    """
    try:
        import skimage
    except ImportError:
        return []
    folder = Path(skimage.__file__).parent / "data"
    pictures = []
    for path in sorted(folder.glob("*")):
        if path.stem in without:
            continue
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".gif"):
            decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
            if decoded is not None and min(decoded.shape[:2]) >= 100:
                pictures.append(np.asarray(decoded, dtype=np.uint8))
    return pictures


def read_picture(path: Path) -> NDArray[np.uint8] | None:
    """A picture as uint8 BGR, or None when it is no picture; any file name works."""
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    return None if decoded is None else np.asarray(decoded, dtype=np.uint8)


def plain_background(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Car paint, bumper or darkness: a shaded colour with a little texture."""
    width, height = size
    coarse = rng.normal(rng.uniform(10, 235), 25, (3, 4, 1)) + rng.normal(0, 14, (1, 1, 3))
    smooth = cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    smooth = smooth.reshape(height, width, 3)
    return np.clip(smooth + rng.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)


def cut_out(whole: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A random part of a picture, enlarged or shrunk to ``size`` (width, height)."""
    height, width = whole.shape[:2]
    share = float(rng.uniform(0.15, 1.0))
    w = max(4, int(width * share))
    h = max(4, min(height, int(w * size[1] / size[0])))
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    part = cv2.resize(whole[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    return np.asarray(part, dtype=np.uint8)


def texture(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A made-up scene of shaded areas, edges, lattices and blobs, uint8 BGR."""
    picture = plain_background(size, rng)
    width, height = size
    for _ in range(int(rng.integers(2, 14))):
        shade = [int(v) for v in rng.integers(0, 256, 3)]
        x, y = int(rng.integers(-40, width)), int(rng.integers(-40, height))
        w, h = int(rng.integers(8, 200)), int(rng.integers(6, 120))
        form = rng.random()
        if form < 0.4:
            cv2.rectangle(picture, (x, y), (x + w, y + h), shade, -1)
        elif form < 0.7:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(picture, (x, y), (w // 2, h // 2), turn, 0, 360, shade, -1, cv2.LINE_AA)
        else:
            end = (int(rng.integers(width)), int(rng.integers(height)))
            cv2.line(picture, (x, y), end, shade, int(rng.integers(1, 9)), cv2.LINE_AA)
    return picture


def sign(rng: np.random.Generator) -> Picture:
    """A board of text in colours of plates or others: a shop, a road sign, a phone number."""
    height = int(rng.integers(24, 90))
    count = int(rng.integers(1, 14))
    pool = [_WORDS, string.digits, string.ascii_uppercase, CHARACTERS][int(rng.integers(4))]
    text = "".join(pool[int(i)] for i in rng.integers(0, len(pool), count))
    if rng.random() < 0.3:
        text = "1" + "".join(str(int(d)) for d in rng.integers(0, 10, 10))
    font = font_face(
        int(rng.choice([400, 700, 900])), max(10, int(height * rng.uniform(0.4, 0.85)))
    )
    left, top, right, bottom = font.getbbox(text)
    pad = int(rng.integers(2, 30))
    size = (int(right - left) + 2 * pad, int(bottom - top) + 2 * int(rng.integers(2, 24)))
    field = tuple(int(v) for v in rng.integers(0, 256, 3))
    ink = tuple(int(v) for v in rng.integers(0, 256, 3))
    if rng.random() < 0.5:
        field = [(170, 70, 12), (10, 180, 248), (240, 240, 240), (20, 20, 20), (90, 160, 40)][
            int(rng.integers(5))
        ]
        ink = (250, 250, 250) if sum(field) < 330 else (15, 15, 15)
    image = Image.new("RGB", size, field)
    place = (pad - left, (size[1] - (bottom - top)) / 2 - top)
    ImageDraw.Draw(image).text(place, text, fill=ink, font=font)
    return np.asarray(image, dtype=np.uint8)


def caption(rng: np.random.Generator) -> NDArray[np.uint8]:
    """The ink (H, W) of a line of text without a board: a camera's clock, a place, a number."""
    day = [int(v) for v in rng.integers((2005, 1, 1), (2031, 13, 29))]
    clock = "{:02d}:{:02d}:{:02d}".format(*(int(v) for v in rng.integers(0, (24, 60, 60))))
    date = str(rng.choice(["{}/{:02d}/{:02d}", "{}-{:02d}-{:02d}", "{}{:02d}{:02d}"])).format(*day)
    word = "".join(_WORDS[int(i)] for i in rng.integers(0, len(_WORDS), int(rng.integers(2, 7))))
    text = [date, f"{date} {clock}", clock, f"{word}{int(rng.integers(1, 100))}", word][
        int(rng.integers(5))
    ]
    font = font_face(int(rng.choice([400, 700])), int(rng.integers(9, 34)))
    left, top, right, bottom = (int(v) for v in font.getbbox(text))
    image = Image.new("L", (right - left + 2, bottom - top + 2), 0)
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(image, dtype=np.uint8)


def grille(rng: np.random.Generator) -> Picture:
    """Bars and lattices: radiator grilles, shutters, fences, stairs, windows."""
    width, height = int(rng.integers(40, 220)), int(rng.integers(20, 120))
    picture = np.full((height, width, 3), rng.integers(0, 160, 3), np.uint8)
    shade = [int(v) for v in rng.integers(60, 256, 3)]
    step, thick = int(rng.integers(4, 18)), int(rng.integers(1, 5))
    if rng.random() < 0.7:
        for y in range(0, height, step):
            cv2.line(picture, (0, y), (width, y), shade, thick)
    if rng.random() < 0.7:
        for x in range(0, width, step):
            cv2.line(picture, (x, 0), (x + int(rng.integers(-4, 5)), height), shade, thick)
    return picture


def blank_board(rng: np.random.Generator) -> Picture:
    """A plate-coloured rectangle with nothing on it, or with a stripe."""
    width = int(rng.integers(60, 240))
    picture = plain_background((width, max(12, int(width / rng.uniform(2, 5)))), rng)
    if rng.random() < 0.5:
        field = [(168, 70, 12), (10, 180, 248), (110, 205, 85), (245, 245, 245), (20, 20, 20)]
        picture[:] = field[int(rng.integers(5))]
    return picture


def decoy(rng: np.random.Generator) -> Picture:
    """One thing that is like a plate but is none."""
    kinds = (sign, sign, grille, blank_board)
    return kinds[int(rng.integers(len(kinds)))](rng)
