"""Finds what one step of each value's byte should mean, from what the float network computes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.session import Session, open_session
from models.training.integers.steps import Convolution, Steps

WEIGHT_STEPS: Final = 64
"""Weights go from -64 to 64 steps: two products of them and a byte fit into the 16 bits in which
CPUs without VNNI add them up."""
LAST: Final = 255
"""The largest byte."""
CUTS: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Shares of a value's largest size at which it might be cut off, so that its steps are finer."""
EVERY: Final = 7
"""Of the numbers of a value every so manieth is tried."""
QUIET: Final = 1e-3
"""Size of a value that is zero on all pictures that were looked at."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What bytes stand for.

    Attributes:
        sizes: of one step of each value, by name; what is doubled has that of its source.
        positive: names of values that are never negative: their bytes begin at zero, those of
            the others in the middle.
    """

    sizes: Mapping[str, float]
    positive: frozenset[str]

    def zero(self, name: str) -> int:
        """The byte that stands for zero."""
        return _zero(name in self.positive)

    @staticmethod
    def of_weights(step: Convolution) -> NDArray[np.float32]:
        """What one step of a convolution's weights means, float32 (outputs,)."""
        largest = np.abs(step.weight).reshape(len(step.weight), -1).max(1)
        return np.asarray(np.maximum(largest, 1e-9) / WEIGHT_STEPS, np.float32)

    @staticmethod
    def whole_weights(step: Convolution) -> NDArray[np.float32]:
        """A convolution's weights in whole steps, -64 to 64."""
        per_output = Scales.of_weights(step)[:, None, None, None]
        return np.round(step.weight / per_output).astype(np.float32)


def find_scales(steps: Steps, pictures: Sequence[NDArray[np.uint8]]) -> Scales:
    """The sizes of steps with which values lose least, in squares, over some pictures.

    Args:
        steps: of the float network.
        pictures: inputs of the network, as it takes them.
    """
    positive = frozenset(steps.never_negative())
    names = [step.target for step in steps.taken if steps.is_byte(step)]
    names += [] if steps.of_bytes else [steps.start]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all_values.onnx"
        onnx.save(_telling(steps.model, names), path)
        with open_session(path) as session:
            # Twice through the pictures: all their values would not fit into memory.
            largest = _largest(names, _values(session, pictures))
            errors = {name: np.zeros(len(CUTS)) for name in names}
            for values in _values(session, pictures):
                for name in names:
                    errors[name] += _errors(values[name], largest[name], name in positive)
    sizes = {
        name: CUTS[int(errors[name].argmin())] * largest[name] / (LAST - _zero(name in positive))
        for name in names
    }
    if steps.of_bytes:
        sizes[steps.start] = 1.0
    return Scales(sizes, positive)


def _telling(model: Any, names: Iterable[str]) -> Any:
    """The network with these values among its outputs."""
    own = onnx.ModelProto()
    own.CopyFrom(model)
    have = {one.name for one in own.graph.output}
    for name in names:
        if name not in have:
            own.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return own


def _values(
    session: Session, pictures: Iterable[NDArray[np.uint8]]
) -> Iterable[Mapping[str, NDArray[np.float32]]]:
    (name,) = session.input_shapes
    return (session.run({name: picture}) for picture in pictures)


def _largest(
    names: Iterable[str], seen: Iterable[Mapping[str, NDArray[np.float32]]]
) -> dict[str, float]:
    found = dict.fromkeys(names, QUIET)
    for values in seen:
        for name, before in found.items():
            found[name] = max(before, float(np.abs(values[name]).max()))
    return found


def _zero(positive: bool) -> int:
    """The byte that stands for zero in a value that is never negative, or may be."""
    return 0 if positive else 128


def _errors(value: NDArray[np.float32], largest: float, positive: bool) -> NDArray[np.float64]:
    """What a value loses by each of the cuts, in squares."""
    zero = _zero(positive)
    tried = value.ravel()[::EVERY]
    lost = np.zeros(len(CUTS))
    for place, cut in enumerate(CUTS):
        size = cut * largest / (LAST - zero)
        held = np.clip(np.round(tried / size), -zero, LAST - zero) * size
        lost[place] = np.square(tried - held, dtype=np.float64).sum()
    return lost
