"""What both training runs share: learning rate, averaged weights, checkpoints, seeds, options."""

from __future__ import annotations

import math
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def learning_rate(progress: float, *, peak: float, step: int, warm_up: int = 200) -> float:
    """Linear warm-up to ``peak``, then a cosine to a hundredth of it as progress goes to 1."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))
    return peak * min(1.0, (step + 1) / warm_up) * (0.01 + 0.99 * cosine)


class Budget:
    """How far a run is, 0 to 1, by its steps or, if fewer minutes are given, by the clock.

    A run of so many minutes ends well annealed on a machine that is slow or shared.
    """

    def __init__(self, *, start: int, steps: int, minutes: float | None) -> None:
        self._steps = steps
        self._from = start / steps
        self._seconds = None if minutes is None else minutes * 60
        self._began = time.monotonic()

    def progress(self, step: int) -> float:
        """Share of the run that is over after ``step`` steps."""
        by_steps = step / self._steps
        if self._seconds is None:
            return by_steps
        passed = (time.monotonic() - self._began) / self._seconds
        return max(by_steps, self._from + (1 - self._from) * passed)


class Average:
    """An exponential moving average of a network's parameters and buffers."""

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        self._decay = decay
        self._updates = 0
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Moves the average towards the network; early on it follows more quickly."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for key, value in network.state_dict().items():
            mine: Tensor = self.state[key]
            if mine.is_floating_point():
                mine.mul_(decay).add_(value.detach(), alpha=1 - decay)
            else:
                mine.copy_(value)


def save_checkpoint(path: Path, **parts: Any) -> None:
    """Writes a checkpoint whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(parts, partial)
    partial.replace(path)


def load_checkpoint(path: Path, device: str) -> dict[str, Any]:
    """Reads what save_checkpoint wrote."""
    parts: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return parts


def run_options(description: str | None, *, steps: int, batch: int, fresh: float) -> ArgumentParser:
    """The options that every training run has, with a network's own defaults."""
    parser = ArgumentParser(description=description)
    parser.add_argument(
        "--shared", type=Path, help="folder of training data; rendered only if absent"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--init", type=Path, help="checkpoint whose weights to start from")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, help="end, annealed, after so many minutes")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm-up", type=int, default=200, help="steps until the full rate")
    parser.add_argument("--fresh", type=float, default=fresh)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=int, default=100)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser
