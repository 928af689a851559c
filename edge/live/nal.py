"""H.264 and H.265 byte streams taken apart: NAL units, parameter sets, codec strings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Codec = Literal["h264", "hevc"]

_H264_SPS, _H264_PPS = 7, 8
_HEVC_VPS, _HEVC_SPS, _HEVC_PPS = 32, 33, 34
_LEFT_OUT = {
    # Access unit delimiters, ends and filler: MP4 has its own ways to say that, or no use for it.
    "h264": frozenset({_H264_SPS, _H264_PPS, 9, 10, 11, 12}),
    "hevc": frozenset({_HEVC_VPS, _HEVC_SPS, _HEVC_PPS, 35, 36, 37, 38}),
}
_HIGH_PROFILES = frozenset({100, 110, 122, 244})
_MAX_SETS = 16


class UnreadableError(ValueError):
    """The stream's parameter sets do not make sense."""


def split(data: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream (ITU-T H.264 and H.265, annex B), without start codes."""
    units = []
    start = data.find(b"\0\0\1")
    while start >= 0:
        following = data.find(b"\0\0\1", start + 3)
        unit = data[start + 3 : following if following >= 0 else len(data)].rstrip(b"\0")
        if unit:
            units.append(unit)
        start = following
    return units


def unit_type(codec: Codec, unit: bytes) -> int:
    """``nal_unit_type`` (H.264 7.3.1; H.265 7.3.1.2)."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def sample(codec: Codec, units: Iterable[bytes]) -> bytes:
    """The units of one picture as an MP4 sample: each after its length in 4 bytes.

    Parameter sets are left out: in ``avc1`` and ``hvc1`` tracks they live in the init segment.
    """
    kept = (unit for unit in units if unit_type(codec, unit) not in _LEFT_OUT[codec])
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder must know before the first picture."""

    codec: Codec
    vps: tuple[bytes, ...]
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    def updated(self, units: Iterable[bytes]) -> ParameterSets:
        """With the sets found in ``units`` in place of those of the same kind."""
        found: dict[int, list[bytes]] = {}
        for unit in units:
            kept = found.setdefault(unit_type(self.codec, unit), [])
            if unit not in kept and len(kept) < _MAX_SETS:
                kept.append(unit)
        types = (_HEVC_VPS, _HEVC_SPS, _HEVC_PPS)
        if self.codec == "h264":
            types = (-1, _H264_SPS, _H264_PPS)
        old = (self.vps, self.sps, self.pps)
        new = [
            tuple(found.get(kind, ())) or before for kind, before in zip(types, old, strict=True)
        ]
        return ParameterSets(self.codec, new[0], new[1], new[2])

    @property
    def complete(self) -> bool:
        """True when a decoder could start."""
        return bool(self.sps and self.pps and (self.codec == "h264" or self.vps))

    @property
    def codec_string(self) -> str:
        """RFC 6381 name such as ``avc1.64001f`` (ISO/IEC 14496-15, annex E for H.265).

        Raises:
            UnreadableError: the sequence parameter set is cut off.
        """
        if self.codec == "h264":
            if len(self.sps[0]) < 4:
                raise UnreadableError("the sequence parameter set is cut off")
            return f"avc1.{self.sps[0][1:4].hex()}"
        tier = _HevcProfile.of(self.sps[0])
        return tier.codec_string

    def configuration(self) -> tuple[bytes, bytes]:
        """Name and content of the box that carries the sets (ISO/IEC 14496-15, 5.3.3 and 8.3.3).

        Raises:
            UnreadableError: the sequence parameter set is cut off.
        """
        if self.codec == "h264":
            return b"avcC", _avc_configuration(self.sps, self.pps)
        return b"hvcC", _hevc_configuration(self.vps, self.sps, self.pps)


def parameter_sets(codec: Codec, extradata: bytes) -> ParameterSets:
    """The sets that came with the stream's description (Annex B); may be incomplete."""
    return ParameterSets(codec, (), (), ()).updated(split(extradata))


class _Bits:
    """Reads bits of a NAL unit's payload, emulation prevention taken out (H.264 7.4.1)."""

    def __init__(self, unit: bytes, skip: int) -> None:
        payload = unit[skip:].replace(b"\0\0\3", b"\0\0")
        self._bits = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def read(self, count: int) -> int:
        if count > self._left:
            raise UnreadableError("the sequence parameter set is cut off")
        self._left -= count
        return self._bits >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """``ue(v)`` (H.264 9.1)."""
        zeros = 0
        while self.read(1) == 0:
            zeros += 1
        if zeros > 32:
            raise UnreadableError("the sequence parameter set is not one")
        return (1 << zeros) - 1 + self.read(zeros)


def _avc_configuration(sps: tuple[bytes, ...], pps: tuple[bytes, ...]) -> bytes:
    first = sps[0]
    if len(first) < 4:
        raise UnreadableError("the sequence parameter set is cut off")
    body = b"\x01" + first[1:4] + b"\xff" + bytes([0xE0 | len(sps)]) + _counted(sps)
    body += bytes([len(pps)]) + _counted(pps)
    if first[1] in _HIGH_PROFILES:
        bits = _Bits(first, 4)
        bits.golomb()  # seq_parameter_set_id
        chroma = bits.golomb()
        if chroma == 3:
            bits.read(1)
        luma_depth, chroma_depth = bits.golomb(), bits.golomb()
        body += bytes([0xFC | chroma & 3, 0xF8 | luma_depth & 7, 0xF8 | chroma_depth & 7, 0])
    return body


def _counted(units: Iterable[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


@dataclass(frozen=True, slots=True)
class _HevcProfile:
    """The start of an H.265 sequence parameter set (7.3.2.2.1)."""

    general: bytes
    """``profile_tier_level`` up to ``general_level_idc``: 12 bytes."""
    layers: int
    nested: int
    chroma: int
    luma_depth: int
    chroma_depth: int

    @classmethod
    def of(cls, sps: bytes) -> _HevcProfile:
        bits = _Bits(sps, 2)
        bits.read(4)
        sub_layers = bits.read(3)
        nested = bits.read(1)
        general = bits.read(96).to_bytes(12, "big")
        present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
        if sub_layers:
            bits.read(2 * (8 - sub_layers))
        for profile, level in present:
            bits.read(88 * profile + 8 * level)
        bits.golomb()  # sps_seq_parameter_set_id
        chroma = bits.golomb()
        if chroma == 3:
            bits.read(1)
        bits.golomb(), bits.golomb()  # width and height
        if bits.read(1):
            for _ in range(4):
                bits.golomb()
        return cls(general, sub_layers + 1, nested, chroma, bits.golomb(), bits.golomb())

    @property
    def codec_string(self) -> str:
        space = ("", "A", "B", "C")[self.general[0] >> 6]
        tier = "H" if self.general[0] & 0x20 else "L"
        profile = self.general[0] & 0x1F
        flags = int.from_bytes(self.general[1:5], "big")
        reversed_flags = int(f"{flags:032b}"[::-1], 2)
        constraints = [f"{byte:x}" for byte in self.general[5:11].rstrip(b"\0")]
        name = f"hvc1.{space}{profile}.{reversed_flags:x}.{tier}{self.general[11]}"
        return ".".join([name, *constraints])


def _hevc_configuration(
    vps: tuple[bytes, ...], sps: tuple[bytes, ...], pps: tuple[bytes, ...]
) -> bytes:
    profile = _HevcProfile.of(sps[0])
    body = b"\x01" + profile.general + b"\xf0\x00\xfc"
    body += bytes([0xFC | profile.chroma & 3])
    body += bytes([0xF8 | profile.luma_depth & 7, 0xF8 | profile.chroma_depth & 7])
    body += b"\0\0" + bytes([profile.layers << 3 | profile.nested << 2 | 3]) + b"\x03"
    for kind, units in ((_HEVC_VPS, vps), (_HEVC_SPS, sps), (_HEVC_PPS, pps)):
        body += bytes([0x80 | kind]) + len(units).to_bytes(2, "big") + _counted(units)
    return body
