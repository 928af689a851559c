"""Puts RTP packets of H.264 or H.265 back together into pictures, and reads RTCP reports."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

Codec = Literal["h264", "hevc"]

START_CODE: Final = b"\x00\x00\x00\x01"
CLOCK_RATE: Final = 90_000
"""Ticks per second of both codings (RFC 6184 section 8.2.1, RFC 7798 section 7.1)."""
_NTP_TO_UNIX: Final = 2_208_988_800
_LARGEST_PICTURE: Final = 16 * 1024 * 1024
_HEADER: Final = struct.Struct("!BBHII")
_RUN: Final = struct.Struct("!HHHHI4xBBB")
"""An interleaved packet: mark and channel, length, RTP header, first bytes of the payload."""
_REPORT: Final = struct.Struct("!IIII")


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One picture as a byte stream (Annex B); ``ticks`` of 1/90000 s, free of the 32-bit wrap.

    ``damaged``: packets of it, or just before it, were lost.
    """

    ticks: int
    data: bytes
    is_key: bool
    damaged: bool


@dataclass(slots=True)
class Depacketizer:
    """Feed it the RTP packets of one stream in order of arrival.

    A picture is complete at its last packet's marker bit. Cameras that set the marker on every
    slice are found out by a packet with an old picture's time, and from then on a picture ends
    where the next one begins, so that its slices stay together.

    Args:
        codec: ``h264`` (RFC 6184) or ``hevc`` (RFC 7798).
        parameter_sets: NAL units from the session description, put before key pictures that
            bring none.
    """

    codec: Codec
    parameter_sets: tuple[bytes, ...] = ()
    lost: int = 0
    """Packets missing by their numbers."""
    strange: int = 0
    """Packets in a row that cannot be of this coding, with no key picture between them."""
    _units: list[bytes] = field(default_factory=list)
    _fragments: list[bytes | bytearray] = field(default_factory=list)
    _size: int = 0
    _stamp: int | None = None
    _ended: int | None = None
    _ticks: int | None = None
    _sequence: int | None = None
    _damaged: bool = False
    _marker_lies: bool = False

    def feed(self, packet: bytes | memoryview) -> list[CodedPicture]:
        """Pictures that this packet completes; a packet that is no RTP is counted as lost."""
        payload = self._payload(packet)
        if payload is None:
            return []
        marker, sequence, stamp, body = payload
        done = self._number(sequence)
        if self._stamp is not None and stamp != self._stamp:
            done += self._finish()
        elif self._stamp is None and stamp == self._ended and body:
            self._marker_lies = True
        self._stamp = stamp
        self._take(body)
        if marker and not self._marker_lies:
            done += self._finish()
        return done

    def run(self, buffer: bytearray, at: int) -> int:
        """Take the middles of a fragmented unit that lie one after another at ``at``.

        The short way for most packets of a large picture: each is an interleaved packet of
        channel 0 (RFC 2326 section 10.12), next in number and of the same picture. Returns where
        something else begins, for :meth:`feed`.
        """
        if not self._fragments or self._sequence is None:
            return at
        is_h264 = self.codec == "h264"
        head, end, expected, begun = (18 if is_h264 else 19), len(buffer), self._sequence, at
        while end - at > head and self._size + at - begun <= _LARGEST_PICTURE:
            mark, size, second, sequence, stamp, unit, flags, more = _RUN.unpack_from(buffer, at)
            expected = (expected + 1) & 0xFFFF
            stop = at + 4 + size
            kind, flags = (unit & 0x1F, flags) if is_h264 else (unit >> 1 & 0x3F, more)
            if (
                mark != 0x2400  # with the channel
                or second >> 7 != 0x100  # version 2 and nothing else; no marker
                or sequence != expected
                or stamp != self._stamp
                or kind != (28 if is_h264 else 49)
                or flags & 0xC0
                or not at + head < stop <= end
            ):
                break
            self._fragments.append(buffer[at + head : stop])
            self._sequence, at = sequence, stop
        self._size += at - begun
        return at

    def _payload(self, packet: bytes | memoryview) -> tuple[bool, int, int, bytes] | None:
        if len(packet) < _HEADER.size:
            self._broken()
            return None
        first, second, sequence, stamp, _ = _HEADER.unpack_from(packet)
        start = _HEADER.size + 4 * (first & 0x0F)
        if first & 0x10 and len(packet) >= start + 4:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
        end = len(packet) - (packet[-1] if first & 0x20 else 0)
        if first >> 6 != 2 or start >= end:
            self._broken()
            return None
        return bool(second & 0x80), sequence, stamp, bytes(packet[start:end])

    def _broken(self) -> None:
        self.lost += 1
        self._damaged = True

    def _number(self, sequence: int) -> list[CodedPicture]:
        """Notice missing packets (RFC 3550 section 5.1)."""
        expected, self._sequence = self._sequence, sequence
        if expected is None or sequence == (expected + 1) & 0xFFFF:
            return []
        gap = (sequence - expected - 1) & 0xFFFF
        self.lost += gap if gap < 0x8000 else 0
        self._damaged = True
        self._fragments.clear()
        return []

    def _take(self, body: bytes) -> None:
        if self._size > _LARGEST_PICTURE:
            self._drop()
            return
        self._size += len(body)
        if _is_strange(self.codec, body):
            self.strange += 1
        if self.codec == "h264":
            self._take_h264(body)
        else:
            self._take_h265(body)

    def _take_h264(self, body: bytes) -> None:
        kind = body[0] & 0x1F
        if 1 <= kind <= 23:
            self._units.append(body)
        elif kind == 24:
            self._units += _aggregated(body[1:])
        elif kind == 28 and len(body) > 2:
            header = bytes([(body[0] & 0xE0) | (body[1] & 0x1F)])
            self._fragment(body[1], header, body[2:])
        else:
            self._damaged = True

    def _take_h265(self, body: bytes) -> None:
        kind = (body[0] >> 1) & 0x3F
        if kind == 48 and len(body) > 2:
            self._units += _aggregated(body[2:])
        elif kind == 49 and len(body) > 3:
            header = bytes([(body[0] & 0x81) | (body[2] & 0x3F) << 1, body[1]])
            self._fragment(body[2], header, body[3:])
        elif kind < 48 and len(body) > 2:
            self._units.append(body)
        else:
            self._damaged = True

    def _fragment(self, flags: int, header: bytes, body: bytes) -> None:
        """One piece of a cut unit; ``flags`` has the start bit 0x80 and the end bit 0x40."""
        if flags & 0x80:
            self._fragments = [header]
        elif not self._fragments:  # its beginning was lost
            self._damaged = True
            return
        self._fragments.append(body)
        if flags & 0x40:
            self._units.append(b"".join(self._fragments))
            self._fragments = []

    def _finish(self) -> list[CodedPicture]:
        stamp = self._stamp
        self._stamp, self._ended = None, stamp
        units = [unit for unit in self._units if not self._is_filler(unit)]
        if self._fragments:
            self._damaged = True
        damaged = self._damaged
        self._drop()
        if stamp is None or not units:
            self._damaged = damaged
            return []
        is_key = any(self.is_key(unit) for unit in units)
        if is_key and not any(self._is_parameter_set(unit) for unit in units):
            units = [*self.parameter_sets, *units]
        if is_key:
            self.strange = 0
        data = START_CODE + START_CODE.join(units)
        return [CodedPicture(self._unwrapped(stamp), data, is_key, damaged)]

    def _drop(self) -> None:
        self._units, self._fragments = [], []
        self._size, self._damaged = 0, False

    def _unwrapped(self, stamp: int) -> int:
        if self._ticks is None:
            self._ticks = stamp
        else:
            step = (stamp - self._ticks) & 0xFFFFFFFF
            self._ticks += step if step < 0x80000000 else step - 0x100000000
        return self._ticks

    def is_key(self, unit: bytes) -> bool:
        """Whether decoding can start at the picture of this NAL unit (IDR; H.265: IRAP)."""
        if self.codec == "h264":
            return unit[0] & 0x1F == 5
        return 16 <= (unit[0] >> 1) & 0x3F <= 21

    def sets_of(self, picture: CodedPicture) -> bytes:
        """The parameter sets inside a picture, as a byte stream."""
        head = picture.data[:4096].split(START_CODE)[1:]
        sets = [unit for unit in head if unit and self._is_parameter_set(unit)]
        return b"".join(START_CODE + unit for unit in sets)

    def _is_filler(self, unit: bytes) -> bool:
        """Whether the unit only fills up a constant bit rate: nobody needs to keep or send it."""
        return unit[0] & 0x1F == 12 if self.codec == "h264" else (unit[0] >> 1) & 0x3F == 38

    def _is_parameter_set(self, unit: bytes) -> bool:
        if self.codec == "h264":
            return unit[0] & 0x1F in (7, 8)
        return (unit[0] >> 1) & 0x3F in (32, 33, 34)


