"""Keeps evidence files on the centre's disk, each verified and named by its sha256."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from config.errors import UserError

LIMIT_BYTES = 20_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENDINGS = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}


class MediaError(UserError):
    """A file that is not taken; ``status`` is the HTTP status that says so."""

    def __init__(self, *, status: int, where: str, problem: str, remedy: str) -> None:
        super().__init__(where=where, problem=problem, remedy=remedy)
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file that is on the disk."""

    sha256: str
    media_type: str
    size_bytes: int


class MediaStore:
    """Files under ``folder/ab/<sha256>.jpg``; half-written ones under ``folder/incoming``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            for half in self._incoming.iterdir():
                half.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                where=str(folder),
                problem=f"evidence cannot be kept here ({error.strerror})",
                remedy="give a folder on a disk that this user may write",
            ) from None

    def find(self, sha256: str) -> StoredMedia | None:
        """What is stored under ``sha256``, or None; also None for what is no sha256."""
        for media_type in _ENDINGS:
            path = self._path(sha256, media_type)
            if path is not None and path.is_file():
                return StoredMedia(sha256, media_type, path.stat().st_size)
        return None

    def open(self, sha256: str) -> BinaryIO:
        """Open a stored file for reading.

        Raises:
            FileNotFoundError: it is not here (yet).
        """
        found = self.find(sha256)
        path = self._path(sha256, found.media_type) if found else None
        if path is None:
            raise FileNotFoundError(f"no evidence of sha256 {sha256[:64]!r}")
        return path.open("rb")

    def begin(self, sha256: str) -> Upload:
        """Begin to write a file that shall have this sha256.

        Raises:
            MediaError: 422, ``sha256`` is not 64 hexadecimal digits in lower case.
        """
        if _SHA256.fullmatch(sha256) is None:
            raise MediaError(
                status=422,
                where="address",
                problem="the name of a file is its sha256, 64 hexadecimal digits in lower case",
                remedy="send it to /v1/media/<sha256 of its bytes>",
            )
        return Upload(self, sha256, self._incoming / f"{sha256[:16]}-{secrets.token_hex(8)}")

    def _path(self, sha256: str, media_type: str) -> Path | None:
        if _SHA256.fullmatch(sha256) is None:
            return None
        return self._folder / sha256[:2] / f"{sha256}{_ENDINGS[media_type]}"

    def keep(self, half: Path, sha256: str, media_type: str) -> None:
        """Give a complete, synced file its name; durable when this returns."""
        path = self._path(sha256, media_type)
        if path is None:
            raise ValueError("not a sha256")
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            _sync_folder(self._folder)
        half.replace(path)
        _sync_folder(path.parent)


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
        self._file.close()
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
