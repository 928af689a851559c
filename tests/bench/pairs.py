"""``menshen bench pairs``: does a face embedding tell same from different people."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from config.errors import UserError
from models.alignment import ARCFACE_112
from models.catalogue import entry_named
from models.embedding import FaceEmbedder
from models.images import load_image
from models.loading import checked_file
from tests.bench.places import MirrorOption, model_store
from tests.bench.report import JsonFlag, finish, one_thread, share, show
from tests.bench.stopwatch import clocked

FOLDS: Final = 10
FAR: Final = 1e-3


def bench(
    data: Annotated[Path, typer.Option(help="Folder with 112x112 aligned faces and pairs.csv.")],
    model: Annotated[
        str, typer.Option(help="A face embedding of the catalogue.")
    ] = "face-reid-0095",
    mirror: MirrorOption = None,
    as_json: JsonFlag = False,
) -> None:
    """10-fold accuracy and true accepts at one false accept in a thousand."""
    one_thread()
    store = model_store(mirror)
    # The bench compares people who agreed to be a public test set: the strictest policy's switch.
    embedder = FaceEmbedder.open(
        checked_file(store, model), model=model, policy="watch", sha256=entry_named(model).sha256
    )
    pairs = read_pairs(data)
    names = sorted({name for a, b, _ in pairs for name in (a, b)})
    vectors, seconds = clocked(lambda: {name: _vector(embedder, data / name) for name in names})
    scores = np.array([float(vectors[a] @ vectors[b]) for a, b, _ in pairs])
    same = np.array([together for _, _, together in pairs])
    result = {
        "accuracy": round(ten_fold_accuracy(scores, same), 4),
        "tar_at_far_1e3": round(tar_at_far(scores, same, FAR), 4),
        "n": len(pairs),
    }
    show(
        f"Pairs: {len(pairs)}, {int(same.sum())} of the same person, one thread",
        ("embedding", "10-fold accuracy", "TAR at FAR 1e-3", "ms per face, reading included"),
        [
            (
                model,
                share(result["accuracy"]),
                share(result["tar_at_far_1e3"]),
                f"{seconds / max(len(names), 1) * 1e3:.2f}",
            )
        ],
    )
    finish(result, as_json=as_json)


def ten_fold_accuracy(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Mean accuracy over ten folds, each at the threshold best on the other nine.

    Same and different pairs are dealt to the folds in turn, each kind for itself, so that every
    fold has both in equal shares whatever the file's order.
    """
    fold = np.where(same, np.cumsum(same), np.cumsum(~same)) % FOLDS
    rights = []
    for held in np.unique(fold):
        train, test = fold != held, fold == held
        threshold = best_threshold(scores[train], same[train])
        rights.append(float(((scores[test] >= threshold) == same[test]).mean()))
    return float(np.mean(rights)) if rights else 0.0


def best_threshold(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The threshold with the most right answers; in the middle of its gap."""
    order = np.argsort(scores, kind="stable")
    ranked, labels = scores[order], same[order]
    # Cutting before position i calls everything from i on the same.
    right = np.concatenate([[0], np.cumsum(~labels)]) + np.concatenate(
        [np.cumsum(labels[::-1])[::-1], [0]]
    )
    edges = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    return float(edges[int(right.argmax())])


def tar_at_far(scores: NDArray[np.float64], same: NDArray[np.bool_], far: float) -> float:
    """Share of same pairs accepted when at most ``far`` of the different ones are.

    With fewer than 1 / far different pairs none of them may be accepted.
    """
    different = np.sort(scores[~same])[::-1]
    allowed = int(far * len(different))
    limit = different[allowed] if allowed < len(different) else -np.inf
    return float((scores[same] > limit).mean()) if same.any() else 0.0


def read_pairs(folder: Path) -> list[tuple[str, str, bool]]:
    """Rows of ``pairs.csv``: two file names and whether they show the same person.

    Raises:
        UserError: the file cannot be read, or a row is wrong; it names the line.
    """
    path = folder / "pairs.csv"
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise UserError(
            where=str(path), problem="cannot be read", remedy="give a folder with pairs.csv"
        ) from error
    pairs = []
    for number, row in enumerate(rows, start=1):
        if number == 1 and row[:1] == ["a"]:
            continue
        if len(row) != 3 or row[2] not in {"0", "1"}:
            raise UserError(
                where=str(path),
                line=number,
                problem="not a pair",
                remedy="write two file names and 1 (same) or 0 (different)",
            )
        pairs.append((row[0], row[1], row[2] == "1"))
    return pairs


def _vector(embedder: FaceEmbedder, path: Path) -> NDArray[np.float32]:
    image = load_image(path)
    scale = image.shape[0] / 112
    return np.asarray(embedder.embed(image, [ARCFACE_112 * scale])[0], np.float32)
