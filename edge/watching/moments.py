"""When packets were sent, on a clock that never jumps, however late we come to read them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge.streams.frame_time import FrameTimer
from edge.streams.stream import StreamPacket


@dataclass(slots=True)
class Moments:
    """Times the packets of one stream by the stream's own clock.

    A busy machine reads one stream of a camera seconds later than the other. What is seen moving
    on one is looked for on the other, so both must mean the same moment by ``at_s``.
    """

    _timer: FrameTimer = field(default_factory=FrameTimer)

    def of(self, packet: StreamPacket) -> StreamPacket:
        """The packet, ``at_s`` as if it had been read at once; in order of arrival."""
        if packet.pts_s is None:
            return packet
        self._timer.observe(packet.pts_s, packet.at_s)
        return replace(packet, at_s=self._timer.unix_s(packet.pts_s, packet.at_s))
