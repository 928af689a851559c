"""Trains the face head: python -m models.training.faces.train --portraits DIR --work DIR."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.detector_net import PlateDetectorNet
from models.training.faces.data import SIDE, FaceData, FaceSample
from models.training.faces.net import FacePlateNet
from models.training.recover import Folded, fold_back, normalise
from models.training.replay import Batch, Sample
from models.training.run import Run, Task, without_threads
from models.training.schedule import run_options
from models.training.train_detector import cell_centres, cell_strides, score_loss_of

CENTRES: Final = cell_centres(SIDE)
CELL_STRIDES: Final = cell_strides(SIDE)
SIZES: Final = {8.0: (0.0, 40.0), 16.0: (28.0, 100.0), 32.0: (72.0, 1e9)}
"""Sides of faces (root of their area, pixels) that each stride answers for; they overlap."""
SCALED_BY: Final = 64
"""Training pictures by which layers taken over are scaled."""
TARGET_CHANNELS: Final = 17
"""Per cell: label (1 face, 0 none, -1 ignored), 4 sides, 10 landmarks, size, weight."""


def targets(sample: FaceSample) -> NDArray[np.float32]:
    """What every cell should answer, float32 (A, 17)."""
    result = np.zeros((len(CENTRES), TARGET_CHANNELS), np.float32)
    for box in sample.ignored:
        result[_inside(box), 0] = -1
    best = np.full(len(CENTRES), np.inf, np.float32)
    for box, marks in zip(sample.boxes, sample.landmarks, strict=True):
        extent = box[2:] - box[:2]
        size = float(np.sqrt(max(extent[0] * extent[1], 1.0)))
        result[_inside(box) & (result[:, 0] < 1), 0] = -1
        offset = np.abs(CENTRES - (box[:2] + box[2:]) / 2)
        near = (offset < np.maximum(0.75 * CELL_STRIDES[:, None], 0.2 * extent)).all(1)
        fits = np.zeros(len(CENTRES), bool)
        for stride, (low, high) in SIZES.items():
            if low <= size < high:
                fits |= stride == CELL_STRIDES
        # A cell between two faces belongs to the nearer one, in sizes of each.
        away = (offset / extent).max(1)
        chosen = near & fits & (away < best)
        best[chosen] = away[chosen]
        result[chosen, 0] = 1
        result[chosen, 1:5] = box
        result[chosen, 5:15] = marks.ravel()
        result[chosen, 15] = max(size, 4.0)
        result[chosen, 16] = 1.0 / max(1, chosen.sum())
    return result


def _inside(box: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(((box[:2] <= CENTRES) & (box[2:] >= CENTRES)).all(1))


def samples(portraits: Path, shared: Path | None, seed: int) -> Iterator[Sample]:
    """Endless pictures with what every cell should answer."""
    for sample in FaceData(portraits, shared).stream(seed):
        yield sample.picture, targets(sample)


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Generalised intersection over union (Rezatofighi, 2019) of boxes (k, 4), -1 to 1."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (one, other)]
    union = areas[0] + areas[1] - shared
    outer_low = torch.minimum(one[:, :2], other[:, :2])
    outer = (torch.maximum(one[:, 2:], other[:, 2:]) - outer_low).clamp(min=0).prod(1)
    iou = shared / union.clamp(min=1e-6)
    return iou - (outer - union) / outer.clamp(min=1e-6)


def loss_of(outputs: tuple[Tensor, Tensor, Tensor], wanted: Tensor) -> tuple[Tensor, ...]:
    """Score, box and landmark losses.

    Scores learn how well the cell's own box fits (varifocal loss, Zhang and others 2021), so that
    the best of several overlapping answers wins; landmark errors are counted in face sizes.
    """
    scores, sides, marks = outputs
    label, weight = wanted[..., 0], wanted[..., 16]
    positive = label == 1
    faces = weight.sum().clamp(min=1.0)
    share = weight[positive]
    fit = overlap(sides[positive], wanted[..., 1:5][positive])
    size = wanted[..., 15][positive][:, None]
    straight = nn.functional.smooth_l1_loss(
        sides[positive] / size, wanted[..., 1:5][positive] / size, beta=0.05, reduction="none"
    ).mean(1)
    box_loss = (((1 - fit) + 2.0 * straight) * share).sum() / faces
    error = nn.functional.smooth_l1_loss(
        marks[positive] / size, wanted[..., 5:15][positive] / size, beta=0.05, reduction="none"
    ).mean(1)
    mark_loss = (error * share).sum() / faces
    aim = torch.zeros_like(scores)
    aim[positive] = fit.detach().clamp(min=0.3)
    score_loss = score_loss_of(scores, aim, label, weight) / faces
    return score_loss, box_loss, mark_loss


def judge(network: nn.Module, batch: Batch) -> tuple[Tensor, tuple[float, float, float]]:
    """The loss, and its parts to report."""
    pictures, wanted = batch
    outputs = network(pictures)
    score, box, mark = loss_of(outputs, wanted)
    return score + 2.0 * box + 3.0 * mark, (score.item(), box.item(), mark.item())


def beside(plates: Path, pictures: Tensor) -> FacePlateNet:
    """A network for faces beside a shipped plate detector, with fresh answers.

    Args:
        plates: a float detector written by ``models.training.export``.
        pictures: uint8 (N, 320, 320, 3) of training, by which its layers for faces are scaled.

    Raises:
        ValueError: the file is no such detector.
    """
    fixed, like = (_shipped(plates) for _ in range(2))
    normalise(*like, pictures)
    return FacePlateNet(fixed[0], like[0])


def _shipped(plates: Path) -> tuple[PlateDetectorNet, Folded]:
    detector = PlateDetectorNet().eval()
    detector.input_scale = 1.0
    return detector, fold_back(plates, detector, torch.zeros(1, 64, 64, 3, dtype=torch.uint8))


def main() -> None:
    """Parses the command line and trains."""
    parser = run_options(__doc__, steps=12000, batch=16, fresh=0.5)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--plates", type=Path, required=True, help="the float plate detector")
    options = parser.parse_args()
    without_threads()
    first = itertools.islice(FaceData(options.portraits, options.shared).stream(0), SCALED_BY)
    pictures = torch.from_numpy(np.stack([sample.picture for sample in first]))
    task = Task(
        name="faces",
        network=beside(options.plates, pictures),
        samples=partial(samples, options.portraits, options.shared),
        ring=24,
        judge=judge,
        told="score/box/landmark",
        clip=10.0,
    )
    Run(options, task).train()


if __name__ == "__main__":
    main()
