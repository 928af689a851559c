"""Teaches the face layers what YuNet says: python -m models.training.faces.distil --help."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.detector_net import PlateDetectorNet
from models.training.faces.data import FaceData, Picture
from models.training.faces.net import FacePlateNet
from models.training.faces.teacher import FEATURES, Lesson, Teacher
from models.training.faces.train import SCALED_BY, overlap
from models.training.recover import fold_back, normalise
from models.training.replay import Batch, Sample
from models.training.run import Run, Task, without_threads
from models.training.schedule import run_options

POOL: Final = 480
"""Drawn pictures that are varied at a time; one in ``1 / FRESH`` looks is at a new one."""
FRESH: Final = 0.15
SMALL: Final = 0.25
"""Share of lessons about pictures half as large as the teacher sees them."""
WEIGHTS: Final = (1.0, 1.0, 1.0, 2.0, 1.0)
"""Of the losses of score, logit, box, landmarks and features."""
LIKELY: Final = 0.05
"""Score of the teacher's from which a cell's box and landmarks are learned."""
FLAT: Final = 0.2
"""Spread of a feature, as a share of the others' mean, below which it says next to nothing."""


class Student(nn.Module):
    """A network for faces, and beside it what compares its features with the teacher's.

    Args:
        network: what learns.
        spreads: of the teacher's features of each stride, (64,) each.
    """

    def __init__(self, network: FacePlateNet, spreads: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.network = network
        self.compare = nn.ModuleList(
            nn.Conv2d(answer.out.in_channels, FEATURES, 1) for answer in network.faces.answers
        )
        for place, spread in enumerate(spreads):
            floor = float(spread.mean()) * FLAT
            self.register_buffer(f"spread_{place}", spread.clamp(min=floor)[:, None, None])
        self.train()

    def train(self, mode: bool = True) -> Student:
        """As any module's; means and spreads stay those that it began with."""
        super().train(mode)
        for one in self.modules():
            if isinstance(one, nn.BatchNorm2d):
                one.eval()
        return self

    def forward(self, images: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], list[Tensor]]:
        """What the network says, and the teacher's features as told from its own."""
        with torch.no_grad():
            first = self.network.plates.first(images)
        features = self.network.face_features(first)
        told = [compare(one) for compare, one in zip(self.compare, features, strict=True)]
        return self.network.said_of(features), told

    def feature_loss(self, told: list[Tensor], lesson: Lesson) -> Tensor:
        """Mean squared error of features in units of their spread."""
        losses = [
            ((mine - theirs) / getattr(self, f"spread_{place}")).square().mean()
            for place, (mine, theirs) in enumerate(zip(told, lesson.features, strict=True))
        ]
        return torch.stack(losses).mean()


class Lessons:
    """Pictures in ever new variations, each with what the teacher says of it.

    A drawn picture costs more than a look of the teacher's, so each serves several times.

    Args:
        portraits: folder written by ``portraits.take``.
        shared: folder with ``plate_scenes`` as backgrounds, if any.
        teacher: YuNet-n's file.
    """

    def __init__(self, portraits: Path, shared: Path | None, teacher: Path) -> None:
        self._portraits, self._shared, self._teacher = portraits, shared, teacher

    def stream(self, seed: int) -> Iterator[Sample]:
        """Endless pictures of one seed, and the parts of their ``Lesson``."""
        rng, teacher = np.random.default_rng(seed), Teacher(self._teacher)
        drawn = FaceData(self._portraits, self._shared).stream(seed)
        pool: list[Picture] = []
        while True:
            if len(pool) < POOL:
                pool.append(next(drawn).picture)
            elif rng.random() < FRESH:
                pool[int(rng.integers(POOL))] = next(drawn).picture
            small = rng.random() < SMALL
            chosen = [pool[int(rng.integers(len(pool)))] for _ in range(5 if small else 2)]
            seen = np.stack([varied(one, chosen[-1], rng) for one in chosen[:-1]])
            picture, lesson = (
                teacher.teach_smaller(seen) if small else (seen[0], teacher.teach(seen))
            )
            yield picture, *(part[0] for part in lesson.parts)


