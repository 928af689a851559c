"""The ring keeps whole groups of pictures within its bytes, whatever comes."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from edge.watching.gop_ring import GopRing


@dataclass(frozen=True)
class Packet:
    size: int
    is_keyframe: bool
    at_s: float


def ring(max_bytes: int = 1000, max_seconds: float = 4.0) -> GopRing[Packet]:
    return GopRing(max_bytes=max_bytes, max_seconds=max_seconds)


@given(st.lists(st.tuples(st.integers(1, 600), st.booleans()), max_size=80), st.integers(0, 80))
def test_what_it_yields_starts_at_a_key_frame_and_fits(
    stream: list[tuple[int, bool]], asked: int
) -> None:
    kept = ring()
    packets = [Packet(size, key, float(i) / 10) for i, (size, key) in enumerate(stream)]
    for packet in packets:
        kept.append(packet)
        assert kept.bytes <= 1000
    out = list(kept.since(asked / 10))
    assert not out or out[0].is_keyframe
    assert out == packets[len(packets) - len(out) :], "nothing is missing between"


def test_decoding_starts_at_the_key_frame_before_the_trigger() -> None:
    kept = ring(max_bytes=10**6, max_seconds=100)
    for i in range(30):
        kept.append(Packet(10, i % 10 == 0, float(i)))
    assert next(iter(kept.since(25.0))).at_s == 20.0
    assert next(iter(kept.since(19.9))).at_s == 10.0
    assert next(iter(kept.since(-5.0))).at_s == 0.0


def test_a_group_larger_than_the_ring_is_given_up_until_the_next_key_frame() -> None:
    kept = ring(max_bytes=100)
    kept.append(Packet(60, True, 0.0))
    kept.append(Packet(60, False, 0.1))
    kept.append(Packet(10, False, 0.2))
    assert len(kept) == 0
    assert kept.overflows == 1
    kept.append(Packet(10, True, 0.3))
    assert len(kept) == 1
