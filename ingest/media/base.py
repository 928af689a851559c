"""What every store of evidence files can do, and the verification that none may skip."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO

from config.errors import UserError
from config.event import EVIDENCE_LIMIT_BYTES

LIMIT_BYTES = EVIDENCE_LIMIT_BYTES
HALF_S = 3600.0
"""An upload that was not written to for longer than this is nobody's any more."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})(\.jpg|\.mp4)")
ENDINGS = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}
_TYPES = {ending: media_type for media_type, ending in ENDINGS.items()}


class MediaError(UserError):
    """A file that is not taken; ``status`` is the HTTP status that says so."""

    def __init__(self, *, status: int, where: str, problem: str, remedy: str) -> None:
        super().__init__(where=where, problem=problem, remedy=remedy)
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file that the store holds."""

    sha256: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ListedMedia:
    """A file as :meth:`MediaStore.walk` finds it, and since when it is there."""

    file: StoredMedia
    changed_at: datetime


class MediaStore(ABC):
    """Files under ``ab/<sha256>.jpg``, written whole or not at all.

    Uploads are written to ``spool`` on this machine's disk, verified there, then kept. Each
    method raises :class:`MediaError` with status 503 when the store does not answer.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        try:
            spool.mkdir(parents=True, exist_ok=True)
            _sweep(spool)
        except OSError as error:
            raise UserError(
                where=str(spool),
                problem=f"evidence cannot be kept here ({error.strerror})",
                remedy="give a folder on a disk that this user may write",
            ) from None

    @abstractmethod
    def find(self, sha256: str) -> StoredMedia | None:
        """What is stored under ``sha256``, or None; also None for what is no sha256."""

    @abstractmethod
    def open(self, sha256: str) -> BinaryIO:
        """Open a stored file for reading.

        Raises:
            FileNotFoundError: it is not here (yet).
        """

    @abstractmethod
    def keep(self, half: Path, sha256: str, media_type: str) -> None:
        """Keep a complete, verified and synced file; durable when this returns."""

    @abstractmethod
    def remove(self, sha256: str) -> bool:
        """Remove a file for good; False when there was none."""

    @abstractmethod
    def walk(self) -> Iterator[ListedMedia]:
        """Every stored file, in no order; what does not look like ours is passed over."""

    def begin(self, sha256: str) -> Upload:
        """Begin to write a file that shall have this sha256.

        Raises:
            MediaError: 422, ``sha256`` is not 64 hexadecimal digits in lower case.
        """
        if not is_sha256(sha256):
            raise MediaError(
                status=422,
                where="address",
                problem="the name of a file is its sha256, 64 hexadecimal digits in lower case",
                remedy="send it to /v1/media/<sha256 of its bytes>",
            )
        return Upload(self, sha256, self._spool / f"{sha256[:16]}-{secrets.token_hex(8)}")


def _sweep(spool: Path) -> None:
    """Remove what crashes left behind, but not what another process is writing."""
    for half in spool.iterdir():
        with suppress(FileNotFoundError):
            if half.stat().st_mtime < time.time() - HALF_S:
                half.unlink()


def is_sha256(text: str) -> bool:
    """True for 64 hexadecimal digits in lower case."""
    return _SHA256.fullmatch(text) is not None


def name_of(sha256: str, media_type: str) -> str:
    """``ab/<sha256>.jpg``: where a file lies below its store's root."""
    return f"{sha256[:2]}/{sha256}{ENDINGS[media_type]}"


def parse_name(name: str) -> tuple[str, str] | None:
    """The sha256 and media type of a name that :func:`name_of` made; None for any other."""
    found = _NAME.fullmatch(name)
    return (found[1], _TYPES[found[2]]) if found is not None else None


class Upload:
    """One file on its way in: any number of ``write``, then ``finish``; or leave the block."""

    def __init__(self, store: MediaStore, sha256: str, half: Path) -> None:
        self._store = store
        self._sha256 = sha256
        self._half = half
        self._hash = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._file: IO[bytes] = half.open("wb")

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # On a full disk this raises again; nothing of a half file is needed.
            with suppress(OSError):
                self._file.close()
        finally:
            self._half.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            MediaError: 413, it becomes larger than ``LIMIT_BYTES``; 415, it begins like neither
                a JPEG nor an MP4.
        """
        self._size += len(chunk)
        if self._size > LIMIT_BYTES:
            raise too_large(self._sha256)
        if len(self._head) < 12:
            self._head += chunk[: 12 - len(self._head)]
            if len(self._head) == 12:
                self._media_type()
        self._hash.update(chunk)
        self._file.write(chunk)

    def finish(self, *, declared: str | None) -> StoredMedia:
        """Verify, sync and name the file; it is durable when this returns.

        Args:
            declared: the Content-Type the sender gave, or None.

        Raises:
            MediaError: 415, of a wrong type; 422, its sha256 is not the one it was sent under.
        """
        media_type = self._media_type()
        if declared is not None and declared.split(";")[0].strip().lower() != media_type:
            raise _wrong_type(self._sha256, f"it is {media_type}, but was declared as another type")
        if self._hash.hexdigest() != self._sha256:
            raise MediaError(
                status=422,
                where=self._sha256,
                problem="the bytes that came have another sha256",
                remedy="check the file on the edge's disk, then send it again",
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._store.keep(self._half, self._sha256, media_type)
        return StoredMedia(self._sha256, media_type, self._size)

    def _media_type(self) -> str:
        # ISO/IEC 10918-1: SOI marker, then another marker. ISO/IEC 14496-12: "ftyp" box first.
        if self._head[:3] == b"\xff\xd8\xff":
            return "image/jpeg"
        if self._head[4:8] == b"ftyp":
            return "video/mp4"
        raise _wrong_type(self._sha256, "it begins like neither a JPEG nor an MP4")


def too_large(sha256: str) -> MediaError:
    """413, for a file larger than ``LIMIT_BYTES``."""
    return MediaError(
        status=413,
        where=sha256,
        problem=f"it is larger than {LIMIT_BYTES} bytes",
        remedy="cut the clip shorter, or lower the picture's quality",
    )


def _wrong_type(sha256: str, problem: str) -> MediaError:
    return MediaError(
        status=415,
        where=sha256,
        problem=problem,
        remedy="send image/jpeg or video/mp4 with the matching Content-Type",
    )
