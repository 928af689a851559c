"""Finds faces with YuNet or SCRFD: pictures in, boxes, landmarks and quality out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.face_decode import NOTHING, STRIDES, Candidates, decode_scrfd, decode_yunet, suppress
from models.letterbox import Letterbox, Normalisation, Shrunk, batches, input_size, most_together
from models.planes import Picture
from models.quality import face_qualities
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
_SAME: Final = np.ones(2, np.float32)
"""The scale of a picture that was not shrunk before."""
LARGEST_BATCH: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network says of one batch, not worked out yet.

    Attributes:
        places: of the batch's pictures, among all that were searched.
        scales: float32 (2,) of each: its own pixels per pixel of the batch, in x and y.
        width: of the batch, in pixels.
        outputs: by name, in the file's order.
    """

    places: list[int]
    scales: list[NDArray[np.float32]]
    width: int
    outputs: Mapping[str, NDArray[np.float32]]


class FaceDetector:
    """A face detector that is ready to run. For one thread at a time.

    Args:
        session: a YuNet or SCRFD network with five landmarks.
        family: which of the two.
        long_side: pixels that the longer side of a picture is shrunk to; ignored by a network
            with a fixed input.
        threshold: lowest score that counts as a face, 0 to 1.
        overlap: intersection over union above which two boxes are one face.
        batch: most pictures given to the network at once; by default as many as a CPU's caches
            hold, and 8 elsewhere.
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
        self._batch = 1 if single else batch
        self._letterbox = Letterbox(_NORMALISATION[family])

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

    def detect(self, images: Sequence[Picture]) -> list[tuple[FaceDetection, ...]]:
        """Faces of each picture, best first, with their quality.

        Args:
            images: uint8 (H, W, 3) BGR, or the decoder's planes; of any and different sizes.
        """
        return [_graded(*pair) for pair in zip(images, self.locate(images), strict=True)]

    def locate(self, images: Sequence[Picture]) -> list[Candidates]:
        """Boxes, landmarks and scores of each picture in its own pixels, best first."""
        sizes = [input_size(one.shape[0], one.shape[1], self._long_side) for one in images]
        return self._located(self._run(images, sizes, [_SAME] * len(images)))

    def search(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """Run the network on pictures made small before, for ``detect_seen``."""
        sizes = [one.size for one in shrunk]
        return self._run([one.padded for one in shrunk], sizes, [one.scale for one in shrunk])

    def detect_seen(
        self, images: Sequence[Picture], seen: Sequence[Seen]
    ) -> list[tuple[FaceDetection, ...]]:
        """As ``detect``, of pictures that were searched."""
        return [_graded(*pair) for pair in zip(images, self._located(seen), strict=True)]

    def close(self) -> None:
        """Free the network."""
        self.session.close()

    def _run(
        self,
        images: Sequence[Picture],
        sizes: Sequence[tuple[int, int]],
        scales: Sequence[NDArray[np.float32]],
    ) -> list[Seen]:
        seen = []
        for size, places in batches([self._fixed or size for size in sizes], self._most):
            pixels, factors = self._letterbox.fill([images[place] for place in places], size)
            own = [scales[place] * factor for place, factor in zip(places, factors, strict=True)]
            outputs = self.session.run({self._input_name: pixels})
            seen.append(Seen(places, own, size[1], outputs))
        return seen

    def _located(self, seen: Sequence[Seen]) -> list[Candidates]:
        found: dict[int, Candidates] = {}
        for batch in seen:
            if self._family == "yunet":
                raw = decode_yunet(batch.outputs, batch.width, self.threshold)
            else:
                raw = decode_scrfd(list(batch.outputs.values()), batch.width, self.threshold)
            best = suppress(raw, self._overlap)
            for index, (place, scale) in enumerate(zip(batch.places, batch.scales, strict=True)):
                own = best if len(batch.places) == 1 else best.of_image(index)
                found[place] = _enlarged(own, scale) if len(own.scores) else NOTHING
        return [found[place] for place in range(len(found))]

    def _most(self, size: tuple[int, int]) -> int:
        on_cpu = self.session.providers[0] == CPU
        return self._batch or most_together(size, LARGEST_BATCH, on_cpu=on_cpu)


def _graded(image: Picture, found: Candidates) -> tuple[FaceDetection, ...]:
    if len(found.scores) == 0:
        return ()
    grades = face_qualities(image, found.boxes, found.landmarks)
    shares = [grade.score for grade in grades]
    rows = zip(found.boxes, found.landmarks, found.scores.tolist(), shares, strict=True)
    return tuple(FaceDetection(*row) for row in rows)


def _enlarged(found: Candidates, scale: NDArray[np.float32]) -> Candidates:
    both = np.concatenate([scale, scale])
    return Candidates(found.image, found.boxes * both, found.landmarks * scale, found.scores)


def _check_scrfd(session: Session) -> None:
    widths = [shape[-1] if shape else None for shape in session.output_shapes.values()]
    if widths != [1, 1, 1, 4, 4, 4, 10, 10, 10]:
        raise UserError(
            where=str(session.path),
            field="outputs",
            problem=f"not an SCRFD face detector with landmarks: its outputs end in {widths}",
            remedy="use a det_*.onnx of an insightface pack",
        )
