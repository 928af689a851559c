"""Opens the networks of the vision core from the store: the right files, the fastest kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.errors import UserError
from config.logs import get_logger
from models.catalogue import Entry, State, Store, entry_named, sha256_of
from models.faces import SIGNATURE as FACE_SIGNATURE
from models.faces import FaceDetector, Family
from models.plates.detector import SIGNATURE as PLATE_SIGNATURE
from models.plates.detector import PlateDetector
from models.plates.pipeline import PlatePipeline
from models.plates.reader import SIGNATURE as READER_SIGNATURE
from models.plates.reader import PlateReader
from models.precision import Precision, float_is_faster
from models.session import CPU, Session, Signature, open_session, resolve_providers
from models.tiles import TiledPlateDetector

FACE_DETECTOR: Final = "yunet-n"
"""The catalogue's permitted default, where it was pulled."""
OWN_FACE_DETECTOR: Final = "face-plate-detector"
"""What finds faces where nothing was pulled: our own, with the plates in the same pass."""
PLATE_DETECTOR: Final = "plate-detector"
PLATE_READER: Final = "plate-reader"
INTEGER_TWINS: Final = {
    name: f"{name}-int8" for name in (PLATE_DETECTOR, PLATE_READER, OWN_FACE_DETECTOR)
}
"""8-bit integers at the same accuracy; where they are faster they are used."""
SOURCE_KEY: Final = "source_sha256"
"""Metadata of an integer network: the sha256 of the float one it was made from."""
_BOTH: Final = Signature(
    FACE_SIGNATURE.inputs, {**PLATE_SIGNATURE.outputs, **FACE_SIGNATURE.outputs}
)
_FACE_THRESHOLD: Final = 0.6
"""Of a face detector whose entry names none."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loader:
    """Opens networks; each method raises UserError with its remedy when a file is not good.

    Attributes:
        store: where files lie.
        threads: threads inside one network.
        providers: ONNX Runtime execution providers, first choice first.
        long_side: pixels that pictures are shrunk to before they are searched.
        tile: side of the tiles that are searched for plates too, if any.
        precision: of our own networks on the CPU; ``auto`` takes what is faster here.
    """

    store: Store
    threads: int = 1
    providers: Sequence[str] = (CPU,)
    long_side: int = 640
    tile: int | None = None
    precision: Precision = "auto"

    def plates(self) -> PlatePipeline:
        """Detector and reader."""
        return self._pipeline(self._bundled(PLATE_DETECTOR, PLATE_SIGNATURE))

    def faces(self, name: str) -> FaceDetector:
        """The face detector of the catalogue called ``name``."""
        entry = entry_named(name)
        if entry.research_only:
            _log.warning("research-only weights in use", model=name, licence=entry.licence)
        family = family_of(entry)
        if family == "menshen":
            return self._own_faces(entry, self._bundled(name, FACE_SIGNATURE))
        return FaceDetector.open(
            checked_file(self.store, name),
            family=family,
            sha256=entry.sha256,
            long_side=self.long_side,
            threshold=_threshold(entry),
            **self._options,
        )

    def runs_once(self, name: str) -> bool:
        """Whether plates can be found in the same pass as faces by the model called ``name``."""
        # Tiles are for plates only; with them each kind is searched by itself.
        return family_of(entry_named(name)) == "menshen" and self.tile is None

    def both(self, name: str) -> tuple[PlatePipeline, FaceDetector]:
        """Plates and faces by our own network called ``name``, which runs once for both."""
        session = self._bundled(name, _BOTH)
        return self._pipeline(session), self._own_faces(entry_named(name), session)

    @property
    def _options(self) -> dict[str, Any]:
        return {"threads": self.threads, "providers": self.providers}

    def _pipeline(self, session: Session) -> PlatePipeline:
        detector = (
            PlateDetector(session, long_side=self.long_side)
            if self.tile is None
            else TiledPlateDetector(session, tile=self.tile, long_side=self.long_side)
        )
        return PlatePipeline(detector, PlateReader(self._bundled(PLATE_READER, READER_SIGNATURE)))

    def _own_faces(self, entry: Entry, session: Session) -> FaceDetector:
        return FaceDetector(
            session, family="menshen", long_side=self.long_side, threshold=_threshold(entry)
        )

    def _bundled(self, name: str, signature: Signature) -> Session:
        """The float network, or on the CPU the integer one made from it, as ``precision`` says."""
        # Whether a device is there shows only in a session: a wanted one may be missing.
        on_cpu = resolve_providers(self.providers)[0] == CPU
        if on_cpu and self.precision == "int8":
            return self._integer(name, signature) or self._open(name, signature)
        plain = self._open(name, signature)
        if self.precision == "float" or plain.providers[0] != CPU:
            return plain
        integer = self._integer(name, signature)
        if integer is None:
            return plain
        kept, other = integer, plain
        if self.precision == "auto" and float_is_faster(
            integer, plain, long_side=self.long_side, threads=self.threads
        ):
            kept, other = plain, integer
        other.close()
        return kept

    def _open(self, name: str, signature: Signature) -> Session:
        sha256 = entry_named(name).sha256
        return open_session(
            checked_file(self.store, name), signature=signature, sha256=sha256, **self._options
        )

    def _integer(self, name: str, signature: Signature) -> Session | None:
        """The integer network of the float one called ``name``, where it is good."""
        integer = INTEGER_TWINS[name]
        state, _ = self.store.state(entry_named(integer))
        if state is State.GOOD:
            try:
                session = self._open(integer, signature)
            except UserError as error:
                # Its operators are ONNX Runtime's own, and not of every build.
                _log.warning("integer network cannot be run here", model=name, cause=str(error))
                return None
            if session.metadata.get(SOURCE_KEY) == entry_named(name).sha256:
                return session
            session.close()
            _log.warning("integer network is of another float one, not used", model=name)
        elif state is State.WRONG:
            _log.warning("integer network is not the catalogue's, not used", model=name)
        return None


def _threshold(entry: Entry) -> float:
    return entry.threshold if entry.threshold is not None else _FACE_THRESHOLD


def family_of(entry: Entry) -> Family:
    """What kind of face detector an entry is.

    Raises:
        UserError: it is none.
    """
    if entry.family is None or entry.task != "face-detection":
        raise UserError(
            where="vision core",
            field=entry.name,
            problem=f"is for {entry.task}, not for face detection",
            remedy=f"use {FACE_DETECTOR}",
        )
    return entry.family


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
