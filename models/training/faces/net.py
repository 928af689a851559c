"""The face head on the plate detector's trunk: one pass over a picture for faces and plates."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from models.training.detector_net import STRIDES, PlateDetectorNet, Separable, unit

CHANNELS: Final = 15
"""Of a face map: score, left, top, right, bottom, and x and y of five landmarks."""
SPAN: Final = 4.0
"""Sides and landmarks are predicted in units of ``SPAN`` strides from the cell's centre."""


class Answer(nn.Module):
    """What every cell of one stride says of faces, (N, 15, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = Separable(channels, kernel=5)
        self.out = nn.Conv2d(channels, CHANNELS, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            self.out.bias.zero_()
            self.out.bias[0] = -4.0

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x))


class FaceHead(nn.Module):
    """Faces from the trunk's maps of strides 8, 16 and 32 before they are merged.

    It has layers of its own on each stride: what tells plates apart is not what tells faces apart.
    """

    def __init__(self, trunk: tuple[int, int, int], own: tuple[int, int, int]) -> None:
        super().__init__()
        (a, b, c), (d, e, f) = trunk, own
        self.take = nn.ModuleList(
            [unit(a, d, kernel=1), unit(b, e, kernel=1), unit(c, f, kernel=1)]
        )
        self.on = nn.ModuleList([unit(d, e, stride=2), unit(e, f, stride=2)])
        self.eight = nn.Sequential(Separable(d), Separable(d))
        self.sixteen = nn.Sequential(Separable(e), Separable(e))
        self.thirtytwo = nn.Sequential(Separable(f, kernel=5), Separable(f, kernel=5))
        self.down = nn.ModuleList([unit(f, e, kernel=1), unit(e, d, kernel=1)])
        self.merge = nn.ModuleList([Separable(e), Separable(d)])
        self.answers = nn.ModuleList([Answer(d), Answer(e), Answer(f)])

    def forward(self, eight: Tensor, sixteen: Tensor, top: Tensor) -> list[Tensor]:
        eight = self.eight(self.take[0](eight))
        sixteen = self.sixteen(self.take[1](sixteen) + self.on[0](eight))
        top = self.thirtytwo(self.take[2](top) + self.on[1](sixteen))
        sixteen = self.merge[0](sixteen + _twice(self.down[0](top)))
        eight = self.merge[1](eight + _twice(self.down[1](sixteen)))
        return [answer(x) for answer, x in zip(self.answers, (eight, sixteen, top), strict=True)]


class FacePlateNet(nn.Module):
    """The plate detector, untouched, with a face head on it.

    Args:
        plates: a trained detector.
        fixed: whether it stays as it is, so that its plates are the same to the last bit.
    """

    def __init__(self, plates: PlateDetectorNet, *, fixed: bool = True) -> None:
        super().__init__()
        self.plates, self._fixed = plates, fixed
        if fixed:
            plates.requires_grad_(False)
        self.faces = FaceHead((48, 64, 96), (48, 64, 96))

    def train(self, mode: bool = True) -> FacePlateNet:
        """As any module's; a fixed trunk keeps its means and spreads."""
        super().train(mode)
        if self._fixed:
            self.plates.eval()
        return self

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Plate maps and face maps of strides 8, 16 and 32, (N, 10 and 15, h, w).

        Args:
            images: uint8 (N, H, W, 3) BGR, H and W multiples of 32.
        """
        trunk = self.plates.trunk(images)
        return (*self.plates.answers(*trunk), *self.faces(*trunk))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of A cells: score logits (N, A), sides (N, A, 4) and landmarks (N, A, 10) in pixels."""
        if self._fixed:
            with torch.no_grad():
                trunk = self.plates.trunk(images)
        else:
            trunk = self.plates.trunk(images)
        scores, sides, marks = [], [], []
        for level, stride in zip(self.faces(*trunk), STRIDES, strict=True):
            out = level.permute(0, 2, 3, 1).float()
            centres = _centres(out, stride)
            reach = SPAN * stride
            scores.append(out[..., 0].flatten(1))
            sides.append((out[..., 1:5] * reach + centres.repeat(1, 1, 1, 2)).flatten(1, 2))
            marks.append((out[..., 5:] * reach + centres.repeat(1, 1, 1, 5)).flatten(1, 2))
        return torch.cat(scores, 1), torch.cat(sides, 1), torch.cat(marks, 1)


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _centres(grid: Tensor, stride: int) -> Tensor:
    """Cell centres in pixels, (1, h, w, 2)."""
    y, x = (torch.arange(length, device=grid.device) + 0.5 for length in grid.shape[1:3])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)[None] * stride
