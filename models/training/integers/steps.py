"""Reads an exported float network as the few kinds of steps that integers can take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

CHANNELS_FIRST: Final = "Transpose"
BYTES_TO_FLOATS: Final = "Cast"
"""What every network begins with, and detectors with nothing else."""
TAKEN: Final = ("Conv", "Add", "Resize", "Relu")
"""ONNX operators that make up the steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A convolution, and whether what it gives is cut off at zero.

    Attributes:
        source, target: names of the values it reads and gives.
        weight: float32 (outputs, inputs / group, h, w).
        bias: float32 (outputs,).
        strides: down and across.
        pads: top, left, bottom, right.
        group: inputs are taken in so many separate parts.
        positive: it is followed by a ReLU.
    """

    source: str
    target: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    group: int
    positive: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """What it reads."""
        return (self.source,)


@dataclass(frozen=True, slots=True)
class Sum:
    """Two values of one shape added, and whether the result is cut off at zero."""

    sources: tuple[str, str]
    target: str
    positive: bool = False


@dataclass(frozen=True, slots=True)
class Doubling:
    """Every value of a map repeated, two high and two wide."""

    source: str
    target: str

    @property
    def sources(self) -> tuple[str, ...]:
        """What it reads."""
        return (self.source,)


Step = Convolution | Sum | Doubling


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A network: some nodes in floats, steps that integers can take, some nodes in floats again.

    Attributes:
        before: ONNX nodes from bytes (N, H, W, 3) to the first step.
        start: name of what the first step reads, (N, 3, H, W).
        taken: the steps, in order.
        after: ONNX nodes behind the steps; none in a detector.
        answers: names of what steps hand on to ``after`` or out of the network.
        model: the ONNX file that all this comes from.
    """

    before: tuple[Any, ...]
    start: str
    taken: tuple[Step, ...]
    after: tuple[Any, ...]
    answers: tuple[str, ...]
    model: Any

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Those of the steps, in order."""
        return tuple(step for step in self.taken if isinstance(step, Convolution))

    @property
    def of_bytes(self) -> bool:
        """Whether the first step reads the pictures' bytes as they are."""
        return [node.op_type for node in self.before] == [CHANNELS_FIRST, BYTES_TO_FLOATS]

    @property
    def maps(self) -> tuple[str, ...]:
        """Those of the answers that come as they are out of a convolution without ReLU."""
        last = {step.target for step in self.convolutions if not step.positive}
        return tuple(name for name in self.answers if name in last)

    def is_byte(self, step: Step) -> bool:
        """Whether what a step gives is a byte with a size of its own.

        Maps stay floats, and what is only repeated has its size already.
        """
        return not isinstance(step, Doubling) and step.target not in self.maps

    def leading_to(self, answers: Iterable[str]) -> tuple[Step, ...]:
        """The steps without which these answers could not be given, in order."""
        wanted, found = set(answers), []
        for step in reversed(self.taken):
            if step.target in wanted:
                wanted.update(step.sources)
                found.append(step)
        return tuple(found[::-1])

    def never_negative(self) -> set[str]:
        """Names of values that cannot be below zero."""
        known = {self.start} if self.of_bytes else set()
        for step in self.taken:
            cut = not isinstance(step, Doubling) and step.positive
            if cut or (not isinstance(step, Convolution) and known.issuperset(step.sources)):
                known.add(step.target)
        return known


def read_steps(path: Path) -> Steps:
    """The steps of a network written by ``models.training.export``.

    Raises:
        ValueError: it has no convolutions.
    """
    model = onnx.load(str(path))
    graph = model.graph
    nodes = list(graph.node)
    first = next((place for place, node in enumerate(nodes) if node.op_type == "Conv"), None)
    if first is None:
        raise ValueError(f"{path}: has no convolutions that integers could take")
    before, others = nodes[:first], nodes[first:]
    after = _behind(others)
    arrays = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    taken = tuple(_steps([node for node in others if node not in after], arrays))
    read = {name for node in after for name in node.input} | {one.name for one in graph.output}
    return Steps(
        before=tuple(before),
        start=nodes[first].input[0],
        taken=taken,
        after=tuple(after),
        answers=tuple(step.target for step in taken if step.target in read),
        model=model,
    )


def _behind(nodes: Sequence[Any]) -> list[Any]:
    """Nodes that are no steps, and all that read what they give."""
    behind: list[Any] = []
    given: set[str] = set()
    for node in nodes:
        constant = node.op_type == "Constant"
        if (not constant and node.op_type not in TAKEN) or given.intersection(node.input):
            behind.append(node)
            given.update(node.output)
    # Constants belong to whoever reads them; of steps only doubling does, always by two.
    wanted = {name for node in behind for name in node.input}
    constants = [node for node in nodes if node.op_type == "Constant" and node.output[0] in wanted]
    return [*constants, *behind]


def _steps(nodes: Sequence[Any], arrays: dict[str, NDArray[Any]]) -> Iterator[Step]:
    cut = {node.input[0]: node.output[0] for node in nodes if node.op_type == "Relu"}
    for node in nodes:
        if node.op_type in ("Relu", "Constant"):
            continue
        step = _step(node, arrays)
        if not isinstance(step, Doubling) and step.target in cut:
            step = replace(step, target=cut[step.target], positive=True)
        yield step


def _step(node: Any, arrays: dict[str, NDArray[Any]]) -> Step:
    (target,) = node.output
    if node.op_type == "Add":
        one, other = node.input
        return Sum((one, other), target)
    if node.op_type == "Resize":
        return Doubling(node.input[0], target)
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    source, weight, bias = node.input
    return Convolution(
        source=source,
        target=target,
        weight=arrays[weight],
        bias=arrays[bias],
        strides=tuple(given["strides"]),
        pads=tuple(given["pads"]),
        group=given["group"],
    )
