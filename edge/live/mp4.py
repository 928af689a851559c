"""Fragmented MP4 for one video track: the init segment, and one fragment per picture."""

from __future__ import annotations

import struct
from dataclasses import dataclass

TIMESCALE = 90_000
"""Units of media time per second: the clock of RTP video (RFC 6184), so nothing is rounded."""
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_KEY_FLAGS, _OTHER_FLAGS = 0x02000000, 0x01010000
_TRUN_FLAGS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800


def box(name: bytes, *parts: bytes) -> bytes:
    """A box (ISO/IEC 14496-12, 4.2): length, name, content."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def full_box(name: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def init_segment(
    *, width: int, height: int, entry: bytes, configuration: tuple[bytes, bytes]
) -> bytes:
    """``ftyp`` and ``moov`` without samples (ISO/IEC 14496-12, 8.8; ISO/IEC 23000-19).

    Args:
        width: of the picture, in pixels.
        height: likewise.
        entry: sample entry, ``avc1`` or ``hvc1``.
        configuration: name and content of the decoder configuration box inside it.
    """
    entry_box = box(
        entry,
        struct.pack(">6xH16xHHIIIH", 1, width, height, 0x480000, 0x480000, 0, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        box(*configuration),
    )
    tables = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry_box),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    here = full_box(b"url ", 0, 1)
    media = box(
        b"minf",
        full_box(b"vmhd", 0, 1, bytes(8)),
        box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), here)),
        tables,
    )
    track = box(
        b"trak",
        full_box(
            b"tkhd",
            0,
            3,
            struct.pack(">IIIIIQHHHH", 0, 0, 1, 0, 0, 0, 0, 0, 0, 0),
            _MATRIX,
            struct.pack(">II", width << 16, height << 16),
        ),
        box(
            b"mdia",
            full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"video\0"),
            media,
        ),
    )
    movie = box(
        b"moov",
        full_box(
            b"mvhd",
            0,
            0,
            struct.pack(">IIIIIHH8x", 0, 0, TIMESCALE, 0, 0x10000, 0x0100, 0),
            _MATRIX,
            bytes(24),
            struct.pack(">I", 2),
        ),
        track,
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )
    return box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6cmfcmp41") + movie


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded picture; times in units of :data:`TIMESCALE`."""

    decode_time: int
    duration: int
    offset: int
    """Presentation time minus decode time; not 0 only where pictures are reordered."""
    is_key: bool
    data: bytes


def fragment(sequence: int, sample: Sample) -> bytes:
    """``moof`` and ``mdat`` with one picture (ISO/IEC 14496-12, 8.8.4 to 8.8.8 and 8.8.12)."""

    def movie_fragment(data_offset: int) -> bytes:
        flags = _KEY_FLAGS if sample.is_key else _OTHER_FLAGS
        run = struct.pack(
            ">IiIIIi", 1, data_offset, sample.duration, len(sample.data), flags, sample.offset
        )
        return box(
            b"moof",
            full_box(b"mfhd", 0, 0, struct.pack(">I", sequence & 0xFFFFFFFF)),
            box(
                b"traf",
                full_box(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
                full_box(b"tfdt", 1, 0, struct.pack(">Q", sample.decode_time)),
                full_box(b"trun", 1, _TRUN_FLAGS, run),
            ),
        )

    size = len(movie_fragment(0))
    return movie_fragment(size + 8) + box(b"mdat", sample.data)
