"""RTP: whatever arrives, pictures come out whole or are called damaged, and nothing is raised."""

from __future__ import annotations

import struct
from typing import Any

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


@pytest.mark.parametrize(("codec", "filler"), [(Codec.H264, b"\x0c"), (Codec.H265, b"\x4c\x01")])
def test_what_only_fills_up_the_bit_rate_is_left_out(codec: Codec, filler: bytes) -> None:
    padding = filler + b"\xff" * 5000
    pictures = [[KEY[codec] + b"a", padding], [OTHER[codec] + b"b", padding], [padding]]
    found = put_together(codec, packets_of(pictures, codec))
    units = [p.data.split(START_CODE)[1:] for p in found]
    assert units == [[*SETS[codec], KEY[codec] + b"a"], [OTHER[codec] + b"b"]]
    assert not any(p.damaged for p in found)


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


def interleaved(packets: list[bytes]) -> bytearray:
    return bytearray(b"".join(b"$\x00" + len(p).to_bytes(2) + p for p in packets))


def put_together_quickly(codec: Codec, packets: list[bytes]) -> tuple[Depacketizer, list[Any], int]:
    """As a session does it: one packet, then as many as the short way takes."""
    parts, buffer = depacketizer(codec), interleaved(packets)
    found, at, fed = [], 0, 0
    while at < len(buffer):
        stop = at + 4 + int.from_bytes(buffer[at + 2 : at + 4])
        found += parts.feed(bytes(buffer[at + 4 : stop]))
        at, fed = parts.run(buffer, stop), fed + 1
    return parts, found, fed


@given(codec=st.sampled_from(list(Codec)), data=st.data())
def test_the_short_way_gives_what_the_long_way_gives(codec: Codec, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    packets = packets_of([[KEY[codec] + bytes([i]) * 9000] for i in range(count)], codec)
    for _ in range(data.draw(st.integers(0, 3))):
        victim = data.draw(st.integers(0, len(packets) - 1))
        match data.draw(st.sampled_from(["lose", "spoil", "swap", "cut", "pass"])):
            case "lose" if len(packets) > 1:
                packets.pop(victim)
            case "spoil" if packets[victim]:
                spoilt, place = bytearray(packets[victim]), data.draw(st.integers(0, 15))
                spoilt[min(place, len(spoilt) - 1)] ^= 1 << data.draw(st.integers(0, 7))
                packets[victim] = bytes(spoilt)
            case "swap":
                packets[victim], packets[0] = packets[0], packets[victim]
            case "cut":
                packets[victim] = packets[victim][: data.draw(st.integers(0, 20))]
    slow = depacketizer(codec)
    expected = [picture for packet in packets for picture in slow.feed(packet)]
    quick, found, _ = put_together_quickly(codec, packets)
    assert found == expected
    assert quick.lost == slow.lost


@pytest.mark.parametrize("codec", list(Codec))
def test_the_short_way_takes_most_packets_of_a_large_picture(codec: Codec) -> None:
    packets = packets_of([[KEY[codec] + b"\x55" * 100_000]], codec)
    _, found, fed = put_together_quickly(codec, packets)
    assert len(found) == 1
    assert fed == 2, "the first and the last packet only"


@pytest.mark.parametrize("described", list(Codec))
def test_another_coding_than_described_is_noticed_within_a_few_packets(described: Codec) -> None:
    sent = Codec.H265 if described is Codec.H264 else Codec.H264
    parts = depacketizer(described)
    for packet in packets_of([[*SETS[sent], KEY[sent] + b"\x55" * 4000]] * 4, sent):
        parts.feed(packet)
    assert parts.strange > 8


@pytest.mark.parametrize("codec", list(Codec))
def test_a_camera_that_does_as_it_says_is_never_strange(codec: Codec) -> None:
    sei, end = (b"\x06\x05", b"\x0b") if codec is Codec.H264 else (b"\x4e\x01\x05", b"\x4a\x01\x55")
    parts = depacketizer(codec)
    pictures = [[*SETS[codec], sei, KEY[codec] + b"\x55" * 4000]]
    pictures += [[sei, OTHER[codec] + b"\x55" * 3000, end]] * 20
    for packet in packets_of(pictures, codec):
        parts.feed(packet)
        assert parts.strange == 0
