"""Files that survive a power cut: written whole, on the disk with their names, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, half: Path, mode: int = 0o666) -> None:
    """Let ``path`` hold ``data``; on the disk when this returns.

    Args:
        half: where it grows, in the same folder; what a crash has left there is replaced.
        mode: of the file, less the process's umask.

    Raises:
        OSError: it cannot be written; what ``path`` held before is still there, and ``half`` not.
    """
    half.unlink(missing_ok=True)
    try:
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names created or changed in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
