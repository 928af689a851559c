"""The plate detector network: anchor-free, four corners, score and row count on three strides."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

STRIDES: Final = (8, 16, 32)
REACH: Final = 4.0
"""Corner offsets are predicted in units of ``REACH`` strides, which keeps them near one."""


def unit(inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """Depthwise then pointwise convolution beside an identity: depth at little cost."""

    def __init__(self, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Head(nn.Module):
    """What every cell of one stride says, (N, outputs, h, w); its score comes first.

    Of plates score (1), corners (8) and double-row (1).
    """

    def __init__(self, channels: int, outputs: int = 10) -> None:
        super().__init__()
        self.body = Separable(channels, kernel=5)
        self.out = nn.Conv2d(channels, outputs, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            self.out.bias.zero_()
            self.out.bias[0] = -4.0

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x))


class PlateDetectorNet(nn.Module):
    """Pictures in, plate candidates of every cell out.

    Input: ``images`` uint8 (N, H, W, 3) BGR, H and W multiples of 32. Outputs, with A the number
    of cells of strides 8, 16 and 32 in that order: score logits (N, A), corners (N, A, 8) in
    input pixels (left-top, right-top, right-bottom, left-bottom), double-row logits (N, A).
    """

    def __init__(self, channels: tuple[int, int, int, int, int] = (16, 32, 48, 64, 96)) -> None:
        super().__init__()
        a, b, c, d, e = channels
        self.input_scale = 1 / 64
        self.stem = nn.Sequential(unit(3, a, stride=2), unit(a, b, stride=2))
        self.eight = nn.Sequential(unit(b, c, stride=2), Separable(c), Separable(c))
        self.sixteen = nn.Sequential(unit(c, d, stride=2), unit(d, d), Separable(d))
        self.thirtytwo = nn.Sequential(
            unit(d, e, stride=2), Separable(e, kernel=5), Separable(e, kernel=5)
        )
        self.down = nn.ModuleList([unit(e, d, kernel=1), unit(d, c, kernel=1)])
        self.merge = nn.ModuleList([Separable(d), Separable(c)])
        self.heads = nn.ModuleList([Head(c), Head(d), Head(e)])

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """What each stride says of its cells, (N, 10, h, w): score, 8 corners, double-row.

        Scores and rows are logits, corners offsets from the cell's centre in units of ``REACH``
        strides. This is all that the exported network does: of thousands of cells a handful
        matter, and those are worked out after it.
        """
        return self.answers(*self.trunk(self.first(images)))

    def first(self, images: Tensor) -> Tensor:
        """Features of stride 4, (N, 32, h, w): edges and colours."""
        x = images.permute(0, 3, 1, 2).to(self.stem[0][0].weight.dtype)
        if self.input_scale != 1.0:
            x = x * self.input_scale
        return self.stem(x)

    def trunk(self, first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of strides 8, 16 and 32, (N, c, h, w), before they are merged."""
        eight = self.eight(first)
        sixteen = self.sixteen(eight)
        return eight, sixteen, self.thirtytwo(sixteen)

    def answers(self, eight: Tensor, sixteen: Tensor, top: Tensor) -> tuple[Tensor, ...]:
        """What ``maps`` gives, from the trunk's features."""
        eight, sixteen = merged(self.down, self.merge, (eight, sixteen, top))
        first, second, third = self.heads
        return first(eight), second(sixteen), third(top)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, corners, rows = [], [], []
        for level, stride in zip(self.maps(images), STRIDES, strict=True):
            out = level.permute(0, 2, 3, 1).float()
            scores.append(out[..., 0].flatten(1))
            offsets = out[..., 1:9] * (REACH * stride)
            centres = centres_of(out, stride).repeat(1, 1, 1, 4)
            corners.append((offsets + centres).flatten(1, 2))
            rows.append(out[..., 9].flatten(1))
        return torch.cat(scores, 1), torch.cat(corners, 1), torch.cat(rows, 1)

    def fold_input_scale(self) -> None:
        """Moves the input scaling into the first convolution, which costs nothing at run time."""
        with torch.no_grad():
            self.stem[0][0].weight.mul_(self.input_scale)
        self.input_scale = 1.0


def merged(
    down: nn.ModuleList, merge: nn.ModuleList, features: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Features of strides 8 and 16 that know what the coarser strides saw."""
    eight, sixteen, top = features
    sixteen = merge[0](sixteen + _twice(down[0](top)))
    return merge[1](eight + _twice(down[1](sixteen))), sixteen


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def centres_of(grid: Tensor, stride: int) -> Tensor:
    """Cell centres in pixels, (1, h, w, 2)."""
    y, x = (torch.arange(length, device=grid.device) + 0.5 for length in grid.shape[1:3])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)[None] * stride
