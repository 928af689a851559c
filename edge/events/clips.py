"""Cuts a clip out of the packets in the ring: remuxed to MP4 as they are, nothing re-encoded."""

from __future__ import annotations

import io
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from config.event import EVIDENCE_LIMIT_BYTES
from edge.streams.stream import StreamPacket

_TICK = Fraction(1, 90_000)
_STEP = 3600
_LONGEST_REORDER = 90_000
_LONGEST_GAP = 5 * 90_000
_INDEX_BYTES = 250_000
"""What an MP4 of 20 s is longer than its packets, with room to spare."""


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """Asks a decode child for what a camera sent between two moments (Unix seconds)."""

    number: int
    camera: str
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class CutClip:
    """The answer: an MP4 file, or None when the ring held nothing of it."""

    number: int
    data: bytes | None


def cut_clip(
    packets: Sequence[StreamPacket], *, codec: str, limit_bytes: int = EVIDENCE_LIMIT_BYTES
) -> bytes | None:
    """An MP4 that begins at the first key frame of ``packets``, its index at the front.

    Args:
        packets: of one stream, in order, as Annex B byte streams.
        codec: ``h264`` or ``hevc``.
        limit_bytes: the centre takes no larger file; where all is more, the end is shown.

    Returns:
        The file, or None when there is no key frame, or nothing that libav can read.
    """
    chosen = _fitting(packets, limit_bytes - _INDEX_BYTES)
    if not chosen:
        return None
    try:
        with (
            av.open(io.BytesIO(bytes(chosen[0].coded)), format=codec) as head,
            tempfile.TemporaryDirectory(prefix="menshen-clip-") as folder,
        ):
            file = Path(folder) / "clip.mp4"
            with av.open(str(file), "w", options={"movflags": "+faststart"}) as out:
                stream: Any = out.add_stream_from_template(head.streams.video[0])
                stream.time_base = _TICK
                for packet, (shown, sent) in zip(chosen, _times(chosen), strict=True):
                    copy = av.Packet(bytes(packet.coded))
                    copy.stream, copy.time_base = stream, _TICK
                    copy.pts, copy.dts = shown, sent
                    copy.is_keyframe = packet.is_keyframe
                    out.mux(copy)
            return file.read_bytes()
    except (av.error.FFmpegError, ValueError):
        return None


def _fitting(packets: Sequence[StreamPacket], limit_bytes: int) -> Sequence[StreamPacket]:
    """As many of the last groups as fit; of a group that alone does not, its beginning."""
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    total = 0
    sums = [total := total + packet.size for packet in packets]
    for first in keys:
        if total - (sums[first - 1] if first else 0) <= limit_bytes:
            return packets[first:]
    if not keys:
        return ()
    before = sums[keys[-1] - 1] if keys[-1] else 0
    return packets[keys[-1] : bisect_right(sums, before + limit_bytes)]


def _times(packets: Sequence[StreamPacket]) -> list[tuple[int, int]]:
    """Presentation and decoding time of each packet in ticks, whatever the camera's clock did.

    Where it jumps, or is missing, a picture follows the last one after the usual step. The
    camera tells only when pictures are shown. They are decoded in the order in which they came,
    at the same moments; all are shown so much later that each is decoded before (B pictures).
    """
    shown = _shown(packets)
    sent: list[int] = []
    for moment in sorted(shown):
        sent.append(max(moment, sent[-1] + 1) if sent else moment)
    delay = max(decoded - moment for decoded, moment in zip(sent, shown, strict=True))
    return [(moment + delay, decoded) for moment, decoded in zip(shown, sent, strict=True)]


def _shown(packets: Sequence[StreamPacket]) -> list[int]:
    stamps = [None if packet.pts_s is None else round(packet.pts_s / _TICK) for packet in packets]
    moments: list[int] = []
    base, last = stamps[0] or 0, -_STEP
    for stamp in stamps:
        moment = last + _STEP if stamp is None else stamp - base
        if not last - _LONGEST_REORDER <= moment <= last + _LONGEST_GAP:
            moment = last + _STEP
            base = (stamp or 0) - moment
        last = max(last, moment)
        moments.append(moment)
    return moments
