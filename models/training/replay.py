"""Batches of training samples, part of each drawn again from a ring of earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

Sample = tuple[NDArray[Any], ...]
"""What a network sees and should answer; the shapes of all samples are the same."""
Batch = tuple[Tensor, ...]


class Replay(IterableDataset[Batch]):
    """Endless batches, each array of the samples stacked.

    Drawing a sample costs more than learning from it, so each is shown about ``1 / fresh`` times.

    Args:
        samples: endless samples of a seed.
        seed: each worker has samples of its own.
        batch: samples of a batch.
        fresh: share of a batch that is new, above 0 to 1.
        turns: batches that the ring holds.
    """

    def __init__(
        self,
        samples: Callable[[int], Iterator[Sample]],
        *,
        seed: int,
        batch: int,
        fresh: float,
        turns: int,
    ) -> None:
        self._samples, self._seed = samples, seed
        self._batch, self._fresh, self._turns = batch, fresh, turns

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        cv2.setNumThreads(1)
        seed = self._seed * 1000 + (worker.id if worker else 0)
        samples, rng = self._samples(seed), np.random.default_rng(seed + 1)
        size, filled = self._turns * self._batch, 0
        rings: list[NDArray[Any]] = []
        while True:
            new = self._batch if filled < self._batch else max(1, int(self._batch * self._fresh))
            for _ in range(new):
                sample = next(samples)
                if not rings:
                    rings = [np.zeros((size, *part.shape), part.dtype) for part in sample]
                for ring, part in zip(rings, sample, strict=True):
                    ring[filled % size] = part
                filled += 1
            newest = (filled - 1 - np.arange(new)) % size
            older = rng.integers(0, min(filled, size), self._batch - new)
            pick = np.concatenate([newest, older])
            yield tuple(torch.from_numpy(ring[pick]) for ring in rings)
