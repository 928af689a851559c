"""``menshen bench shots``: does the shot that face quality chooses show the face best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from models.alignment import ARCFACE_112
from models.catalogue import entry_named
from models.embedding import FaceEmbedder
from models.images import load_image
from models.loading import checked_file
from models.quality import face_quality
from models.types import Image
from tests.bench.pairs import FAR, read_pairs
from tests.bench.places import MirrorOption, model_store
from tests.bench.report import JsonFlag, finish, one_thread, share, show

MODEL: Final = "face-reid-0095"
FACE: Final = np.array([20, 18, 72, 92], np.float32)
"""Left, top, width and height of the face in a crop of 112 pixels aligned by ARCFACE_112."""
SMALLEST: Final = 0.25
"""Least size of a shot in shares of the crop: 18 pixels from ear to ear."""


def bench(
    data: Annotated[Path, typer.Option(help="Folder with 112x112 aligned faces and pairs.csv.")],
    shots: Annotated[int, typer.Option(min=2, max=50, help="Shots of one visit.")] = 6,
    limit: Annotated[int | None, typer.Option(min=1, help="Same pairs to use; all if absent.")] = (
        None
    ),
    mirror: MirrorOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Visits of spoilt shots: recognised from one at random, the chosen one, the best there was.

    A shot is recognised when an embedding finds it more alike to another picture of the person
    than all but a thousandth of the pairs of different people are.
    """
    one_thread()
    embedder = FaceEmbedder.open(
        checked_file(model_store(mirror), MODEL),
        model=MODEL,
        policy="watch",
        sha256=entry_named(MODEL).sha256,
    )
    pairs = read_pairs(data)
    same = [(a, b) for a, b, together in pairs if together][:limit]
    alike, quality = visits_of(embedder, data, same, shots)
    strangers = np.array(
        [
            float(_vector(embedder, load_image(data / a)) @ _vector(embedder, load_image(data / b)))
            for a, b, together in pairs
            if not together
        ]
    )
    result = figures(alike, quality, threshold=limit_of(strangers))
    show(
        f"{len(same)} visits of {shots} spoilt shots, face quality against {MODEL}",
        ("shot", "alike to the person's other picture", "recognised"),
        [
            (name.replace("_", " "), f"{result[f'{name}_alike']:.3f}", share(result[name]))
            for name in ("random", "best_shot", "best_possible")
        ],
    )
    finish({**result, "shots": shots, "n": len(same)}, as_json=as_json)


def visits_of(
    embedder: FaceEmbedder, data: Path, same: list[tuple[str, str]], shots: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Similarity to the first picture, and quality, of each shot of the second; (V, shots)."""
    alike, quality = np.zeros((2, len(same), shots))
    rng = np.random.default_rng(0)
    for visit, (a, b) in enumerate(same):
        known, face = _vector(embedder, load_image(data / a)), load_image(data / b)
        for shot in range(shots):
            seen = spoilt(face, rng)
            scale = seen.shape[0] / 112
            alike[visit, shot] = float(known @ _vector(embedder, seen))
            quality[visit, shot] = face_quality(seen, FACE * scale, ARCFACE_112 * scale).score
    return alike, quality


def figures(
    alike: NDArray[np.float64], quality: NDArray[np.float64], *, threshold: float
) -> dict[str, float]:
    """What is gained by quality's choice: means over visits; both arguments (V, shots)."""
    chosen = np.take_along_axis(alike, quality.argmax(1)[:, None], 1)
    choices = {"random": alike, "best_shot": chosen, "best_possible": alike.max(1)}
    shares = {name: round(float((own > threshold).mean()), 4) for name, own in choices.items()}
    means = {f"{name}_alike": round(float(own.mean()), 4) for name, own in choices.items()}
    return {**shares, **means}


def limit_of(strangers: NDArray[np.float64]) -> float:
    """The similarity that at most one in a thousand pairs of different people exceeds."""
    ranked = np.sort(strangers)[::-1]
    return float(ranked[min(int(FAR * len(ranked)), len(ranked) - 1)])


def spoilt(face: Image, rng: np.random.Generator) -> Image:
    """A face as a camera may get it: small, and, each with its chance, smeared, blurred, dark."""
    side = round(112 * float(rng.uniform(SMALLEST, 1.0)))
    seen = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    for chance, spoil in ((0.5, _smeared), (0.4, _blurred), (0.5, _dark)):
        if rng.random() < chance:
            seen = spoil(seen, rng)
    return seen


def _smeared(face: Image, rng: np.random.Generator) -> Image:
    length = max(1, round(face.shape[1] * float(rng.uniform(0.02, 0.2))))
    kernel = np.full((1, length), 1.0 / length, np.float32)
    return np.asarray(cv2.filter2D(face, -1, kernel), np.uint8)


def _blurred(face: Image, rng: np.random.Generator) -> Image:
    sigma = face.shape[0] * float(rng.uniform(0.01, 0.06))
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)


def _dark(face: Image, rng: np.random.Generator) -> Image:
    light = face * float(rng.uniform(0.06, 0.5)) + rng.normal(0, 4, face.shape)
    return np.clip(light, 0, 255).astype(np.uint8)


def _vector(embedder: FaceEmbedder, face: Image) -> NDArray[np.float32]:
    return np.asarray(embedder.embed(face, [ARCFACE_112 * (face.shape[0] / 112)])[0], np.float32)
