"""Trains the plate detector: python -m models.training.train_detector --shared DIR --work DIR."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.detector_data import SIDE, DetectorData, DetectorSample
from models.training.detector_net import STRIDES, PlateDetectorNet
from models.training.replay import Batch, Sample
from models.training.run import Run, Task
from models.training.schedule import run_options

WIDTHS: Final = ((0.0, 100.0), (60.0, 240.0), (160.0, 1e9))
"""Plate widths in pixels each stride answers for; they overlap on purpose."""

TARGET_CHANNELS: Final = 12
"""Per cell: label (1 plate, 0 none, -1 ignored), 8 corners, row label, plate height, weight."""


def cell_centres(side: int = SIDE) -> NDArray[np.float32]:
    """Centres (A, 2) of all cells of a square training picture, in the network's order."""
    grids = []
    for stride in STRIDES:
        line = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
        x, y = np.meshgrid(line, line)
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
    return np.concatenate(grids)


def cell_strides(side: int = SIDE) -> NDArray[np.float32]:
    """The stride (A,) of each of those cells."""
    return np.concatenate([np.full((side // s) ** 2, s, np.float32) for s in STRIDES])


CENTRES: Final = cell_centres()
CELL_STRIDES: Final = cell_strides()


def targets(sample: DetectorSample) -> NDArray[np.float32]:
    """What every cell should answer, float32 (A, 12)."""
    result = np.zeros((len(CENTRES), TARGET_CHANNELS), np.float32)
    for quad in sample.ignored:
        result[_inside(quad, 1.0), 0] = -1
    for quad, rows in zip(sample.corners, sample.rows, strict=True):
        width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
        height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
        result[_inside(quad, 1.0), 0] = -1
        offset = np.abs(CENTRES - quad.mean(0))
        near = (offset[:, 0] < np.maximum(0.75 * CELL_STRIDES, 0.16 * width)) & (
            offset[:, 1] < np.maximum(0.75 * CELL_STRIDES, 0.25 * height)
        )
        fits = np.zeros(len(CENTRES), bool)
        for stride, (low, high) in zip(STRIDES, WIDTHS, strict=True):
            if low <= width < high:
                fits |= stride == CELL_STRIDES
        chosen = near & fits
        result[chosen, 0] = 1
        result[chosen, 1:9] = quad.ravel()
        result[chosen, 9] = rows - 1
        result[chosen, 10] = max(height, 3.0)
        result[chosen, 11] = 1.0 / max(1, chosen.sum())
    return result


def _inside(quad: NDArray[np.float32], growth: float) -> NDArray[np.bool_]:
    centre = quad.mean(0)
    grown = centre + (quad - centre) * growth
    edges = np.roll(grown, -1, 0) - grown
    to_cell = CENTRES[:, None] - grown[None]
    cross = edges[None, :, 0] * to_cell[..., 1] - edges[None, :, 1] * to_cell[..., 0]
    return np.asarray((cross >= 0).all(1) | (cross <= 0).all(1))


def samples(shared: Path | None, seed: int) -> Iterator[Sample]:
    """Endless pictures with what every cell should answer."""
    for sample in DetectorData(shared).stream(seed):
        yield sample.picture, targets(sample)


def loss_of(outputs: tuple[Tensor, Tensor, Tensor], wanted: Tensor) -> tuple[Tensor, ...]:
    """Score, corner and row losses.

    Scores learn how well the cell's own corners fit (varifocal loss), so that the best of several
    overlapping answers wins; corner errors are counted in plate heights.
    """
    scores, corners, rows = outputs
    label, weight = wanted[..., 0], wanted[..., 11]
    positive = label == 1
    plates = weight.sum().clamp(min=1.0)
    error = (corners - wanted[..., 1:9]) / wanted[..., 10:11].clamp(min=3.0)
    distance = nn.functional.smooth_l1_loss(
        error, torch.zeros_like(error), beta=0.05, reduction="none"
    ).mean(2)
    corner_loss = (distance * weight)[positive].sum() / plates
    quality = torch.exp(-3.0 * error.detach().abs().mean(2)).clamp(min=0.3)
    aim = torch.where(positive, quality, torch.zeros_like(quality))
    score_loss = score_loss_of(scores, aim, label, weight) / plates
    row_cost = nn.functional.binary_cross_entropy_with_logits(
        rows, wanted[..., 9], reduction="none"
    )
    row_loss = (row_cost * weight)[positive].sum() / plates
    return score_loss, corner_loss, row_loss


def score_loss_of(scores: Tensor, aim: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Varifocal loss (Zhang and others, 2021) of all cells together that are not ignored.

    Args:
        scores: logits (N, A).
        aim: what the scores should be, 0 to 1.
        label: 1 where something is asked for, 0 where nothing is, -1 where it does not matter.
        weight: share of its object that each asked cell stands for.
    """
    share = scores.sigmoid().detach()
    cost = nn.functional.binary_cross_entropy_with_logits(scores, aim, reduction="none")
    balance = torch.where(label == 1, 4.0 * weight, 0.75 * share.square())
    return (cost * balance)[label >= 0].sum()


def judge(network: nn.Module, batch: Batch) -> tuple[Tensor, tuple[float, float, float]]:
    """The loss, and its parts to report."""
    pictures, wanted = batch
    with torch.autocast(pictures.device.type, torch.bfloat16):
        outputs = network(pictures)
    score, corner, row = loss_of(outputs, wanted)
    return score + 10.0 * corner + 0.3 * row, (score.item(), corner.item(), row.item())


def main() -> None:
    """Parses the command line and trains."""
    options = run_options(__doc__, steps=12000, batch=16, fresh=0.5).parse_args()
    task = Task(
        name="detector",
        network=PlateDetectorNet(),
        samples=partial(samples, options.shared),
        ring=24,
        judge=judge,
        told="score/corner/row",
        clip=10.0,
    )
    Run(options, task).train()


if __name__ == "__main__":
    main()
