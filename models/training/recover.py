"""Turns a shipped reader back into a checkpoint: python -m models.training.recover FROM TO."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.training.reader_data import ReaderData
from models.training.reader_net import PlateReaderNet
from models.training.schedule import save_checkpoint

STRIPS: Final = 2048
"""Training strips over which the layers' means and spreads are taken."""
AT_ONCE: Final = 128
Folded = list[tuple[nn.Conv2d, nn.BatchNorm2d]]
"""Convolutions, each with the normalisation that follows."""


def recover(source: Path, target: Path, *, shared: Path | None, seed: int = 1) -> None:
    """Writes a checkpoint whose network answers as the exported one does.

    An export folds each batch normalisation into its convolution. Here each gets back the mean
    and spread that its layer has over training strips, and the gain and shift that undo them, so
    that the answers stay and training goes on where it ended.

    Args:
        source: a float reader written by ``models.training.export``.
        target: checkpoint to write; ``average`` and ``network`` are the same in it.
        shared: folder of training data; strips are drawn ones only if absent.
        seed: of the strips.
    """
    network = PlateReaderNet().eval()
    pairs = fold_back(source, network, torch.zeros(1, 48, 160, 3, dtype=torch.uint8))
    samples = ReaderData(shared).stream(seed)
    strips = np.stack([sample.strip for sample in itertools.islice(samples, STRIPS)])
    normalise(network, pairs, torch.from_numpy(strips))
    state = network.state_dict()
    notes = {entry.key: entry.value for entry in onnx.load(str(source)).metadata_props}
    save_checkpoint(target, network=state, average=state, step=int(notes.get("steps", 0)))


def normalise(network: nn.Module, pairs: Folded, strips: Tensor) -> None:
    """Sets each normalisation to its layer's mean and spread over ``strips``; answers stay.

    Args:
        network: in evaluation mode.
        pairs: its convolutions, each with the normalisation that follows.
        strips: uint8 (N, 48, 160, 3).
    """
    sums = {conv: torch.zeros(2, conv.out_channels, dtype=torch.float64) for conv, _ in pairs}
    counts = dict.fromkeys(sums, 0)

    def add(conv: nn.Module, _inputs: object, output: Tensor) -> None:
        values = output.detach().double().transpose(0, 1).flatten(1)
        sums[conv] += torch.stack([values.sum(1), values.square().sum(1)])
        counts[conv] += values.shape[1]

    hooks = [conv.register_forward_hook(add) for conv in sums]
    with torch.no_grad():
        for part in strips.split(AT_ONCE):
            network(part)
        for conv, norm in pairs:
            mean, square = sums[conv] / counts[conv]
            spread = (square - mean.square()).clamp(min=0.0)
            gain, shift = _line(norm)
            norm.running_mean, norm.running_var = mean.float(), spread.float()
            norm.weight.copy_(gain * (spread + norm.eps).sqrt())
            norm.bias.copy_(shift + gain * mean)
    for hook in hooks:
        hook.remove()


def _line(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a normalisation does in evaluation: value times gain plus shift, float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return gain, norm.bias.double() - gain * norm.running_mean.double()


def normalised(network: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions, each with the normalisation that follows it, in the network's order."""
    layers = list(network.modules())
    for one, after in itertools.pairwise(layers):
        if isinstance(one, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            yield one, after


def in_order_of_run(network: nn.Module, example: Tensor) -> list[nn.Module]:
    """A network's convolutions, in the order in which they are run on ``example``."""
    run: list[nn.Module] = []
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [
        layer.register_forward_hook(lambda layer, _inputs, _output: run.append(layer))
        for layer in convolutions
    ]
    with torch.no_grad():
        network(example)
    for hook in hooks:
        hook.remove()
    return run


def fold_back(source: Path, network: nn.Module, example: Tensor) -> Folded:
    """Takes over an export's weights; gives the convolutions with their normalisations.

    Folded convolutions come in the order they are run. Each normalisation only adds the shift.

    Args:
        source: a float network written by ``models.training.export``.
        network: of the same layers, as new, in evaluation mode.
        example: a small input of the network.

    Raises:
        ValueError: the file has other layers.
    """
    model = onnx.load(str(source))
    arrays = {
        _own_name(value.name): torch.from_numpy(numpy_helper.to_array(value).copy())
        for value in model.graph.initializer
    }
    own = dict(network.named_parameters())
    folded = [
        [_own_name(name) for name in node.input]
        for node in model.graph.node
        if node.op_type == "Conv" and _own_name(node.input[1]) not in own
    ]
    norms = dict(normalised(network))
    run = [layer for layer in in_order_of_run(network, example) if layer in norms]
    pairs = [(layer, norms[layer]) for layer in run if isinstance(layer, nn.Conv2d)]
    if len(folded) != len(pairs):
        raise ValueError(f"{len(folded)} folded convolutions, the network has {len(pairs)}")
    with torch.no_grad():
        for name, parameter in own.items():
            if name in arrays:
                parameter.copy_(arrays[name])
        for (conv, norm), (_, weight, bias) in zip(pairs, folded, strict=True):
            conv.weight.copy_(arrays[weight])
            norm.bias.copy_(arrays[bias])
            assert norm.running_var is not None
            norm.running_var.fill_(1.0 - norm.eps)
    return pairs


def _own_name(exported: str) -> str:
    """A parameter's name in its network; an exported detector sits in ``export.Maps``."""
    return exported.removeprefix("network.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--shared", type=Path, help="folder of training data")
    options = parser.parse_args()
    recover(options.source, options.target, shared=options.shared)


if __name__ == "__main__":
    main()
