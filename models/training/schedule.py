"""What both training runs share: learning rate, averaged weights, checkpoints, seeds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def learning_rate(step: int, *, total: int, peak: float, warm_up: int = 200) -> float:
    """Linear warm-up to ``peak``, then a cosine to a hundredth of it at ``total`` steps."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = min(1.0, (step - warm_up) / max(1, total - warm_up))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


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