def _is_strange(codec: Codec, body: bytes) -> bool:
    """Whether no encoder sends such a payload in this coding: the camera may have changed it.

    H.264 (RFC 6184 table 1): cameras send units 1, 5 to 12, STAP-A and FU-A. H.265 (RFC 7798
    section 4.4, H.265 table 7-1): the second byte of a unit's header is never 0 in its last bits.
    """
    if codec == "h264":
        kind = body[0] & 0x1F
        return body[0] & 0x80 != 0 or not (kind == 1 or 5 <= kind <= 12 or kind in (24, 28))
    kind = body[0] >> 1 & 0x3F
    return len(body) < 2 or body[0] & 0x80 != 0 or body[1] & 7 == 0 or 41 <= kind <= 47 or kind > 50


def _aggregated(body: bytes) -> Iterable[bytes]:
    """NAL units of an aggregation packet: each behind its 16-bit length."""
    units, at = [], 0
    while at + 2 < len(body):
        size = int.from_bytes(body[at : at + 2])
        if size == 0 or at + 2 + size > len(body):
            break
        units.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    return units


def sender_clock(packet: bytes | memoryview) -> float | None:
    """The camera's wall clock in Unix seconds from an RTCP sender report (RFC 3550, 6.4.1).

    None when there is no report in it, or its clock was never set (before the year 2001).
    """
    if len(packet) < 28 or packet[1] != 200:
        return None
    _, seconds, fraction, _ = _REPORT.unpack_from(packet, 4)
    unix = seconds - _NTP_TO_UNIX + fraction / 2**32
    return unix if unix > 978_307_200 else None


def says_goodbye(packet: bytes | memoryview) -> bool:
    """Whether a compound RTCP packet holds a BYE (RFC 3550 section 6.6): the stream has ended."""
    at = 0
    while at + 4 <= len(packet):
        if packet[at + 1] == 203:
            return True
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4])
    return False
