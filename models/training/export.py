"""Writes trained checkpoints as the ONNX files of models/weights.

python -m models.training.export reader CHECKPOINT models/weights/plate_reader.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import onnx
import torch
from torch import Tensor, nn

from models.face_decode import SPAN
from models.plates.alphabet import CHARACTERS
from models.plates.grammar import PlateColour
from models.training.detector_net import REACH, STRIDES, PlateDetectorNet
from models.training.faces.net import FacePlateNet
from models.training.reader_net import PlateReaderNet
from models.training.schedule import load_checkpoint

OPSET: Final = 17
LARGEST_BYTES: Final = 3_000_000


class Maps(nn.Module):
    """A detector without the part that its user does for a few cells only."""

    def __init__(self, network: PlateDetectorNet | FacePlateNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.network.maps(images)


def export_reader(checkpoint: Path, target: Path) -> None:
    """Writes the reader with its averaged weights."""
    parts = load_checkpoint(checkpoint, "cpu")
    network = PlateReaderNet()
    network.load_state_dict(parts["average"])
    _write(
        network.eval(),
        torch.zeros(2, 48, 160, 3, dtype=torch.uint8),
        target,
        names=(["plates"], ["characters", "colours", "offsets"]),
        axes={name: {0: "n"} for name in ("plates", "characters", "colours", "offsets")},
        notes={
            "alphabet": CHARACTERS,
            "colours": ",".join(PlateColour),
            "steps": str(parts["step"]),
        },
    )


def export_detector(checkpoint: Path, target: Path) -> None:
    """Writes the detector with its averaged weights and its input scale folded in."""
    parts = load_checkpoint(checkpoint, "cpu")
    network = PlateDetectorNet()
    network.load_state_dict(parts["average"])
    network.fold_input_scale()
    _write_maps(network, target, kinds=("map",), notes={"reach": str(REACH)}, steps=parts["step"])


def export_faces(checkpoint: Path, target: Path) -> None:
    """Writes the detector of faces and plates with the averaged weights of its face head.

    Of a student's checkpoint only the network is taken, not what compares it with its teacher.
    """
    parts = load_checkpoint(checkpoint, "cpu")
    own = {
        name.removeprefix("network."): value
        for name, value in parts["average"].items()
        if name.startswith("network.")
    }
    plates = PlateDetectorNet()
    plates.input_scale = 1.0
    network = FacePlateNet(plates)
    network.load_state_dict(own or parts["average"])
    notes = {"reach": str(REACH), "span": str(SPAN)}
    _write_maps(network, target, kinds=("map", "face"), notes=notes, steps=parts["step"])


def _write_maps(
    network: PlateDetectorNet | FacePlateNet,
    target: Path,
    *,
    kinds: tuple[str, ...],
    notes: dict[str, str],
    steps: int,
) -> None:
    """Writes a detector whose outputs are maps of each kind on each stride."""
    outputs = [f"{kind}_{stride}" for kind in kinds for stride in STRIDES]
    axes = {name: {0: "n", 2: f"{name}_h", 3: f"{name}_w"} for name in outputs}
    _write(
        Maps(network).eval(),
        torch.zeros(2, 128, 160, 3, dtype=torch.uint8),
        target,
        names=(["images"], outputs),
        axes={"images": {0: "n", 1: "h", 2: "w"}, **axes},
        notes={"strides": ",".join(map(str, STRIDES)), **notes, "steps": str(steps)},
    )


def _write(
    network: nn.Module,
    example: Tensor,
    target: Path,
    *,
    names: tuple[list[str], list[str]],
    axes: dict[str, dict[int, str]],
    notes: dict[str, str],
) -> None:
    torch.onnx.export(
        network,
        (example,),
        str(target),
        input_names=names[0],
        output_names=names[1],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(target))
    notes = {"version": "1", "licence": "Apache-2.0", **notes}
    for key, value in notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, str(target))
    size = target.stat().st_size
    if size > LARGEST_BYTES:
        raise ValueError(f"{target}: {size} bytes, more than the {LARGEST_BYTES} allowed")
    print(f"{target}: {size} bytes, after {notes['steps']} steps")


def main() -> None:
    """Parses the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    exports = {"reader": export_reader, "detector": export_detector, "faces": export_faces}
    parser.add_argument("network", choices=sorted(exports))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    exports[options.network](options.checkpoint, options.target)


if __name__ == "__main__":
    main()
