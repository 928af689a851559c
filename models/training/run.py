"""One training run of any of our networks: resumed, scheduled, averaged, reported, saved."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.training.replay import Batch, Replay, Sample
from models.training.schedule import (
    Average,
    Budget,
    learning_rate,
    load_checkpoint,
    save_checkpoint,
)


def without_threads() -> None:
    """Keeps PyTorch and OpenCV to this thread, for who draws pictures before a run begins.

    The process that draws samples is a fork: it would wait forever for threads made earlier.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class Task:
    """What one network learns.

    Attributes:
        name: of the checkpoint in the work folder, without ``.pt``.
        network: with the weights that a run starts from.
        samples: endless samples of a seed.
        ring: batches of earlier samples that are kept to be shown again.
        judge: the network and a batch to the loss, and what is to be reported of it.
        told: names of what is reported.
        clip: longest gradient.
    """

    name: str
    network: nn.Module
    samples: Callable[[int], Iterator[Sample]]
    ring: int
    judge: Callable[[nn.Module, Batch], tuple[Tensor, Sequence[float]]]
    told: str
    clip: float


class Run:
    """A run in its work folder, from the start or from where it was left.

    Args:
        options: those of ``schedule.run_options``.
        task: what is learned.
    """

    def __init__(self, options: argparse.Namespace, task: Task) -> None:
        torch.manual_seed(options.seed)
        torch.set_num_threads(options.threads)
        self._options, self._task = options, task
        self._path = options.work / f"{task.name}.pt"
        self._network = task.network.to(options.device, memory_format=torch.channels_last)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=options.rate, weight_decay=1e-3
        )
        self._start = 0
        if self._path.exists():
            parts = load_checkpoint(self._path, options.device)
            self._network.load_state_dict(parts["network"])
            self._optimiser.load_state_dict(parts["optimiser"])
            self._start = int(parts["step"])
            self._average = Average(self._network)
            self._average.state = parts["average"]
            return
        if options.init is not None:
            # A head that the earlier run did not have starts from chance.
            state = load_checkpoint(options.init, options.device)["average"]
            self._network.load_state_dict(state, strict=False)
        self._average = Average(self._network)

    def train(self) -> None:
        """Runs until the options' steps or minutes are over."""
        options = self._options
        data = Replay(
            self._task.samples,
            seed=options.seed + self._start,
            batch=options.batch,
            fresh=options.fresh,
            turns=self._task.ring,
        )
        loader = DataLoader(data, batch_size=None, num_workers=options.workers, prefetch_factor=4)
        budget = Budget(start=self._start, steps=options.steps, minutes=options.minutes)
        clock, seen = time.monotonic(), []
        for step, batch in enumerate(loader, self._start):
            progress = budget.progress(step)
            if progress >= 1:
                self._save(step)
                break
            rate = learning_rate(progress, peak=options.rate, step=step, warm_up=options.warm_up)
            seen.append(self._learn(tuple(part.to(options.device) for part in batch), rate))
            if (step + 1) % options.report == 0:
                pace = (time.monotonic() - clock) / len(seen)
                means = " ".join(f"{value:.4f}" for value in np.mean(seen, 0))
                told = f"step {step + 1} {self._task.told} {means} {pace:.3f} s/step"
                print(told, flush=True)
                clock, seen = time.monotonic(), []
                self._save(step + 1)

    def _learn(self, batch: Batch, rate: float) -> Sequence[float]:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss, told = self._task.judge(self._network, batch)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._task.clip)
        self._optimiser.step()
        self._average.update(self._network)
        return told

    def _save(self, done: int) -> None:
        save_checkpoint(
            self._path,
            network=self._network.state_dict(),
            optimiser=self._optimiser.state_dict(),
            average=self._average.state,
            step=done,
        )
