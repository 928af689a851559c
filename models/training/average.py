"""Means readers' weights: python -m models.training.average CHECKPOINT... --to TO --shares S..."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.training.reader_data import ReaderData
from models.training.reader_net import PlateReaderNet
from models.training.schedule import load_checkpoint, save_checkpoint

STRIPS: Final = 2048
"""Training strips over which the normalisation layers take their means and spreads anew."""
AT_ONCE: Final = 128

State = dict[str, Tensor]


def mean_state(states: Sequence[State], shares: Sequence[float]) -> State:
    """The weighted mean of each parameter and running statistic; counters are the first's.

    Between a network and its own continuation the loss has no wall, and their mean is often
    better on other pictures than either (Wortsman et al., Robust fine-tuning of zero-shot
    models, CVPR 2022).

    Raises:
        ValueError: not one share for each state, shares that do not add up to 1, or other layers.
    """
    if len(states) != len(shares) or not states:
        raise ValueError(f"{len(shares)} shares for {len(states)} checkpoints")
    if min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-6:
        raise ValueError(f"shares {list(shares)} do not add up to 1")
    if any(state.keys() != states[0].keys() for state in states):
        raise ValueError("the checkpoints are of networks with other layers")
    return {key: _mean([state[key] for state in states], shares) for key in states[0]}


def _mean(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    if not values[0].is_floating_point():
        return values[0].clone()
    total = sum(share * value.double() for share, value in zip(shares, values, strict=True))
    assert isinstance(total, Tensor)
    return total.to(values[0].dtype)


def settle(network: nn.Module, strips: Tensor) -> None:
    """Takes the statistics of the normalisation layers anew, over ``strips``.

    Those of a mean network are not the means of those of its parts.

    Args:
        network: in evaluation mode, as it is afterwards; nothing else of it changes.
        strips: uint8 (N, 48, 160, 3).
    """
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for part in strips.split(AT_ONCE):
            network(part)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        norm.eval()


def average(
    sources: Sequence[Path],
    target: Path,
    *,
    shares: Sequence[float],
    shared: Path | None,
    seed: int = 1,
) -> None:
    """Writes the mean of readers' averaged weights as a checkpoint of its own.

    Args:
        sources: checkpoints of ``train_reader`` or ``recover``.
        target: checkpoint to write, ready for ``export``.
        shares: what each source counts for.
        shared: folder of training data; strips are drawn ones only if absent.
        seed: of the strips.
    """
    parts = [load_checkpoint(source, "cpu") for source in sources]
    network = PlateReaderNet().eval()
    network.load_state_dict(mean_state([part["average"] for part in parts], shares))
    samples = itertools.islice(ReaderData(shared).stream(seed), STRIPS)
    settle(network, torch.from_numpy(np.stack([sample.strip for sample in samples])))
    state = network.state_dict()
    steps = max(int(part["step"]) for part in parts)
    save_checkpoint(target, network=state, average=state, step=steps)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--to", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--shares", type=float, nargs="+", required=True, metavar="S")
    parser.add_argument("--shared", type=Path, help="folder of training data")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    average(asked.sources, asked.to, shares=asked.shares, shared=asked.shared, seed=asked.seed)


if __name__ == "__main__":
    main()
