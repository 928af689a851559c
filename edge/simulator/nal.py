"""Splits H.264 and H.265 byte streams into NAL units and tells what each unit is."""

from __future__ import annotations

from enum import StrEnum


class Codec(StrEnum):
    """The video codings that the simulator serves."""

    H264 = "h264"
    H265 = "h265"


_START = b"\x00\x00\x01"
_DELIMITER = {Codec.H264: 9, Codec.H265: 35}
_PARAMETER_SETS = {Codec.H264: (7, 8), Codec.H265: (32, 33, 34)}


def split_annexb(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream (ITU-T H.264 and H.265, annex B), without start codes.

    Bytes before the first start code are no part of a unit and are left out; so are the zero
    bytes that may trail a unit.
    """
    pieces = data.split(_START)[1:]
    units = (piece.rstrip(b"\x00") for piece in pieces)
    return [unit for unit in units if unit]


def nal_type(codec: Codec, nal: bytes) -> int:
    """``nal_unit_type``: H.264 section 7.3.1 (5 bits), H.265 section 7.3.1.2 (6 bits)."""
    return nal[0] & 0x1F if codec is Codec.H264 else (nal[0] >> 1) & 0x3F


def is_key(codec: Codec, nal: bytes) -> bool:
    """Whether decoding can begin at this picture: IDR in H.264, IRAP (16..23) in H.265."""
    kind = nal_type(codec, nal)
    return kind == 5 if codec is Codec.H264 else 16 <= kind <= 23


def is_parameter_set(codec: Codec, nal: bytes) -> bool:
    """Whether the unit is a VPS, SPS or PPS."""
    return nal_type(codec, nal) in _PARAMETER_SETS[codec]


def is_delimiter(codec: Codec, nal: bytes) -> bool:
    """Whether the unit is an access unit delimiter, which RTP's marker bit makes superfluous."""
    return nal_type(codec, nal) == _DELIMITER[codec]


def parameter_sets(codec: Codec, nals: list[bytes]) -> tuple[bytes, ...]:
    """The first unit of each parameter-set type, in the order that a decoder needs them."""
    found: dict[int, bytes] = {}
    for nal in nals:
        if is_parameter_set(codec, nal):
            found.setdefault(nal_type(codec, nal), nal)
    return tuple(found[kind] for kind in _PARAMETER_SETS[codec] if kind in found)