def varied(picture: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """A picture mirrored, through another, in other colours or light, a part, or as it is."""
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    if rng.random() < 0.25:
        share = float(rng.uniform(0.1, 0.9))
        picture = np.asarray(cv2.addWeighted(picture, share, other, 1 - share, 0), np.uint8)
    if rng.random() < 0.15:
        picture = picture[..., rng.permutation(3)]
    if rng.random() < 0.3:
        low, high = np.sort(rng.uniform(-40, 295, 2))
        spread = max(float(high - low), 60.0) / 255
        picture = (picture * np.float32(spread) + np.float32(low)).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        picture = _in_light(picture, rng)
    if rng.random() < 0.4:
        picture = _bent(picture, rng)
    if rng.random() < 0.25:
        picture = _in_part(picture, rng)
    return np.ascontiguousarray(picture)


def _smooth(side: int, channels: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Values that change slowly over a picture, about 0 with a spread of 1, (S, S, channels)."""
    grid = int(rng.choice([3, 5, 9, 17]))
    coarse = rng.normal(0, 1, (grid, grid, channels)).astype(np.float32)
    wide = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide, np.float32).reshape(side, side, channels)


def _in_light(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brighter here and darker there, one colour more than another."""
    side, strength = picture.shape[0], float(rng.uniform(0.05, 0.5))
    light = np.exp((_smooth(side, 1, rng) + _smooth(side, 3, rng) / 3) * strength)
    curve = float(rng.uniform(0.6, 1.6))
    return ((picture / np.float32(255)) ** curve * light * 255).clip(0, 255).astype(np.uint8)


def _bent(picture: Picture, rng: np.random.Generator) -> Picture:
    """Out of shape, a little or much: no two heads are alike."""
    side = picture.shape[0]
    shift = _smooth(side, 2, rng) * np.float32(rng.uniform(1.0, 7.0))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    moved = cv2.remap(
        picture,
        x + shift[..., 0],
        y + shift[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(moved, np.uint8)


def _in_part(picture: Picture, rng: np.random.Generator) -> Picture:
    """A part enlarged, (S, S, 3)."""
    side = picture.shape[0]
    own = int(side * rng.uniform(0.35, 0.9))
    x, y = (int(v) for v in rng.integers(0, side - own + 1, 2))
    return np.asarray(cv2.resize(picture[y : y + own, x : x + own], (side, side)), np.uint8)


def loss_of(
    said: tuple[Tensor, Tensor, Tensor], lesson: Lesson
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses of score, of its logit, of box and of landmarks; cells count by the teacher's score.

    Scores learn by the quality focal loss (Li and others, 2020). Logits are compared as well:
    that nothing is a face is all that scores say nearly everywhere, logits say how nearly.
    """
    scores, sides, marks = said
    aim = lesson.scores.sigmoid()
    weight = torch.where(aim >= LIKELY, aim, 0.0)
    total = weight.sum().clamp(min=1.0)
    entropy = nn.functional.binary_cross_entropy_with_logits(scores, aim, reduction="none")
    score = (entropy * (aim - scores.sigmoid()).square()).sum() / total * 4
    near = nn.functional.smooth_l1_loss(scores, lesson.scores, beta=1.0)
    at = weight > 0
    share = weight[at]
    wanted, own = lesson.sides[at], sides[at]
    size = (wanted[:, 2:] - wanted[:, :2]).prod(1, keepdim=True).clamp(min=16.0).sqrt()
    straight = _close(own / size, wanted / size)
    box = ((1 - overlap(own, wanted) + 2 * straight) * share).sum() / total
    mark = (_close(marks[at] / size, lesson.marks[at] / size) * share).sum() / total
    return score, near, box, mark


def _close(one: Tensor, other: Tensor) -> Tensor:
    return nn.functional.smooth_l1_loss(one, other, beta=0.05, reduction="none").mean(1)


def judge(network: nn.Module, batch: Batch) -> tuple[Tensor, tuple[float, ...]]:
    """The loss, and its parts to report."""
    assert isinstance(network, Student)
    pictures, *parts = batch
    lesson = Lesson.of(parts)
    said, told = network(pictures)
    losses = (*loss_of(said, lesson), network.feature_loss(told, lesson))
    weighed = [loss * weight for loss, weight in zip(losses, WEIGHTS, strict=True)]
    return torch.stack(weighed).sum(), tuple(loss.item() for loss in losses)


class _Whole(FacePlateNet):
    """All layers in the order in which an export runs them."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.maps(images)


def shipped(path: Path, pictures: Tensor) -> FacePlateNet:
    """The network that an export was written from, able to go on learning.

    Args:
        path: a float network for faces and plates written by ``models.training.export``.
        pictures: uint8 (N, 320, 320, 3) of training, by which its layers are scaled.

    Raises:
        ValueError: the file is no such network.
    """
    plates = PlateDetectorNet()
    plates.input_scale = 1.0
    whole = _Whole(plates).eval()
    pairs = fold_back(path, whole, torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    normalise(whole, pairs, pictures)
    network = FacePlateNet(plates)
    network.load_state_dict(whole.state_dict())
    return network


def main() -> None:
    """Parses the command line and trains."""
    parser = run_options(__doc__, steps=60000, batch=8, fresh=1.0)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--begin", type=Path, required=True, help="face_plate_detector.onnx")
    parser.add_argument("--teacher", type=Path, required=True, help="YuNet-n")
    options = parser.parse_args()
    without_threads()
    lessons = Lessons(options.portraits, options.shared, options.teacher)
    first = list(itertools.islice(lessons.stream(0), SCALED_BY))
    pictures, *parts = (torch.from_numpy(np.stack(part)) for part in zip(*first, strict=True))
    spreads = tuple(one.std((0, 2, 3)) for one in Lesson.of(parts).features)
    task = Task(
        name="faces",
        network=Student(shipped(options.begin, pictures), spreads),
        samples=lessons.stream,
        ring=1,
        judge=judge,
        told="score/logit/box/landmark/features",
        clip=10.0,
    )
    Run(options, task).train()


if __name__ == "__main__":
    main()
