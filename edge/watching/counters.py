"""What one camera's threads have done: counts and processor time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What one camera's threads have done since their child started.

    ``decode_s``, ``motion_s`` and ``picture_s`` (colour, masks, copying) are seconds of processor
    time, so they stay true on a busy machine.
    """

    packets: int = 0
    bytes: int = 0
    decoded: int = 0
    watched: int = 0
    sampled: int = 0
    dropped: int = 0
    corrupt: int = 0
    decode_s: float = 0.0
    motion_s: float = 0.0
    picture_s: float = 0.0
    record_errors: int = 0
