"""The inference core: pictures of several cameras in, plates and faces out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from config.errors import UserError
from config.logs import get_logger
from models.catalogue import State, Store, entry_named, sha256_of
from models.faces import FaceDetector, Family
from models.images import check_image, check_size
from models.letterbox import Shrinker
from models.planes import Picture, PlanarFrame
from models.plates.detector import SIGNATURE as DETECTOR_SIGNATURE
from models.plates.detector import PlateDetector
from models.plates.pipeline import PlatePipeline
from models.plates.reader import SIGNATURE as READER_SIGNATURE
from models.plates.reader import PlateReader
from models.session import CPU, Session, Signature, open_session, resolve_providers
from models.tiles import TiledPlateDetector
from models.types import Detections, FaceDetection, PlateSighting

FACE_DETECTOR: Final = "yunet-n"
"""The catalogue's permitted default."""
KINDS: Final = frozenset({"plates", "faces"})
PLATE_DETECTOR: Final = "plate-detector"
PLATE_READER: Final = "plate-reader"
INTEGER_TWINS: Final = {
    PLATE_DETECTOR: "plate-detector-int8",
    PLATE_READER: "plate-reader-int8",
}
"""Faster on a CPU with VNNI at the same accuracy (docs/performance.md)."""
SOURCE_KEY: Final = "source_sha256"
"""Metadata of an integer network: the sha256 of the float one it was made from."""
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
    """

    def __init__(
        self,
        *,
        plates: PlatePipeline | None,
        faces: FaceDetector | None,
        missing: tuple[MissingModel, ...] = (),
        shrinker: Shrinker | None = None,
    ) -> None:
        self._plates = plates
        self._faces = faces
        self._shrinker = shrinker
        self.missing = missing

    @classmethod
    def open(
        cls,
        *,
        models_dir: Path,
        mirror: Path | None = None,
        want: frozenset[str] = KINDS,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
        face_model: str = FACE_DETECTOR,
        long_side: int = 640,
        tile: int | None = None,
    ) -> VisionCore:
        """Load what is wanted and present; what is not is told in ``missing`` and the log.

        Args:
            models_dir: where pulled model files are.
            mirror: another folder to look in.
            want: of ``plates`` and ``faces``.
            threads: threads inside one network.
            providers: ONNX Runtime execution providers, first choice first.
            face_model: name of a face detector in the catalogue.
            long_side: pixels that pictures are shrunk to before they are searched.
            tile: also search for plates in tiles of at most so many picture pixels a side; for
                small plates on 1080p and 4K, at several times the cost.

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
        family = _family(face_model)
        store = Store(models_dir, mirror)
        options: dict[str, Any] = {"threads": threads, "providers": providers}
        missing: list[MissingModel] = []
        plates: PlatePipeline | None = None
        faces: FaceDetector | None = None
        if "plates" in want:
            plates = _load("plates", lambda: _open_plates(store, options, long_side, tile), missing)
        if "faces" in want:
            faces = _load(
                face_model,
                lambda: _open_faces(store, face_model, family, options, long_side),
                missing,
            )
        # Tiles need every pixel; without them one shrunk picture serves both networks.
        shrinker = Shrinker(long_side) if tile is None else None
        return cls(plates=plates, faces=faces, missing=tuple(missing), shrinker=shrinker)

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
            seen_faces = self._faces.search(small) if self._faces else []
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


def _load(name: str, open_part: Callable[[], _Part], missing: list[MissingModel]) -> _Part | None:
    try:
        return open_part()
    except UserError as error:
        _log.warning("model not available", model=name, problem=str(error))
        missing.append(MissingModel(name, error.remedy))
        return None


def _family(name: str) -> Family:
    entry = entry_named(name)
    if entry.family is None or entry.task != "face-detection":
        raise UserError(
            where="vision core",
            field=name,
            problem=f"is for {entry.task}, not for face detection",
            remedy=f"use {FACE_DETECTOR}",
        )
    return entry.family


def _open_faces(
    store: Store, name: str, family: Family, options: dict[str, Any], long_side: int
) -> FaceDetector:
    entry = entry_named(name)
    if entry.research_only:
        _log.warning("research-only weights in use", model=name, licence=entry.licence)
    return FaceDetector.open(
        checked_file(store, name),
        family=family,
        sha256=entry.sha256,
        long_side=long_side,
        threshold=entry.threshold if entry.threshold is not None else 0.6,
        **options,
    )


def _open_plates(
    store: Store, options: dict[str, Any], long_side: int, tile: int | None
) -> PlatePipeline:
    session = _plate_session(store, PLATE_DETECTOR, DETECTOR_SIGNATURE, options)
    detector = (
        PlateDetector(session, long_side=long_side)
        if tile is None
        else TiledPlateDetector(session, tile=tile, long_side=long_side)
    )
    reader = PlateReader(_plate_session(store, PLATE_READER, READER_SIGNATURE, options))
    return PlatePipeline(detector, reader)


def _plate_session(
    store: Store, name: str, signature: Signature, options: dict[str, Any]
) -> Session:
    """The float network; on the CPU the integer one that was made from it, where it is good."""

    def opened(one: str) -> Session:
        sha256 = entry_named(one).sha256
        return open_session(checked_file(store, one), signature=signature, sha256=sha256, **options)

    # Whether a device is there shows only in a session: a wanted one may be missing.
    plain = None if resolve_providers(options["providers"])[0] == CPU else opened(name)
    if plain is not None and plain.providers[0] != CPU:
        return plain
    integer = INTEGER_TWINS[name]
    state, _ = store.state(entry_named(integer))
    if state is State.GOOD:
        session = opened(integer)
        if session.metadata.get(SOURCE_KEY) == entry_named(name).sha256:
            if plain is not None:
                plain.close()
            return session
        session.close()
        _log.warning("integer network is of another float one, not used", model=name)
    elif state is State.WRONG:
        _log.warning("integer network is not the catalogue's, not used", model=name)
    return plain or opened(name)


def integer_is_of(integer: Path, plain: Path) -> bool:
    """Whether the integer network was made from the float one, or is not there at all."""
    if not integer.is_file():
        return True
    with open_session(integer) as session:
        return session.metadata.get(SOURCE_KEY) == sha256_of(plain)


def checked_file(store: Store, name: str) -> Path:
    """Where the right file of the model ``name`` lies.

    Raises:
        UserError: it is nowhere, or has another hash; the remedy fits the model.
    """
    entry = entry_named(name)
    state, path = store.state(entry)
    if path is None:
        raise UserError(
            where=name,
            problem=f"{entry.file} is in none of: "
            + ", ".join(str(place.parent) for place in store.places(entry)),
            remedy="restore models/weights from the repository"
            if entry.bundled
            else f"run: menshen models pull {name}",
        )
    if state is State.WRONG:
        raise UserError(
            where=str(path),
            field="sha256",
            problem="is not the file that the catalogue names",
            remedy="restore models/weights from the repository"
            if entry.bundled
            else f"delete it and run: menshen models pull {name}",
        )
    return path
