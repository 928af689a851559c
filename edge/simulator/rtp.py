"""Cuts access units into RTP packets and writes RTCP sender reports."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.simulator.nal import Codec

PAYLOAD_TYPE = 96
"""The first dynamic payload type (RFC 3551 section 6)."""
MAX_PAYLOAD = 1400
"""Bytes of payload that fit a 1500-byte path with room for tunnels."""
MIN_PAYLOAD = 8
_NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)


def fragment(codec: Codec, nal: bytes, limit: int = MAX_PAYLOAD) -> list[bytes]:
    """The RTP payloads of one NAL unit: itself if it fits, else fragmentation units.

    H.264: FU-A, RFC 6184 section 5.8. H.265: FU, RFC 7798 section 4.4.3.

    Args:
        nal: at least 1 byte (H.264) or 2 bytes (H.265).
        limit: most bytes per payload, >= 8.

    Raises:
        ValueError: the unit has no header, or ``limit`` is too small.
    """
    header = 1 if codec is Codec.H264 else 2
    if len(nal) < header:
        raise ValueError(f"a {codec} NAL unit needs at least {header} bytes, got {len(nal)}")
    if limit < MIN_PAYLOAD:
        raise ValueError(f"limit must be at least {MIN_PAYLOAD} bytes, got {limit}")
    if len(nal) <= limit:
        return [nal]
    prefix, kind = _fragment_header(codec, nal)
    room = limit - len(prefix) - 1
    body = nal[header:]
    starts = range(0, len(body), room)
    return [
        prefix
        + bytes([kind | (0x80 if at == 0 else 0) | (0x40 if at + room >= len(body) else 0)])
        + body[at : at + room]
        for at in starts
    ]


def _fragment_header(codec: Codec, nal: bytes) -> tuple[bytes, int]:
    if codec is Codec.H264:
        return bytes([(nal[0] & 0xE0) | 28]), nal[0] & 0x1F
    return bytes([(nal[0] & 0x81) | (49 << 1), nal[1]]), (nal[0] >> 1) & 0x3F


def payloads(codec: Codec, nals: Iterable[bytes], limit: int = MAX_PAYLOAD) -> list[bytes]:
    """The RTP payloads of one access unit, in order; the last one gets the marker bit."""
    return [part for nal in nals for part in fragment(codec, nal, limit)]


def ntp_time(moment: datetime) -> int:
    """64-bit NTP timestamp (RFC 3550 section 4): seconds since 1900, 32.32 fixed point."""
    delta = moment - _NTP_EPOCH
    seconds = delta.days * 86_400 + delta.seconds
    return (seconds << 32) | (delta.microseconds << 32) // 1_000_000


@dataclass(slots=True)
class RtpSender:
    """Numbers the packets of one client's stream (RFC 3550 section 5.1).

    ``sequence`` (16 bits) is that of the next packet; ``base`` (32 bits) is added to every
    timestamp; both begin at random values.
    """

    ssrc: int
    sequence: int
    base: int
    packets_sent: int = 0
    octets_sent: int = 0

    def timestamp(self, ticks: int) -> int:
        """The 32-bit RTP timestamp of a time in ticks."""
        return (self.base + ticks) & 0xFFFFFFFF

    def packets(self, parts: Sequence[bytes], ticks: int) -> list[bytes]:
        """RTP packets of one access unit's payloads, all with the timestamp of ``ticks``."""
        stamp, last, result = self.timestamp(ticks), len(parts) - 1, []
        for index, part in enumerate(parts):
            marker = 0x80 if index == last else 0
            result.append(
                struct.pack("!BBHII", 0x80, marker | PAYLOAD_TYPE, self.sequence, stamp, self.ssrc)
                + part
            )
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.octets_sent += len(part)
        self.packets_sent += len(parts)
        return result

    def report(self, moment: datetime, ticks: int) -> bytes:
        """Compound RTCP: sender report and SDES CNAME (RFC 3550 sections 6.4.1 and 6.5)."""
        ntp = ntp_time(moment)
        sender = struct.pack(
            "!BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            ntp >> 32,
            ntp & 0xFFFFFFFF,
            self.timestamp(ticks),
            self.packets_sent & 0xFFFFFFFF,
            self.octets_sent & 0xFFFFFFFF,
        )
        return sender + self._description()

    def _description(self) -> bytes:
        name = b"menshen"
        item = struct.pack("!IBB", self.ssrc, 1, len(name)) + name
        item += b"\x00" * (4 - len(item) % 4)
        return struct.pack("!BBH", 0x81, 202, len(item) // 4) + item

    def goodbye(self) -> bytes:
        """RTCP BYE (RFC 3550 section 6.6)."""
        return struct.pack("!BBHI", 0x81, 203, 1, self.ssrc)
