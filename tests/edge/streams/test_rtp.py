"""RTP: whatever arrives, pictures come out whole or are called damaged, and nothing is raised."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulator.nal import Codec
from edge.simulator.rtp import RtpSender, payloads
from edge.streams.rtp import START_CODE, CodedPicture, Depacketizer, says_goodbye, sender_clock

KEY = {Codec.H264: b"\x65", Codec.H265: b"\x26\x01"}
OTHER = {Codec.H264: b"\x41", Codec.H265: b"\x02\x01"}
SETS = {Codec.H264: (b"\x67abc", b"\x68de"), Codec.H265: (b"\x40\x01a", b"\x42\x01b", b"\x44\x01c")}


def packets_of(pictures: list[list[bytes]], codec: Codec, first: int = 65530) -> list[bytes]:
    sender = RtpSender(ssrc=1, sequence=first, base=0xFFFFF000)
    return [
        packet
        for number, nals in enumerate(pictures)
        for packet in sender.packets(payloads(codec, nals), number * 3600)
    ]


def depacketizer(codec: Codec) -> Depacketizer:
    return Depacketizer("h264" if codec is Codec.H264 else "hevc", SETS[codec])


def put_together(codec: Codec, packets: list[bytes]) -> list[CodedPicture]:
    parts = depacketizer(codec)
    return [picture for packet in packets for picture in parts.feed(packet)]


bodies = st.lists(st.integers(1, 6000), min_size=1, max_size=4)


@given(codec=st.sampled_from(list(Codec)), sizes=st.lists(bodies, min_size=1, max_size=6))
def test_what_was_sent_comes_out(codec: Codec, sizes: list[list[int]]) -> None:
    pictures = [
        [(KEY if number == 0 else OTHER)[codec] + b"\x55" * size for size in slices]
        for number, slices in enumerate(sizes)
    ]
    found = put_together(codec, packets_of(pictures, codec))
    assert [p.data.split(START_CODE)[1:] for p in found[1:]] == pictures[1:]
    assert found[0].data.split(START_CODE)[1:] == [*SETS[codec], *pictures[0]]
    assert [p.is_key for p in found] == [True] + [False] * (len(pictures) - 1)
    assert not any(p.damaged for p in found)
    ticks = [p.ticks - found[0].ticks for p in found]
    assert ticks == [3600 * i for i in range(len(pictures))], "over the wrap of 32 bits"


@given(st.data())
def test_a_lost_packet_is_counted_and_its_picture_called_damaged(data: st.DataObject) -> None:
    pictures = [[KEY[Codec.H264] + b"\x55" * 4000] for _ in range(4)]
    packets = packets_of(pictures, Codec.H264)
    lost = data.draw(st.integers(1, len(packets) - 2))
    parts = depacketizer(Codec.H264)
    found = [
        picture
        for number, packet in enumerate(packets)
        if number != lost
        for picture in parts.feed(packet)
    ]
    assert parts.lost == 1
    whole = [picture for picture in found if not picture.damaged]
    assert len(whole) >= 2
    for picture in whole:
        assert picture.data.split(START_CODE)[-1] == pictures[0][0]


@given(st.lists(st.binary(max_size=80), max_size=20), st.sampled_from(list(Codec)))
def test_rubbish_is_no_error(packets: list[bytes], codec: Codec) -> None:
    put_together(codec, packets)
    for packet in packets:
        sender_clock(packet)
        says_goodbye(packet)


def test_a_marker_on_every_slice_is_seen_through() -> None:
    pictures = [[OTHER[Codec.H264] + bytes([n, s]) for s in range(3)] for n in range(6)]
    marked = []
    for packet in packets_of(pictures, Codec.H264, first=1):
        marked.append(packet[:1] + bytes([packet[1] | 0x80]) + packet[2:])
    found = put_together(Codec.H264, marked)
    assert [p.data.split(START_CODE)[1:] for p in found[-3:]] == pictures[2:5]


@pytest.mark.parametrize("year_s", [0, 3_000_000_000])
def test_a_clock_that_was_never_set_is_not_compared(year_s: int) -> None:
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 1, year_s, 0, 0, 0, 0)
    assert sender_clock(report) is None


def test_the_senders_clock_is_read() -> None:
    seconds = 2_208_988_800 + 1_800_000_000
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 1, seconds, 1 << 31, 0, 0, 0)
    assert sender_clock(report) == 1_800_000_000.5
