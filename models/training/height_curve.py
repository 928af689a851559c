"""Draws how many plates are read exactly against their height in pixels.

python -m models.training.height_curve --scenes DIR --reader ONNX --picture PNG

Real plates of labelled scenes are shrunk so that the plate is so many pixels high, then read from
their labelled corners.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.images import load_image
from models.plates.alphabet import CHARACTER_INDEX
from models.plates.reader import PlateReader
from models.plates.rectify import plate_height, rectify
from models.plates.render import font_face

HEIGHTS: Final = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40)
SIZE: Final = (760, 420)
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 50, 720, 360


def shrunk_strip(
    image: NDArray[np.uint8], corners: NDArray[np.float32], height: float
) -> NDArray[np.uint8]:
    """The strip of a plate after the picture was shrunk until the plate is ``height`` px high."""
    factor = min(1.0, height / plate_height(corners))
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    moved = ((corners + 0.5) * factor - 0.5).astype(np.float32)
    return np.asarray(rectify(small, moved[None], [1])[0], dtype=np.uint8)


def measure(scenes: Path, reader: PlateReader) -> dict[int, float]:
    """Share of plates read exactly at each height."""
    strips: dict[int, list[NDArray[np.uint8]]] = {height: [] for height in HEIGHTS}
    texts: list[str] = []
    for line in (scenes / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        image = load_image(scenes / entry["file"])
        for plate in entry["plates"]:
            if any(character not in CHARACTER_INDEX for character in plate["text"]):
                continue
            texts.append(plate["text"])
            corners = np.array(plate["corners"], np.float32)
            for height in HEIGHTS:
                strips[height].append(shrunk_strip(image, corners, height))
    shares = {}
    for height in HEIGHTS:
        reads = reader.read_strips(np.stack(strips[height]))
        shares[height] = float(np.mean([r.text == t for r, t in zip(reads, texts, strict=True)]))
    return shares


def draw(shares: dict[int, float], target: Path) -> None:
    """Writes the curve as a PNG."""
    image = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(image)
    font, title = font_face(400, 15), font_face(700, 18)
    pen.text((_LEFT, 12), "Plates read exactly, by height of the plate", fill="black", font=title)
    widest = max(shares)

    def place(height: float, share: float) -> tuple[float, float]:
        x = _LEFT + (_RIGHT - _LEFT) * height / widest
        return x, _BOTTOM - (_BOTTOM - _TOP) * share

    for tenth in range(0, 11, 2):
        y = place(0, tenth / 10)[1]
        pen.line((_LEFT, y, _RIGHT, y), fill=(220, 220, 220))
        pen.text((22, y - 9), f"{tenth * 10} %", fill="black", font=font)
    for height in shares:
        x = place(height, 0)[0]
        pen.text((x - 8, _BOTTOM + 6), str(height), fill="black", font=font)
    pen.text((_RIGHT - 120, _BOTTOM + 30), "height, pixels", fill="black", font=font)
    points = [place(height, share) for height, share in shares.items()]
    pen.line(points, fill=(20, 90, 170), width=3)
    for x, y in points:
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(20, 90, 170))
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, optimize=True)


def main() -> None:
    """Parses the command line, measures and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, required=True, help="folder with labels.jsonl")
    parser.add_argument("--reader", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True)
    options = parser.parse_args()
    reader = PlateReader.open(options.reader)
    shares = measure(options.scenes, reader)
    reader.close()
    for height, share in shares.items():
        print(f"{height} px: {share:.1%}")
    draw(shares, options.picture)


if __name__ == "__main__":
    main()
