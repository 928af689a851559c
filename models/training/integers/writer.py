"""Writes a network in integers as ONNX: 8 bits and channels last all the way.

ONNX Runtime's own quantiser leaves it to the optimiser how values lie in memory. Depthwise
layers, sums and the first layer then stay in floats, and half of the time goes into turning one
kind into the other. Here every value between the first layer and the answers is bytes (N, h, w, c).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.training.integers.scales import Scales
from models.training.integers.steps import (
    CHANNELS_FIRST,
    Convolution,
    Doubling,
    Steps,
    Sum,
)

OPSET: Final = 17
CONTRIBUTED: Final = "com.microsoft"
"""Domain of ONNX Runtime's own operators, described in its docs/ContribOperators.md."""
TOGETHER: Final = 4
"""Pixels of a row that the first layer takes as one with so many times three channels."""
IN_ANY_ORDER: Final = frozenset(
    {"Cast", "Constant", "ReduceMean", "Sub", "Mul", "Sqrt", "Add", "Div"}
)
"""What may be done before the first layer whichever way pixels and channels lie; means are
those over a whole picture."""


class Writer:
    """Builds the graph of one network, for one call of ``write``.

    Args:
        steps: of the float network.
        scales: what bytes stand for.
    """

    def __init__(self, steps: Steps, scales: Scales) -> None:
        self._steps, self._scales = steps, scales
        self._given = {value.name: value for value in steps.model.graph.initializer}
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._doubled: dict[str, str] = {}
        self._named: dict[str, str] = {}

    def write(self, target: Path, notes: dict[str, str]) -> None:
        """Writes the file, with ``notes`` as its metadata beside those of the float network."""
        self._begin()
        for step in self._steps.taken:
            match step:
                case Convolution() if step.target in self._steps.maps:
                    self._map(step)
                case Convolution() if step.source == self._steps.start:
                    self._named[step.target] = self._first(step)
                case Convolution():
                    source, weight = self._named[step.source], Scales.whole_weights(step)
                    self._named[step.target] = self._convolve(step, source, weight)
                case Sum():
                    self._named[step.target] = self._add(step)
                case Doubling():
                    self._doubled[step.target] = step.source
        self._end()
        model = self._model(notes)
        onnx.checker.check_model(model)
        onnx.save(model, str(target))

    def _model(self, notes: dict[str, str]) -> Any:
        old = self._steps.model
        graph = helper.make_graph(
            self._nodes,
            old.graph.name,
            old.graph.input,
            old.graph.output,
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=old.ir_version)
        kept = {entry.key: entry.value for entry in old.metadata_props}
        helper.set_model_props(model, {**kept, **notes})
        return model

    def _begin(self) -> None:
        """What comes before the first layer, with channels left where they are: last."""
        (pictures,) = (one.name for one in self._steps.model.graph.input)
        if self._steps.of_bytes:
            self._named[self._steps.start] = pictures
            return
        turned = {}
        for node in self._steps.before:
            if node.op_type == CHANNELS_FIRST:
                turned[node.output[0]] = node.input[0]
            elif node.op_type in IN_ANY_ORDER:
                self._copy(node, turned)
            else:
                raise ValueError(f"{node.name}: {node.op_type} before the first layer")
        scale, zero = self._zero_point(self._steps.start)
        start = f"{self._steps.start}_bytes"
        self._named[self._steps.start] = self._node(
            "QuantizeLinear", [self._steps.start, scale, zero], start
        )

    def _end(self) -> None:
        """What comes after the last layers, as it is, from floats with channels first."""
        for name in self._steps.answers:
            if name not in self._steps.maps:
                value = [self._named[name], *self._zero_point(name)]
                wide = self._node("DequantizeLinear", value, f"{name}_floats")
                self._node("Transpose", [wide], name, perm=[0, 3, 1, 2])
        for node in self._steps.after:
            self._copy(node, {})

    def _copy(self, node: Any, renamed: dict[str, str]) -> None:
        """Takes over a node with the constants that it reads."""
        own = type(node)()
        own.CopyFrom(node)
        for place, name in enumerate(node.input):
            own.input[place] = renamed.get(name, name)
            if name in self._given:
                self._constants[name] = self._given[name]
        self._nodes.append(own)

    def _first(self, step: Convolution) -> str:
        """The first layer: three channels are too few for integers, those of four pixels not.

        That a row's pixels lie one after the other makes four of them one pixel of twelve
        channels, and two pixels of the result one of twice as many, without a byte being moved.
        """
        if step.weight.shape[1:] != (3, 3, 3) or step.strides != (2, 2) or step.pads != (1,) * 4:
            raise ValueError(f"{step.target}: not 3x3 of three channels, every second pixel")
        weight = taken_together(Scales.whole_weights(step))
        blocks = replace(step, strides=(2, 1), pads=(1, 1, 0, 0))
        shape = [0, 0, -1, TOGETHER * 3]
        source = self._reshape(self._named[step.source], f"{step.target}_in", shape)
        given = self._convolve(blocks, source, weight)
        return self._reshape(given, f"{step.target}_out", [0, 0, -1, len(step.bias)])

    def _convolve(self, step: Convolution, source: str, weight: NDArray[np.float32]) -> str:
        """A convolution of the bytes called ``source`` by whole weights, laid out as those are."""
        per_output = Scales.of_weights(step)
        bias = np.round(step.bias / (self._scales.sizes[step.source] * per_output))
        copies = len(weight) // len(bias)
        inputs = [
            source,
            *self._zero_point(step.source),
            self._constant(f"{step.target}_weight", weight.astype(np.int8)),
            self._constant(f"{step.target}_weight_scale", np.tile(per_output, copies)),
            self._constant(f"{step.target}_weight_zero", np.zeros(len(weight), np.int8)),
            *self._zero_point(step.target),
            self._constant(f"{step.target}_bias", np.tile(bias, copies).astype(np.int32)),
        ]
        return self._node(
            "QLinearConv",
            inputs,
            f"{step.target}_bytes",
            domain=CONTRIBUTED,
            channels_last=1,
            kernel_shape=weight.shape[2:],
            strides=step.strides,
            pads=step.pads,
            group=step.group,
        )

    def _add(self, step: Sum) -> str:
        one, other = step.sources
        inputs = [*self._operand(one, like=other), *self._operand(other, like=one)]
        inputs += self._zero_point(step.target)
        return self._node("QLinearAdd", inputs, f"{step.target}_bytes", domain=CONTRIBUTED)

    def _operand(self, name: str, *, like: str) -> list[str]:
        """A value with its scale and zero; a doubled one is made as large as ``like`` here."""
        if name not in self._doubled:
            return [self._named[name], *self._zero_point(name)]
        small = self._named[self._doubled[name]]
        wide = self._node("Concat", [small, small], f"{name}_wide", axis=3)
        rows = self._reshape(wide, f"{name}_rows", [0, 0, 1, -1])
        both = self._node("Concat", [rows, rows], f"{name}_both", axis=2)
        shape = self._node("Shape", [self._named[like]], f"{name}_shape")
        large = self._node("Reshape", [both, shape], f"{name}_bytes")
        return [large, *self._zero_point(self._doubled[name])]

    def _map(self, step: Convolution) -> None:
        """A map in floats, exact to a part of a step; 1x1, so that it is a product of matrices."""
        if step.weight.shape[2:] != (1, 1):
            raise ValueError(f"{step.target}: a map from more than one pixel each")
        weight = Scales.whole_weights(step)[..., 0, 0].T.astype(np.int8)
        per_output = Scales.of_weights(step)
        scale, zero = self._zero_point(step.source)
        inputs = [
            self._named[step.source],
            self._constant(f"{step.target}_weight", np.ascontiguousarray(weight)),
            scale,
            self._constant(f"{step.target}_weight_scale", per_output),
            zero,
            self._constant(f"{step.target}_weight_zero", np.zeros(len(per_output), np.int8)),
            self._constant(f"{step.target}_bias", step.bias),
        ]
        wide = self._node(
            "MatMulIntegerToFloat", inputs, f"{step.target}_floats", domain=CONTRIBUTED
        )
        self._node("Transpose", [wide], step.target, perm=[0, 3, 1, 2])

    def _zero_point(self, name: str) -> list[str]:
        """Names of a value's scale and of the byte that stands for zero."""
        return [
            self._constant(f"{name}_scale", np.array(self._scales.sizes[name], np.float32)),
            self._constant(f"{name}_zero", np.array(self._scales.zero(name), np.uint8)),
        ]

    def _reshape(self, source: str, target: str, shape: list[int]) -> str:
        sizes = self._constant(f"{target}_shape", np.array(shape, np.int64))
        return self._node("Reshape", [source, sizes], target)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def _node(self, kind: str, inputs: list[str], target: str, **given: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [target], name=target, **given))
        return target


def taken_together(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights of a first layer that reads ``TOGETHER`` pixels as one, and gives half as many.

    Args:
        weight: (outputs, 3, 3, 3), taken at every second pixel with a border of one.

    Returns:
        (outputs * 2, 12, 3, 2): at every second row and every block of four pixels, of which
        there is one more to the left; channels are pixel by pixel, and so are the outputs.
    """
    outputs, channels, rows, columns = weight.shape
    results = TOGETHER // 2
    wide = np.zeros((results, outputs, 2, TOGETHER, channels, rows), np.float32)
    for result in range(results):
        for column in range(columns):
            # Counted from the block to the left, the border of one included.
            block, pixel = divmod(TOGETHER + 2 * result - 1 + column, TOGETHER)
            wide[result, :, block, pixel] = weight[..., column]
    flat = wide.reshape(results * outputs, 2, TOGETHER * channels, rows)
    return np.ascontiguousarray(flat.transpose(0, 2, 3, 1))
