"""Describes a stream in SDP (RFC 8866), as the answer to DESCRIBE."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from edge.simulator.loop import TICKS_PER_SECOND, EncodedLoop
from edge.simulator.nal import Codec
from edge.simulator.rtp import PAYLOAD_TYPE

TRACK = "trackID=0"
"""Control name of the one video track."""


def describe(loop: EncodedLoop, *, name: str, address: str, sets: Sequence[bytes]) -> str:
    """The SDP of a live stream.

    Args:
        name: session name, such as ``east-gate-in/main``.
        address: the server's address as the client reached it.
        sets: the parameter sets to announce; empty announces none.
    """
    version = "IP6" if ":" in address else "IP4"
    coding = "H264" if loop.codec is Codec.H264 else "H265"
    lines = [
        "v=0",
        f"o=- 1 1 IN {version} {address}",
        f"s={name}",
        f"c=IN {version} {'::' if version == 'IP6' else '0.0.0.0'}",  # noqa: S104 (RFC 2326 C.1.7)
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {coding}/{TICKS_PER_SECOND}",
        *_format(loop.codec, sets),
        f"a=cliprect:0,0,{loop.height},{loop.width}",
        f"a=control:{TRACK}",
    ]
    return "\r\n".join(lines) + "\r\n"


def _format(codec: Codec, sets: Sequence[bytes]) -> list[str]:
    encoded = [b64encode(item).decode() for item in sets]
    if codec is Codec.H264:
        fields = ["packetization-mode=1"]
        if sets:
            fields.append(f"profile-level-id={sets[0][1:4].hex().upper()}")
            fields.append("sprop-parameter-sets=" + ",".join(encoded))
        return [f"a=fmtp:{PAYLOAD_TYPE} " + ";".join(fields)]
    if len(sets) != 3:
        return []
    names = ("sprop-vps", "sprop-sps", "sprop-pps")
    pairs = (f"{key}={value}" for key, value in zip(names, encoded, strict=True))
    return [f"a=fmtp:{PAYLOAD_TYPE} " + ";".join(pairs)]
