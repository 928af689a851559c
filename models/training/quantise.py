"""Makes int8 plate networks: python -m models.training.quantise FROM TO --shared DIR."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.catalogue import sha256_of
from models.letterbox import input_size
from models.loading import SOURCE_KEY
from models.plates.rectify import rectify
from models.session import open_session
from models.types import Image

STRIPS_AT_ONCE = 8
INT8_OPERATORS = ["Conv", "Relu", "Add"]
"""What the CPU's VNNI instructions speed up; the rest stays in float."""


class Pictures(CalibrationDataReader):
    """Feeds calibration inputs one by one, and can be asked for them again."""

    def __init__(self, name: str, inputs: list[NDArray[np.uint8]]) -> None:
        self._name, self._inputs = name, inputs
        self._left = iter(inputs)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next input by name, or None at the end."""
        value = next(self._left, None)
        return None if value is None else {self._name: value}

    def rewind(self) -> None:
        """Start again."""
        self._left = iter(self._inputs)


def quantise(source: Path, target: Path, *, shared: Path, count: int = 200) -> None:
    """Write the int8 variant of a detector or reader, calibrated on training pictures.

    Activations are unsigned, weights signed and per channel. The last convolutions before the
    outputs stay in float: they set scores and corners, and cost almost nothing. In the detector
    only what VNNI speeds up is changed, see ``dense_convolutions``.

    Args:
        source: network with the input ``images`` (detector) or ``plates`` (reader).
        target: file to write.
        shared: folder with ``train/plate_scenes`` and ``train/plate_crops``; never evaluation.
        count: pictures to calibrate with.
    """
    with open_session(source) as session:
        (name,) = session.input_shapes
    pictures = _scenes(shared) if name == "images" else _strips(shared)
    inputs = list(itertools.islice(pictures, count))
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        model = onnx.load(ready)
        detector = name == "images"
        quantize_static(
            str(ready),
            str(target),
            Pictures(name, inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv"] if detector else INT8_OPERATORS,
            nodes_to_quantize=dense_convolutions(model) if detector else None,
            nodes_to_exclude=last_convolutions(model),
            calibrate_method=CalibrationMethod.MinMax,
        )
    _keep_metadata(source, target)


def last_convolutions(model: Any) -> list[str]:
    """Names of the convolutions after which no other convolution comes."""
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node)

    def leads_to_another(node: Any) -> bool:
        waiting, seen = list(node.output), set()
        while waiting:
            value = waiting.pop()
            for reader in readers.get(value, []):
                if reader.op_type == "Conv":
                    return True
                if reader.name not in seen:
                    seen.add(reader.name)
                    waiting += reader.output
        return False

    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if not leads_to_another(node)]


def dense_convolutions(model: Any) -> list[str]:
    """Names of the convolutions that mix all their many channels.

    Depthwise ones have too few products per value to gain from VNNI, and neither has the first,
    whose three channels ONNX Runtime's float kernel takes as they are.
    """
    weights = {value.name: value.dims for value in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and weights[node.input[1]][1] > 3
    ]


def _keep_metadata(source: Path, target: Path) -> None:
    properties = onnx.load(source).metadata_props
    model = onnx.load(target)
    have = {entry.key for entry in model.metadata_props}
    for entry in properties:
        if entry.key not in have:
            model.metadata_props.add(key=entry.key, value=entry.value)
    model.metadata_props.add(key="quantised", value="int8, onnxruntime static")
    # Held against the float network's hash before use, so that a new one makes this one stale.
    model.metadata_props.add(key=SOURCE_KEY, value=sha256_of(source))
    onnx.save(model, target)


def _scenes(shared: Path) -> Iterator[NDArray[np.uint8]]:
    # Cameras stand in landscape, the training scenes in portrait: both shapes calibrate.
    for index, path in enumerate(_files(shared / "train" / "plate_scenes")):
        image = _read(path)
        if index % 2:
            image = image[: image.shape[1] * 9 // 16]
        size = input_size(image.shape[0], image.shape[1], 640)
        canvas = np.zeros((1, *size, 3), np.uint8)
        scale = min(1.0, size[0] / image.shape[0], size[1] / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        canvas[0, : small.shape[0], : small.shape[1]] = small[: size[0], : size[1]]
        yield canvas


def _strips(shared: Path) -> Iterator[NDArray[np.uint8]]:
    strips = []
    for path in _files(shared / "train" / "plate_crops"):
        image = _read(path)
        right, bottom = image.shape[1] - 1, image.shape[0] - 1
        corners = np.array([[[0, 0], [right, 0], [right, bottom], [0, bottom]]], np.float32)
        strips.append(rectify(image, corners, [1])[0])
        if len(strips) == STRIPS_AT_ONCE:
            yield np.stack(strips)
            strips = []


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix == ".jpg")
    # Shuffled the same every time: neighbours in a folder are often alike.
    return [files[index] for index in np.random.default_rng(0).permutation(len(files))]


def _read(path: Path) -> Image:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path} is not a picture")
    return np.asarray(image, np.uint8)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    asked = parser.parse_args()
    quantise(asked.source, asked.target, shared=asked.shared, count=asked.count)


if __name__ == "__main__":
    main()
