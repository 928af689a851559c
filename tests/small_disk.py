"""A real disk that is small, so that it can be filled: a tmpfs, mounted for one test."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2
"""MNT_DETACH of umount2(2): also while a process that was killed is still going."""


def can_mount() -> bool:
    """True for root with the right to mount, as CAP_SYS_ADMIN (bit 21) of /proc says."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> 21 & 1)


class SmallDisk:
    """A filesystem of its own at ``folder``; what fills it meets ENOSPC, nobody else's disk does.

    Fails the test, or skips it for who may not mount.
    """

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        if not can_mount():
            pytest.skip("a small disk must be mounted: run as root")
        folder.mkdir()
        self.folder = folder
        self._ballast = folder / "ballast"
        options = f"size={megabytes}m,mode=0755".encode()
        if _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options) != 0:
            why = ctypes.get_errno()
            if why in (errno.EPERM, errno.EACCES):  # AppArmor and seccomp ask for no capability
                pytest.skip(f"a small disk must be mounted: {os.strerror(why)}")
            pytest.fail(f"no tmpfs at {folder}: {os.strerror(why)}")

    def fill(self) -> None:
        """Take every byte that is free."""
        with self._ballast.open("ab") as ballast:
            step = 1 << 24
            while step >= 4096:
                end = os.fstat(ballast.fileno()).st_size
                try:
                    os.posix_fallocate(ballast.fileno(), end, step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def make_room(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the disk away, with everything on it."""
        _LIBC.umount2(os.fsencode(self.folder), _DETACH)
        with contextlib.suppress(OSError):
            self.folder.rmdir()
