"""Finds faces with YuNet or SCRFD: pictures in, boxes, landmarks and quality out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from config.errors import UserError
from models.face_decode import STRIDES, Candidates, decode_scrfd, decode_yunet, suppress
from models.letterbox import Letterbox, Normalisation, Shrunk, input_size
from models.planes import Picture
from models.quality import face_quality
from models.session import CPU, Session, Signature, open_session
from models.types import FaceDetection

Family = Literal["yunet", "scrfd"]

_YUNET: Final = Signature(
    {"input": (None, 3, None, None)},
    {
        f"{name}_{stride}": (None, None, channels)
        for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for stride in STRIDES
    },
)
_NORMALISATION: Final[dict[Family, Normalisation]] = {
    "yunet": Normalisation(),
    "scrfd": Normalisation(mean=127.5, scale=1 / 128, red_first=True),
}
_BATCH_OFF_CPU: Final = 8
_MOST_INPUTS: Final = 8
"""Input sizes kept ready; a county's cameras have a handful of shapes."""


class FaceDetector:
    """A face detector that is ready to run. For one thread at a time.

    Args:
        session: a YuNet or SCRFD network with five landmarks.
        family: which of the two.
        long_side: pixels that the longer side of a picture is shrunk to; ignored by a network
            with a fixed input.
        threshold: lowest score that counts as a face, 0 to 1.
        overlap: intersection over union above which two boxes are one face.
        batch: most pictures given to the network at once; by default 1 on the CPU, whose caches
            hold one picture's layers but not four's, and 8 elsewhere.
    """

    def __init__(
        self,
        session: Session,
        *,
        family: Family = "yunet",
        long_side: int = 640,
        threshold: float = 0.6,
        overlap: float = 0.45,
        batch: int | None = None,
    ) -> None:
        self.session = session
        self.threshold = threshold
        self._family = family
        self._long_side = long_side
        self._overlap = overlap
        self._input_name, shape = next(iter(session.input_shapes.items()))
        self._fixed = (shape[2], shape[3]) if shape[2] and shape[3] else None
        # A network exported for one picture takes one; SCRFD's outputs have no batch axis.
        single = shape[0] is not None or family == "scrfd"
        usual = 1 if session.providers[0] == CPU else _BATCH_OFF_CPU
        self._batch = 1 if single else max(1, batch or usual)
        self._inputs: dict[tuple[int, int], Letterbox] = {}

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        family: Family = "yunet",
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
        sha256: str | None = None,
        **options: Any,
    ) -> FaceDetector:
        """Load ``path`` and check that it is a network of ``family``.

        Raises:
            UserError: as models.session.open_session.
        """
        session = open_session(
            path,
            threads=threads,
            providers=providers,
            sha256=sha256,
            signature=_YUNET if family == "yunet" else None,
        )
        if family == "scrfd":
            _check_scrfd(session)
        return cls(session, family=family, **options)

    def detect(
        self, images: Sequence[Picture], *, shrunk: Sequence[Shrunk] | None = None
    ) -> list[tuple[FaceDetection, ...]]:
        """Faces of each picture, best first, with their quality.

        Args:
            images: uint8 (H, W, 3) BGR, or the decoder's planes; of any and different sizes.
            shrunk: the same pictures made small before, to be searched instead.
        """
        if shrunk is None:
            located = self.locate(images)
        else:
            sizes = [one.size for one in shrunk]
            small = self._locate([one.padded for one in shrunk], sizes)
            located = [_enlarged(*pair) for pair in zip(small, shrunk, strict=True)]
        return [
            tuple(
                FaceDetection(box, points, float(score), face_quality(image, box, points).score)
                for box, points, score in zip(
                    found.boxes, found.landmarks, found.scores, strict=True
                )
            )
            for image, found in zip(images, located, strict=True)
        ]

    def locate(self, images: Sequence[Picture]) -> list[Candidates]:
        """Boxes, landmarks and scores of each picture in its own pixels, best first."""
        side = self._long_side
        return self._locate(
            images, [input_size(one.shape[0], one.shape[1], side) for one in images]
        )

    def _locate(
        self, images: Sequence[Picture], sizes: Sequence[tuple[int, int]]
    ) -> list[Candidates]:
        groups: dict[tuple[int, int], list[int]] = {}
        for index, size in enumerate(sizes):
            groups.setdefault(self._fixed or size, []).append(index)
        found: list[Candidates | None] = [None] * len(images)
        for size, indices in groups.items():
            for start in range(0, len(indices), self._batch):
                chunk = indices[start : start + self._batch]
                located = self._run(size, [images[index] for index in chunk])
                for index, candidates in zip(chunk, located, strict=True):
                    found[index] = candidates
        return [candidates for candidates in found if candidates is not None]

    def close(self) -> None:
        """Free the network and its inputs."""
        self._inputs.clear()
        self.session.close()

    def _run(self, size: tuple[int, int], images: Sequence[Picture]) -> list[Candidates]:
        pixels, factors = self._input(size).fill(images)
        outputs = self.session.run({self._input_name: pixels})
        if self._family == "yunet":
            raw = decode_yunet(outputs, size[1], self.threshold)
        else:
            raw = decode_scrfd(list(outputs.values()), size[1], self.threshold)
        best = suppress(raw, self._overlap)
        return [_of_one(best, index, float(factor)) for index, factor in enumerate(factors)]

    def _input(self, size: tuple[int, int]) -> Letterbox:
        if size not in self._inputs:
            if len(self._inputs) >= _MOST_INPUTS:
                self._inputs.pop(next(iter(self._inputs)))
            self._inputs[size] = Letterbox(
                size, capacity=self._batch, normalisation=_NORMALISATION[self._family]
            )
        return self._inputs[size]


def _of_one(candidates: Candidates, image: int, factor: float) -> Candidates:
    chosen = candidates.take(np.flatnonzero(candidates.image == image))
    if factor == 1.0 or len(chosen.scores) == 0:
        return chosen
    return Candidates(chosen.image, chosen.boxes * factor, chosen.landmarks * factor, chosen.scores)


def _enlarged(found: Candidates, shrunk: Shrunk) -> Candidates:
    both = np.concatenate([shrunk.scale, shrunk.scale])
    return Candidates(found.image, found.boxes * both, found.landmarks * shrunk.scale, found.scores)


def _check_scrfd(session: Session) -> None:
    widths = [shape[-1] if shape else None for shape in session.output_shapes.values()]
    if widths != [1, 1, 1, 4, 4, 4, 10, 10, 10]:
        raise UserError(
            where=str(session.path),
            field="outputs",
            problem=f"not an SCRFD face detector with landmarks: its outputs end in {widths}",
            remedy="use a det_*.onnx of an insightface pack",
        )
