"""Backs up the files of evidence beside a database's backup, each once however many backups."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from config.errors import UserError
from ingest.media.base import LIMIT_BYTES, MediaError, MediaStore, name_of, parse_name

MANIFEST = ".files"
"""Added to a backup's name: the list of the files that belong to it."""
_FOLDER = "evidence"
_CHUNK_BYTES = 1 << 20


class _OtherBytesError(Exception):
    """What the store holds is not what its name says."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What one backup of the files did."""

    files: int
    """How many belong to this backup."""
    new: int
    """How many of them no earlier backup had copied."""
    pruned: int
    """How many were removed, as no backup here names them any more."""


def copy_evidence(store: MediaStore, backup: Path) -> Copied:
    """Copy every file of the store to ``evidence/`` beside ``backup``, and list them.

    Files never change, so one that is there with the right size is not copied again. A copy is
    verified by its sha256 and synced before it is named. What retention removes meanwhile is
    left out.

    Raises:
        UserError: a file cannot be copied, or the store holds other bytes than its name says; all
            others of the second sort are copied and listed.
    """
    folder = backup.parent / _FOLDER
    names, bad, new = [], [], 0
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for item in store.walk():
            name = name_of(item.file.sha256, item.file.media_type)
            target = folder / name
            if not (target.exists() and target.stat().st_size == item.file.size_bytes):
                try:
                    if not _fetch(store, item.file.sha256, target):
                        continue
                except _OtherBytesError:
                    bad.append(name)
                    continue
                new += 1
            names.append(name)
        _write_list(backup, names)
        pruned = _prune(folder, backup.parent)
    except OSError as error:
        raise _problem(folder, f"cannot be written ({error})", "free space, check rights") from None
    if bad:
        problem = f"holds other bytes under {bad[0]}, and {len(bad) - 1} others"
        remedy = "look at its disk; the list of this backup is without them"
        raise UserError(where="store of evidence", problem=problem, remedy=remedy)
    return Copied(len(names), new, pruned)


def restore_evidence(store: MediaStore, backup: Path) -> int:
    """Put the files of a backup into the store, those that it lacks; how many they were.

    Raises:
        UserError: the list is missing, or a file is missing or damaged; all others are in. Also
            when the store takes no more files, which is told at the first.
    """
    listed = backup.with_name(backup.name + MANIFEST)
    try:
        names = listed.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        raise _problem(
            listed, "cannot be read", "give the backup with its list, or add --without-evidence"
        ) from None
    put, bad = 0, []
    for name in names:
        parsed = parse_name(name)
        if parsed is None:
            raise _problem(
                listed, f"names {name[:80]!r}, which is no file of ours", "mend the list"
            )
        sha256, media_type = parsed
        if store.find(sha256) is None:
            if not _put(store, sha256, media_type, backup.parent / _FOLDER / name):
                bad.append(name)
                continue
            put += 1
    if bad:
        problem = f"{bad[0]} is missing or damaged, and {len(bad) - 1} others"
        raise _problem(backup.parent / _FOLDER, problem, "fetch them from another copy")
    return put


def _fetch(store: MediaStore, sha256: str, target: Path) -> bool:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    half = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    try:
        with store.open(sha256) as source, half.open("wb") as copy:
            half.chmod(0o600)
            for chunk in _chunks(source):
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError:
        half.unlink(missing_ok=True)
        return False
    if digest.hexdigest() != sha256:
        half.unlink()
        raise _OtherBytesError
    half.replace(target)
    return True


def _put(store: MediaStore, sha256: str, media_type: str, source: Path) -> bool:
    """Put one file in; False when ``source`` is missing or damaged."""
    try:
        with source.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError:
        return False
    try:
        with store.begin(sha256) as upload:
            upload.write(data)
            upload.finish(declared=media_type)
    except MediaError as error:
        if error.status >= 500:
            raise
        return False
    except OSError as error:
        raise UserError(
            where="store of evidence",
            problem=f"takes no more files ({error.strerror})",
            remedy="make room there, then restore into another new database: what is in stays",
        ) from None
    return True


def _chunks(file: BinaryIO | IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _write_list(backup: Path, names: list[str]) -> None:
    half = backup.with_name(backup.name + MANIFEST + ".part")
    half.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="ascii")
    half.chmod(0o600)
    half.replace(backup.with_name(backup.name + MANIFEST))


def _prune(folder: Path, backups: Path) -> int:
    """Remove copies that no list names: what was deleted lives no longer than its backups."""
    wanted: set[str] = set()
    for listed in backups.glob(f"*{MANIFEST}"):
        wanted.update(listed.read_text(encoding="ascii").split())
    pruned = 0
    for path in folder.glob("??/*"):
        if f"{path.parent.name}/{path.name}" not in wanted:
            path.unlink()
            pruned += 1
    return pruned


def _problem(path: Path, problem: str, remedy: str) -> UserError:
    return UserError(where=str(path), problem=problem, remedy=remedy)
