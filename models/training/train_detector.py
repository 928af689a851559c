"""Trains the plate detector: python -m models.training.train_detector --shared DIR --work DIR."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.training.detector_data import SIDE, DetectorData, DetectorSample
from models.training.detector_net import STRIDES, PlateDetectorNet
from models.training.schedule import (
    Average,
    Budget,
    learning_rate,
    load_checkpoint,
    run_options,
    save_checkpoint,
)

Batch = tuple[Tensor, Tensor, Tensor]
WIDTHS: Final = ((0.0, 100.0), (60.0, 240.0), (160.0, 1e9))
"""Plate widths in pixels each stride answers for; they overlap on purpose."""

TARGET_CHANNELS: Final = 12
"""Per cell: label (1 plate, 0 none, -1 ignored), 8 corners, row label, plate height, weight."""


def cell_centres() -> NDArray[np.float32]:
    """Centres (A, 2) of all cells of a training picture, in the network's order."""
    grids = []
    for stride in STRIDES:
        line = (np.arange(SIDE // stride, dtype=np.float32) + 0.5) * stride
        x, y = np.meshgrid(line, line)
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
    return np.concatenate(grids)


CENTRES: Final = cell_centres()
CELL_STRIDES: Final = np.concatenate([np.full((SIDE // s) ** 2, s, np.float32) for s in STRIDES])


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


class DetectorBatches(IterableDataset[Batch]):
    """Endless batches; part of each is drawn again from a ring of earlier samples."""

    def __init__(self, shared: Path | None, *, seed: int, batch: int, fresh: float) -> None:
        self._shared, self._seed, self._batch, self._fresh = shared, seed, batch, fresh

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        cv2.setNumThreads(1)
        seed = self._seed * 1000 + (worker.id if worker else 0)
        samples = DetectorData(self._shared).stream(seed)
        rng = np.random.default_rng(seed + 1)
        size = 24 * self._batch
        ring_x = np.zeros((size, SIDE, SIDE, 3), np.uint8)
        ring_y = np.zeros((size, len(CENTRES), TARGET_CHANNELS), np.float32)
        filled = 0
        while True:
            new = self._batch if filled < self._batch else max(1, int(self._batch * self._fresh))
            for _ in range(new):
                sample = next(samples)
                ring_x[filled % size] = sample.picture
                ring_y[filled % size] = targets(sample)
                filled += 1
            newest = (filled - 1 - np.arange(new)) % size
            older = rng.integers(0, min(filled, size), self._batch - new)
            pick = np.concatenate([newest, older])
            yield (
                torch.from_numpy(ring_x[pick]),
                torch.from_numpy(ring_y[pick]),
                torch.tensor(filled),
            )


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
    share = scores.sigmoid().detach()
    cost = nn.functional.binary_cross_entropy_with_logits(scores, aim, reduction="none")
    balance = torch.where(positive, 4.0 * weight, 0.75 * share.square())
    score_loss = (cost * balance)[label >= 0].sum() / plates
    row_cost = nn.functional.binary_cross_entropy_with_logits(
        rows, wanted[..., 9], reduction="none"
    )
    row_loss = (row_cost * weight)[positive].sum() / plates
    return score_loss, corner_loss, row_loss


def train(options: argparse.Namespace) -> None:
    """Runs to ``options.steps``, resuming from the work folder's checkpoint when there is one."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    device = options.device
    network = PlateDetectorNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-3)
    average = Average(network)
    start, path = 0, options.work / "detector.pt"
    if path.exists():
        parts = load_checkpoint(path, device)
        network.load_state_dict(parts["network"])
        optimiser.load_state_dict(parts["optimiser"])
        average.state, start = parts["average"], int(parts["step"])
    elif options.init is not None:
        network.load_state_dict(load_checkpoint(options.init, device)["average"])
        average = Average(network)
    data = DetectorBatches(
        options.shared, seed=options.seed + start, batch=options.batch, fresh=options.fresh
    )
    loader = DataLoader(data, batch_size=None, num_workers=options.workers, prefetch_factor=4)

    def save(done: int) -> None:
        save_checkpoint(
            path,
            network=network.state_dict(),
            optimiser=optimiser.state_dict(),
            average=average.state,
            step=done,
        )

    budget = Budget(start=start, steps=options.steps, minutes=options.minutes)
    clock, seen = time.monotonic(), []
    for step, (pictures, wanted, _) in enumerate(loader, start):
        progress = budget.progress(step)
        if progress >= 1:
            save(step)
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, peak=options.rate, step=step)
        with torch.autocast(device, torch.bfloat16):
            outputs = network(pictures.to(device))
        score, corner, row = loss_of(outputs, wanted.to(device))
        loss = score + 10.0 * corner + 0.3 * row
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        average.update(network)
        seen.append([score.item(), corner.item(), row.item()])
        if (step + 1) % options.report == 0:
            pace = (time.monotonic() - clock) / len(seen)
            means = " ".join(f"{v:.4f}" for v in np.mean(seen, 0))
            print(f"step {step + 1} score/corner/row {means} {pace:.3f} s/step", flush=True)
            clock, seen = time.monotonic(), []
            save(step + 1)


def main() -> None:
    """Parses the command line and trains."""
    train(run_options(__doc__, steps=12000, batch=16, fresh=0.5).parse_args())


if __name__ == "__main__":
    main()
