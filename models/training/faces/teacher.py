"""What YuNet makes of training pictures: every cell's answer, and the features behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from config.errors import UserError
from models.face_decode import STRIDES
from models.session import open_session

FEATURES: Final = 64
"""Channels of its features, on every stride."""
CLEAR: Final = 1e-4
"""Scores are kept so far from 0 and 1 that their logits stay within 9.3."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What should be said of N pictures, with A the cells of strides 8, 16 and 32 in that order.

    Attributes:
        scores: logits (N, A).
        sides: left, top, right, bottom (N, A, 4) in pixels.
        marks: five landmarks (N, A, 10) in pixels.
        features: of each stride, (N, 64, h, w), none negative.
    """

    scores: Tensor
    sides: Tensor
    marks: Tensor
    features: tuple[Tensor, ...]

    @property
    def parts(self) -> tuple[NDArray[np.float32], ...]:
        """All of it, to be stacked with those of other pictures; ``of`` puts it together."""
        return tuple(part.numpy() for part in (self.scores, self.sides, self.marks, *self.features))

    @classmethod
    def of(cls, parts: Sequence[Tensor]) -> Lesson:
        """A lesson from its parts."""
        scores, sides, marks, *features = parts
        return cls(scores, sides, marks, tuple(features))


class Teacher:
    """YuNet-n as libfacedetection.train exports it, with its insides as outputs too.

    Args:
        path: the ONNX file, ``menshen models pull yunet-n``.

    Raises:
        UserError: it is another network.
    """

    def __init__(self, path: Path) -> None:
        model = onnx.load(str(path))
        maker = {name: node for node in model.graph.node for name in node.output}
        self._names: list[list[str]] = []
        try:
            for stride in STRIDES:
                maps = [
                    _before(maker, f"{kind}_{stride}", "Transpose")
                    for kind in ("cls", "obj", "bbox", "kps")
                ]
                # A map is a pointwise and a depthwise convolution away from the features.
                features = maker[maker[maps[0]].input[0]].input[0]
                self._names.append([*maps, features])
        except (KeyError, IndexError):
            raise UserError(
                where=str(path),
                problem="has other layers than YuNet-n",
                remedy="run: menshen models pull yunet-n",
            ) from None
        for names in self._names:
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        with TemporaryDirectory() as folder:
            whole = Path(folder) / path.name
            onnx.save(model, str(whole))
            self._session = open_session(whole)

    def teach(self, pictures: NDArray[np.uint8]) -> Lesson:
        """Looks at pictures (N, H, W, 3) BGR; H and W are multiples of 32."""
        planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        said = self._session.run({"input": planes})
        levels = [
            _cells([torch.from_numpy(said[name]) for name in names[:4]], stride)
            for names, stride in zip(self._names, STRIDES, strict=True)
        ]
        scores, sides, marks = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
        features = tuple(torch.from_numpy(said[names[4]]) for names in self._names)
        return Lesson(scores, sides, marks, features)

    def teach_smaller(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Lesson]:
        """Four pictures (4, S, S, 3) as one of half their size, and what they are taught as.

        A face too small for the teacher is found by it at twice the size, one stride higher: what
        it says there of strides 16 and 32 is what should be said here of 8 and 16. Noise is what
        it sees through better at half the size, so each cell has the surer of its two answers.

        Returns:
            uint8 (S, S, 3) and the lesson of that one picture.
        """
        half = pictures.shape[1] // 2
        small = [cv2.resize(one, (half, half), interpolation=cv2.INTER_AREA) for one in pictures]
        rows = np.concatenate(small[:2], 1), np.concatenate(small[2:], 1)
        picture = np.asarray(np.concatenate(rows), np.uint8)
        large, own = self.teach(pictures), self.teach(picture[None])
        corner = torch.tensor([[0, 0], [half, 0], [0, half], [half, half]], dtype=torch.float32)
        scores = _one_stride_lower(large.scores[..., None], own.scores[..., None], half)[..., 0]
        sides = large.sides / 2 + corner.repeat(1, 2)[:, None]
        marks = large.marks / 2 + corner.repeat(1, 5)[:, None]
        surer = (scores > own.scores)[..., None]
        lesson = Lesson(
            torch.maximum(scores, own.scores),
            torch.where(surer, _one_stride_lower(sides, own.sides, half), own.sides),
            torch.where(surer, _one_stride_lower(marks, own.marks, half), own.marks),
            own.features,
        )
        return picture, lesson


def _one_stride_lower(large: Tensor, own: Tensor, half: int) -> Tensor:
    """What four pictures' cells say (4, A, c), laid 2 by 2 as if they were half as large.

    Their strides 16 and 32 become 8 and 16; what is left of ``own`` (1, A, c) is its stride 32.
    """
    laid = []
    _, *higher = large.split([(2 * half // stride) ** 2 for stride in STRIDES], 1)
    for level, stride in zip(higher, STRIDES[1:], strict=True):
        cells = 2 * half // stride
        grid = level.reshape(2, 2, cells, cells, -1).permute(0, 2, 1, 3, 4)
        laid.append(grid.reshape(1, 4 * cells * cells, -1))
    return torch.cat([*laid, own[:, sum(part.shape[1] for part in laid) :]], 1)


def _before(maker: dict[str, onnx.NodeProto], name: str, kind: str) -> str:
    """What the node of that kind on the way to the output ``name`` was given."""
    node = maker[name]
    while node.op_type != kind:
        node = maker[node.input[0]]
    return str(node.input[0])


def _cells(maps: Sequence[Tensor], stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (N, c, h, w) of one stride, decoded as ``models.face_decode.decode_yunet`` does."""
    kinds, objects, boxes, marks = maps
    height, width = kinds.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    corner = torch.stack([x, y], 2).float()
    score = (kinds.sigmoid() * objects.sigmoid()).sqrt().clamp(CLEAR, 1 - CLEAR).logit()
    boxes, marks = boxes.permute(0, 2, 3, 1), marks.permute(0, 2, 3, 1)
    centre = (boxes[..., :2] + corner) * stride
    half = boxes[..., 2:].clamp(max=6.0).exp() * stride / 2
    sides = torch.cat([centre - half, centre + half], 3)
    points = (marks + corner.repeat(1, 1, 5)) * stride
    return score.flatten(1), sides.flatten(1, 2), points.flatten(1, 2)
