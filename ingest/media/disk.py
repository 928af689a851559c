"""Keeps evidence files on this machine's disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from config.durable import sync_folder
from ingest.media.base import (
    ENDINGS,
    ListedMedia,
    MediaStore,
    StoredMedia,
    is_sha256,
    name_of,
    parse_name,
)


class DiskStore(MediaStore):
    """Files under ``folder``; half-written ones under ``folder/incoming``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "incoming")
        self._folder = folder

    def find(self, sha256: str) -> StoredMedia | None:
        """See :meth:`MediaStore.find`."""
        if not is_sha256(sha256):
            return None
        for media_type in ENDINGS:
            try:
                size = (self._folder / name_of(sha256, media_type)).stat().st_size
            except FileNotFoundError:
                continue
            return StoredMedia(sha256, media_type, size)
        return None

    def open(self, sha256: str) -> BinaryIO:
        """See :meth:`MediaStore.open`."""
        found = self.find(sha256)
        if found is None:
            raise FileNotFoundError(f"no evidence of sha256 {sha256[:64]!r}")
        return (self._folder / name_of(sha256, found.media_type)).open("rb")

    def keep(self, half: Path, sha256: str, media_type: str) -> None:
        """Give the file its name, on the same disk; then nothing but its end undoes it."""
        path = self._folder / name_of(sha256, media_type)
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            sync_folder(self._folder)
        half.replace(path)
        sync_folder(path.parent)

    def remove(self, sha256: str) -> bool:
        """See :meth:`MediaStore.remove`; durable when this returns."""
        found = self.find(sha256)
        if found is None:
            return False
        path = self._folder / name_of(sha256, found.media_type)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True

    def walk(self) -> Iterator[ListedMedia]:
        """See :meth:`MediaStore.walk`."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                parsed = parse_name(f"{folder.name}/{path.name}")
                if parsed is None:
                    continue
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue  # removed meanwhile
                changed_at = datetime.fromtimestamp(about.st_mtime, UTC)
                yield ListedMedia(StoredMedia(*parsed, about.st_size), changed_at)
