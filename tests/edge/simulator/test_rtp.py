"""RTP packets carry every NAL unit whole, in order, within the size limit."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulator.nal import Codec, split_annexb
from edge.simulator.rtp import RtpSender, fragment, ntp_time, payloads

CODECS = st.sampled_from(list(Codec))
LIMITS = st.integers(8, 1500)


def reassemble(codec: Codec, parts: list[bytes]) -> list[bytes]:
    """A receiver's side of RFC 6184 section 5.8 and RFC 7798 section 4.4.3."""
    units: list[bytes] = []
    for part in parts:
        kind = part[0] & 0x1F if codec is Codec.H264 else (part[0] >> 1) & 0x3F
        if kind != (28 if codec is Codec.H264 else 49):
            units.append(part)
            continue
        at = 1 if codec is Codec.H264 else 2
        flags, body = part[at], part[at + 1 :]
        if flags & 0x80:
            if codec is Codec.H264:
                units.append(bytes([(part[0] & 0xE0) | (flags & 0x1F)]))
            else:
                units.append(bytes([(part[0] & 0x81) | ((flags & 0x3F) << 1), part[1]]))
        units[-1] += body
    return units


@st.composite
def nal_units(draw: st.DrawFn, codec: Codec) -> bytes:
    if codec is Codec.H264:
        head = bytes([draw(st.integers(0, 3)) << 5 | draw(st.integers(1, 23))])
    else:
        head = bytes([draw(st.integers(0, 40)) << 1, draw(st.integers(1, 7))])
    return head + draw(st.binary(min_size=0, max_size=5000))


@given(data=st.data(), codec=CODECS, limit=LIMITS)
def test_reassembled_units_are_the_original_ones(
    data: st.DataObject, codec: Codec, limit: int
) -> None:
    nals = data.draw(st.lists(nal_units(codec), min_size=1, max_size=4))
    parts = payloads(codec, nals, limit)
    assert reassemble(codec, parts) == nals
    assert all(len(part) <= limit for part in parts)


@given(codec=CODECS, size=st.integers(0, 4000), limit=LIMITS)
def test_fragments_begin_and_end_exactly_once(codec: Codec, size: int, limit: int) -> None:
    head = b"\x65" if codec is Codec.H264 else b"\x26\x01"
    parts = fragment(codec, head + bytes(size), limit)
    if len(parts) > 1:
        at = len(head)
        starts = [bool(part[at] & 0x80) for part in parts]
        ends = [bool(part[at] & 0x40) for part in parts]
        assert starts == [True] + [False] * (len(parts) - 1)
        assert ends == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("codec, nal", [(Codec.H264, b""), (Codec.H265, b"\x26")])
def test_a_unit_without_header_is_refused(codec: Codec, nal: bytes) -> None:
    with pytest.raises(ValueError):
        fragment(codec, nal)


def test_sequence_wraps_and_only_the_last_packet_has_the_marker() -> None:
    sender = RtpSender(ssrc=7, sequence=65_535, base=2**32 - 1)
    first, second = sender.packets([b"a", b"b"], 1)
    assert struct.unpack("!BBHII", first[:12]) == (0x80, 96, 65_535, 0, 7)
    assert struct.unpack("!BBHII", second[:12]) == (0x80, 0x80 | 96, 0, 0, 7)


def test_sender_report_ties_utc_to_the_stream() -> None:
    sender = RtpSender(ssrc=7, sequence=0, base=100)
    sender.packets([b"abc"], 5)
    moment = datetime(2026, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    report = sender.report(moment, 90_000)
    assert report[1] == 200
    _, high, low, stamp, packets, octets = struct.unpack("!6I", report[4:28])
    assert (high << 32 | low) == ntp_time(moment)
    assert low == 1 << 31
    assert high == int(moment.timestamp()) + 2_208_988_800
    assert (stamp, packets, octets) == (90_100, 1, 3)
    assert len(report) % 4 == 0


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
def test_annexb_is_split_at_start_codes(pieces: list[bytes]) -> None:
    nals = [b"\x65" + piece.replace(b"\x00", b"\x01") for piece in pieces]
    stream = b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)
    assert split_annexb(stream) == nals
