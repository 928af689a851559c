"""Keeps evidence on the edge's disk, named by its content, until the centre has it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from config.clock import Clock, SystemClock
from config.durable import replace_file, sync_folder
from config.errors import UserError
from config.event import EvidenceRef
from config.logs import get_logger

log = get_logger(__name__)

MediaType = Literal["image/jpeg", "video/mp4"]
_ENDING: dict[MediaType, str] = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}
_TYPE: dict[str, MediaType] = {ending: media for media, ending in _ENDING.items()}
_REFUSED = "refused"
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that waits for its upload."""

    sha256: str
    path: Path
    media_type: MediaType
    size_bytes: int
    kept_since_s: float
    """Unix seconds; after a restart those of the file."""


class EvidenceStore:
    """Files under ``folder``; safe from several threads.

    There are at most ``budget_bytes`` of them, and none is older than ``keep_days``, not even
    one that the centre has refused. What goes for either reason is the oldest, where there is no
    room first of what was refused; it is counted in :attr:`dropped`, and told to ``on_drop`` if
    it still waited: its event stays, its picture is gone.
    """

    def __init__(
        self,
        folder: Path,
        budget_bytes: int,
        *,
        keep_days: float | None = None,
        clock: Clock | None = None,
        on_drop: Callable[[StoredFile], None] | None = None,
    ) -> None:
        self.folder = folder
        self.dropped = 0
        self._budget = budget_bytes
        self._keep_s = None if keep_days is None else keep_days * _DAY_S
        self._clock = clock or SystemClock()
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._listener: Callable[[], None] = lambda: None
        try:
            (folder / _REFUSED).mkdir(parents=True, exist_ok=True)
            self._waiting = {found.sha256: found for found in _scan(folder)}
            self._refused = {found.sha256: found for found in _apart(folder)}
        except OSError as error:
            raise _unusable(folder, error) from None
        kept = [*self._waiting.values(), *self._refused.values()]
        self._bytes = sum(found.size_bytes for found in kept)
        self.expire()

    def put(
        self,
        data: bytes,
        *,
        media_type: MediaType,
        role: Literal["crop", "scene", "clip"],
    ) -> EvidenceRef:
        """Store ``data``; returns its reference once a power cut cannot take the file back.

        Raises:
            ValueError: ``data`` is empty.
            UserError: the disk is full or cannot be written.
        """
        if not data:
            raise ValueError("evidence without a byte")
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / digest[:2] / f"{digest}{_ENDING[media_type]}"
        now_s = self._clock.now().timestamp()
        stored = StoredFile(digest, path, media_type, len(data), now_s)
        with self._lock:
            known = digest in self._waiting
        if not known:
            try:
                _write_durably(path, data)
            except OSError as error:
                raise _unusable(self.folder, error) from None
            self._remember(stored)
        return EvidenceRef(sha256=digest, media_type=media_type, size_bytes=len(data), role=role)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (quick) after each new file."""
        self._listener = listener

    def waiting(self) -> list[StoredFile]:
        """Files that the centre does not have yet, newest first."""
        with self._lock:
            return list(reversed(self._waiting.values()))

    def newest(self, *, but: Sequence[Container[str]] = ()) -> StoredFile | None:
        """The newest file that the centre does not have yet and that is in none of ``but``."""
        with self._lock:
            for sha256 in reversed(self._waiting):
                if not any(sha256 in passed for passed in but):
                    return self._waiting[sha256]
        return None

    def uploaded(self, stored: StoredFile) -> None:
        """The centre has it on its disk: the file here may go."""
        self._forget(stored)
        _delete(stored.path)

    def refused(self, stored: StoredFile) -> None:
        """The centre will never take it: kept apart, for a person to look at."""
        self._forget(stored)
        apart = replace(stored, path=self.folder / _REFUSED / stored.path.name)
        try:
            stored.path.rename(apart.path)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("refused evidence not kept apart", file=str(stored.path), why=error.strerror)
            return
        with self._lock:
            if stored.sha256 not in self._refused:
                self._bytes += stored.size_bytes
            self._refused[stored.sha256] = apart

    def expire(self) -> None:
        """Drop what is older than ``keep_days``; call it now and then. For any thread."""
        if self._keep_s is None:
            return
        before_s = self._clock.now().timestamp() - self._keep_s
        for kept in (self._waiting, self._refused):
            self._drop(
                kept, lambda oldest: oldest.kept_since_s < before_s, why="it was kept for its days"
            )

    def _remember(self, stored: StoredFile) -> None:
        with self._lock:
            if stored.sha256 not in self._waiting:
                self._waiting[stored.sha256] = stored
                self._bytes += stored.size_bytes
        if self._bytes > self._budget:
            self._make_room()
        self._listener()

    def _make_room(self) -> None:
        why = "disk budget full"
        self._drop(self._refused, lambda _: self._bytes > self._budget, why=why)
        self._drop(
            self._waiting,
            lambda _: self._bytes > self._budget and len(self._waiting) > 1,
            why=why,
        )

    def _drop(
        self,
        kept: dict[str, StoredFile],
        has_to_go: Callable[[StoredFile], bool],
        *,
        why: str,
    ) -> None:
        """Drop the oldest file for as long as it has to go."""
        dropped = []
        with self._lock:
            # By their time: the newest are sent, and so refused, first; a clock may be put back.
            for oldest in sorted(kept.values(), key=lambda stored: stored.kept_since_s):
                if not has_to_go(oldest):
                    break
                del kept[oldest.sha256]
                self._bytes -= oldest.size_bytes
                self.dropped += 1
                dropped.append(oldest)
        for oldest in dropped:
            _delete(oldest.path)
            log.warning("evidence dropped", reason=why, file=oldest.path.name)
            if self._on_drop is not None and kept is self._waiting:
                self._on_drop(oldest)

    def _forget(self, stored: StoredFile) -> None:
        with self._lock:
            if self._waiting.pop(stored.sha256, None) is not None:
                self._bytes -= stored.size_bytes


def _scan(folder: Path) -> list[StoredFile]:
    """Files of an earlier run, oldest first; half-written ones are removed."""
    found: list[StoredFile] = []
    for path in folder.glob("??/*"):
        media_type = _TYPE.get(path.suffix)
        if media_type is None:
            path.unlink(missing_ok=True)
            continue
        found.append(_stored(path, media_type))
    return sorted(found, key=lambda stored: stored.kept_since_s)


def _apart(folder: Path) -> list[StoredFile]:
    """Files that the centre has refused in an earlier run, oldest first."""
    found = [
        _stored(path, _TYPE[path.suffix])
        for path in (folder / _REFUSED).iterdir()
        if path.suffix in _TYPE and path.is_file()
    ]
    return sorted(found, key=lambda stored: stored.kept_since_s)


def _stored(path: Path, media_type: MediaType) -> StoredFile:
    status = path.stat()
    return StoredFile(path.stem, path, media_type, status.st_size, kept_since_s=status.st_mtime)


def _delete(path: Path) -> None:
    """Without a word when it is gone already; a disk that refuses must not end its caller."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("evidence not deleted", file=str(path), why=error.strerror)


def _write_durably(path: Path, data: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(exist_ok=True)
        sync_folder(path.parent.parent)
    replace_file(path, data, half=path.with_suffix(f".part-{threading.get_ident()}"))


def _unusable(folder: Path, error: OSError) -> UserError:
    return UserError(
        where=str(folder),
        problem=f"evidence cannot be kept here ({error.strerror})",
        remedy="free space on this disk and check who may write there",
    )
