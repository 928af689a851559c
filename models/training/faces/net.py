"""Faces beside the plate detector, from its first layers: one pass over a picture for both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.face_decode import CHANNELS, SPAN
from models.training.detector_net import (
    STRIDES,
    Head,
    PlateDetectorNet,
    Separable,
    centres_of,
    merged,
    unit,
)


class FaceHead(nn.Module):
    """Faces from features of strides 8, 16 and 32."""

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
        self.answers = nn.ModuleList([Head(d, CHANNELS), Head(e, CHANNELS), Head(f, CHANNELS)])

    def features(self, eight: Tensor, sixteen: Tensor, top: Tensor) -> tuple[Tensor, ...]:
        """What each stride answers from, (N, c, h, w)."""
        eight = self.eight(self.take[0](eight))
        sixteen = self.sixteen(self.take[1](sixteen) + self.on[0](eight))
        top = self.thirtytwo(self.take[2](top) + self.on[1](sixteen))
        return (*merged(self.down, self.merge, (eight, sixteen, top)), top)

    def answered(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        """What the cells of each stride say, (N, 15, h, w)."""
        return [answer(x) for answer, x in zip(self.answers, features, strict=True)]


class FacePlateNet(nn.Module):
    """The plate detector, untouched, and beside its deeper layers some of its own for faces.

    Both begin with the same features of stride 4, which cost most. From there on faces need
    others than plates: on the plates' own a head learns, but finds less and frames it worse.

    Args:
        plates: a trained detector; it stays as it is, so its plates are the same.
        like: a detector that answers alike, with normalisations that can go on learning: where
            the deeper layers for faces start. Fresh ones without.
    """

    def __init__(self, plates: PlateDetectorNet, like: PlateDetectorNet | None = None) -> None:
        super().__init__()
        self.plates = plates.requires_grad_(False)
        own = like or PlateDetectorNet()
        self.eight, self.sixteen, self.thirtytwo = own.eight, own.sixteen, own.thirtytwo
        self.faces = FaceHead((48, 64, 96), (32, 48, 64))

    def train(self, mode: bool = True) -> FacePlateNet:
        """As any module's; the plate detector keeps its means and spreads."""
        super().train(mode)
        self.plates.eval()
        return self

    def face_features(self, first: Tensor) -> tuple[Tensor, ...]:
        """Of strides 8, 16 and 32, (N, c, h, w), of features of stride 4."""
        eight = self.eight(first)
        sixteen = self.sixteen(eight)
        return self.faces.features(eight, sixteen, self.thirtytwo(sixteen))

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Plate maps and face maps of strides 8, 16 and 32, (N, 10 and 15, h, w).

        Args:
            images: uint8 (N, H, W, 3) BGR, H and W multiples of 32.
        """
        first = self.plates.first(images)
        plates = self.plates.answers(*self.plates.trunk(first))
        return (*plates, *self.faces.answered(self.face_features(first)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of A cells: score logits (N, A), sides (N, A, 4) and landmarks (N, A, 10) in pixels."""
        with torch.no_grad():
            first = self.plates.first(images)
        return self.said_of(self.face_features(first))

    def said_of(self, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """What ``forward`` gives, from features of strides 8, 16 and 32."""
        scores, sides, marks = [], [], []
        for level, stride in zip(self.faces.answered(features), STRIDES, strict=True):
            out = level.permute(0, 2, 3, 1).float()
            centres = centres_of(out, stride)
            reach = SPAN * stride
            scores.append(out[..., 0].flatten(1))
            sides.append((out[..., 1:5] * reach + centres.repeat(1, 1, 1, 2)).flatten(1, 2))
            marks.append((out[..., 5:] * reach + centres.repeat(1, 1, 1, 5)).flatten(1, 2))
        return torch.cat(scores, 1), torch.cat(sides, 1), torch.cat(marks, 1)
