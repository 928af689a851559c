"""Asks the C library to give memory back: pictures are large, and held by many threads."""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_LARGE: Final = 3 << 17
"""A plane of colour of a 1080p picture (518 kB) is more, what motion works with is less."""
_SPARE: Final = 1 << 20


def give_back_memory() -> None:
    """Tune glibc (mallopt(3)) for this process; call before its threads start.

    By default each thread has a heap of its own that keeps the most it ever used, and blocks as
    large as a picture end up in it, between packets that are kept for long. Here there are two
    heaps, and planes of pictures lie in neither: they are given back as soon as they are freed.
    Elsewhere (musl) nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_ARENA_MAX, 2)
    mallopt(_MMAP_THRESHOLD, _LARGE)
    mallopt(_TRIM_THRESHOLD, _SPARE)


def trim_memory() -> None:
    """Give back what lies free between blocks in use (malloc_trim(3)); a few ms.

    Packets of a hundred sizes are kept for 24 s in a heap, and what is freed between them grows
    for hours otherwise.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
