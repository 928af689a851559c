"""Finds faces with our own network, YuNet or SCRFD: pictures in, boxes and landmarks out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.face_decode import (
    CHANNELS,
    NOTHING,
    STRIDES,
    Candidates,
    decode_maps,
    decode_scrfd,
    decode_yunet,
    suppress,
)
from models.letterbox import Normalisation, Shrunk
from models.planes import Picture
from models.quality import face_qualities
from models.search import PixelSearch, PlaneSearch, Search, Seen
from models.session import CPU, Session, Signature, open_session
from models.types import FaceDetection

Family = Literal["menshen", "yunet", "scrfd"]

_YUNET: Final = Signature(
    {"input": (None, 3, None, None)},
    {
        f"{name}_{stride}": (None, None, channels)
        for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for stride in STRIDES
    },
)
SIGNATURE: Final = Signature(
    {"images": (None, None, None, 3)},
    {f"face_{stride}": (None, CHANNELS, None, None) for stride in STRIDES},
)
"""Of our own network, which says more: its plate maps are ``models.plates.detector``'s."""
_SIGNATURES: Final = {"menshen": SIGNATURE, "yunet": _YUNET}
_SCRFD: Final = Normalisation(mean=127.5, scale=1 / 128, red_first=True)


class FaceDetector:
    """A face detector that is ready to run. For one thread at a time.

    Args:
        session: a network of ours, YuNet or SCRFD, with five landmarks.
        family: which of the three.
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
        self._search = _search_of(session, family, batch)

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
            signature=_SIGNATURES.get(family),
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
        return self._located(self._search.pictures(images, self._long_side))

    def search(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """Run the network on pictures made small before, for ``detect_seen``."""
        return self._search.shrunk(shrunk)

    def detect_seen(
        self, images: Sequence[Picture], seen: Sequence[Seen]
    ) -> list[tuple[FaceDetection, ...]]:
        """As ``detect``, of pictures that were searched."""
        return [_graded(*pair) for pair in zip(images, self._located(seen), strict=True)]

    def close(self) -> None:
        """Free the network."""
        self.session.close()

    def _located(self, seen: Sequence[Seen]) -> list[Candidates]:
        found: dict[int, Candidates] = {}
        for batch in seen:
            best = suppress(self._decode(batch), self._overlap)
            for index, (place, scale) in enumerate(zip(batch.places, batch.scales, strict=True)):
                own = best if len(batch.places) == 1 else best.of_image(index)
                found[place] = _enlarged(own, scale) if len(own.scores) else NOTHING
        return [found[place] for place in range(len(found))]

    def _decode(self, batch: Seen) -> Candidates:
        if self._family == "menshen":
            return decode_maps(batch.outputs, self.threshold)
        if self._family == "yunet":
            return decode_yunet(batch.outputs, batch.width, self.threshold)
        return decode_scrfd(list(batch.outputs.values()), batch.width, self.threshold)


def _search_of(session: Session, family: Family, batch: int | None) -> Search:
    if family == "menshen":
        return PixelSearch(session)
    # A network exported for one picture takes one; SCRFD's outputs have no batch axis.
    single = next(iter(session.input_shapes.values()))[0] is not None or family == "scrfd"
    normalisation = _SCRFD if family == "scrfd" else Normalisation()
    return PlaneSearch(session, normalisation, batch=1 if single else batch)


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
