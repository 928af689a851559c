"""The inference core: pictures of several cameras in, plates and faces out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from config.errors import UserError
from config.logs import get_logger
from models.catalogue import Store, entry_named
from models.faces import FaceDetector
from models.images import check_image, check_size
from models.letterbox import Shrinker
from models.loading import FACE_DETECTOR, OWN_FACE_DETECTOR, Loader, family_of
from models.planes import Picture, PlanarFrame
from models.plates.pipeline import PlatePipeline
from models.precision import Precision
from models.session import CPU
from models.types import Detections, FaceDetection, PlateSighting

KINDS: Final = frozenset({"plates", "faces"})
_Part = TypeVar("_Part")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MissingModel:
    """What could not be loaded, why, and what to do about it."""

    name: str
    remedy: str


class VisionCore:
    """Everything a worker needs to look at pictures. For one thread at a time.

    Attributes:
        missing: models that were wanted but are not here; the rest works without them.
        face_model: name of the face detector in use, if any.
    """

    def __init__(
        self,
        *,
        plates: PlatePipeline | None,
        faces: FaceDetector | None,
        missing: tuple[MissingModel, ...] = (),
        shrinker: Shrinker | None = None,
        face_model: str | None = None,
    ) -> None:
        self._plates = plates
        self._faces = faces
        self._one_pass = plates is not None and faces is not None and plates.shares(faces.session)
        self._shrinker = shrinker
        self.missing = missing
        self.face_model = face_model

    @classmethod
    def open(
        cls,
        *,
        models_dir: Path,
        mirror: Path | None = None,
        want: frozenset[str] = KINDS,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
        face_model: str | None = None,
        long_side: int = 640,
        tile: int | None = None,
        precision: Precision = "auto",
    ) -> VisionCore:
        """Load what is wanted and present; what is not is told in ``missing`` and the log.

        Args:
            models_dir: where pulled model files are.
            mirror: another folder to look in.
            want: of ``plates`` and ``faces``.
            threads: threads inside one network.
            providers: ONNX Runtime execution providers, first choice first.
            face_model: name of a face detector in the catalogue; by default YuNet-n where it was
                pulled, and our own, which comes with us, elsewhere.
            long_side: pixels that pictures are shrunk to before they are searched.
            tile: also search for plates in tiles of at most so many picture pixels a side; for
                small plates on 1080p and 4K, at several times the cost.
            precision: of our own networks on the CPU: ``float``, ``int8``, or ``auto``, which
                measures at opening which is the faster; they find the same, scores differ a little.

        Raises:
            UserError: ``want`` or ``face_model`` names nothing known.
        """
        if unknown := want - KINDS:
            raise UserError(
                where="vision core",
                field="want",
                problem=f"unknown kind {sorted(unknown)[0]!r}",
                remedy=f"use some of: {', '.join(sorted(KINDS))}",
            )
        if face_model is not None:
            family_of(entry_named(face_model))
        store = Store(models_dir, mirror)
        loader = Loader(
            store,
            threads=threads,
            providers=providers,
            long_side=long_side,
            tile=tile,
            precision=precision,
        )
        missing: list[MissingModel] = []
        plates, faces, used = _opened(loader, want, _face_models(store, face_model), missing)
        # Tiles need every pixel; without them one shrunk picture serves both networks.
        shrinker = Shrinker(long_side) if tile is None else None
        return cls(
            plates=plates,
            faces=faces,
            missing=tuple(missing),
            shrinker=shrinker,
            face_model=used,
        )

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        """What is in each picture, in the order given.

        Args:
            images: uint8 (H, W, 3) BGR, or the decoder's planes; of one or several cameras, of any
                and different sizes. Faces are found on planes without converting them; plates
                are read in full colour.
            whole_px: for parts of pictures: the longer side in pixels of the picture that each
                is a part of. It is searched at the scale of the whole, at a part of the cost;
                with ``tile``, which needs every pixel, at its own.

        Raises:
            UserError: an array is not such a picture; it names its index.
        """
        for index, image in enumerate(images):
            where = f"picture {index} of {len(images)}"
            if isinstance(image, PlanarFrame):
                check_size(image.shape[1], image.shape[0], where)
            else:
                check_image(image, where=where)
        plates: Sequence[Sequence[PlateSighting]] = [()] * len(images)
        faces: Sequence[Sequence[FaceDetection]] = [()] * len(images)
        if self._shrinker is None:
            plates = self._plates.read(images) if self._plates else plates
            faces = self._faces.detect(images) if self._faces else faces
        else:
            # Both networks first: each of them empties the caches, and code that then works out
            # what the one says serves for the other.
            small = self._shrinker.shrink(images, whole_px=whole_px)
            seen_plates = self._plates.search(small) if self._plates else []
            seen_faces = seen_plates
            if self._faces and not self._one_pass:
                seen_faces = self._faces.search(small)
            faces = self._faces.detect_seen(images, seen_faces) if self._faces else faces
            plates = self._plates.read_seen(images, seen_plates) if self._plates else plates
        return [
            Detections(plates=tuple(plate), faces=tuple(face))
            for plate, face in zip(plates, faces, strict=True)
        ]

    def close(self) -> None:
        """Free every network; ``analyse`` is a RuntimeError from then on."""
        for part in (self._plates, self._faces):
            if part is not None:
                part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _face_models(store: Store, asked: str | None) -> tuple[str, ...]:
    """Names of face detectors to try, in this order."""
    if asked is not None:
        return (asked,)
    pulled = store.find(entry_named(FACE_DETECTOR)) is not None
    return (FACE_DETECTOR, OWN_FACE_DETECTOR) if pulled else (OWN_FACE_DETECTOR,)


def _opened(
    loader: Loader, want: frozenset[str], names: Sequence[str], missing: list[MissingModel]
) -> tuple[PlatePipeline | None, FaceDetector | None, str | None]:
    """What is wanted and present, and what finds faces; what is not is added to ``missing``."""
    plates: PlatePipeline | None = None
    faces: FaceDetector | None = None
    used: str | None = None
    for name in names if "faces" in want else ():
        if "plates" in want and loader.runs_once(name):
            plates, faces = _load(name, partial(loader.both, name), missing) or (None, None)
        else:
            faces = _load(name, partial(loader.faces, name), missing)
        if faces is not None:
            used = name
            break
    if "plates" in want and plates is None:
        plates = _load("plates", loader.plates, missing)
    return plates, faces, used


def _load(name: str, open_part: Callable[[], _Part], missing: list[MissingModel]) -> _Part | None:
    try:
        return open_part()
    except UserError as error:
        _log.warning("model not available", model=name, problem=str(error))
        missing.append(MissingModel(name, error.remedy))
        return None
