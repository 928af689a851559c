"""Watches a small stream for motion: what to decode of it, and when to look."""

from __future__ import annotations

import time

from edge.health.picture_health import PictureHealth
from edge.streams.frame_time import FrameTimer
from edge.streams.stream import PacketSource, Picture, StreamPacket
from edge.watching.counters import Counters
from edge.watching.masks import MaskBurner
from edge.watching.moments import Moments
from edge.watching.motion import WIDTH, MotionDetector
from edge.watching.stillness import Stillness
from edge.watching.trigger import Trigger
from edge.watching.undecoded import Pace, Undecoded, utc_of

MOTION_INTERVAL_S = 0.1
IDLE_INTERVAL_S = 0.4
"""While nothing moves, every fourth picture is compared: what was missed is in the ring."""


class SubWatch:
    """Decodes the small stream and feeds motion to the trigger.

    Packets wait undecoded until a look is due, so the last pictures of a group are never decoded
    while nothing moves. Looks fall on key frames where they can: then the most are left out. Where
    the sizes of what waits are those of a still scene, a look waits longer.
    """

    def __init__(self, trigger: Trigger, masks: MaskBurner, counters: Counters) -> None:
        self._trigger = trigger
        self._masks = masks
        self._counters = counters
        self._motion = MotionDetector()
        self.health = PictureHealth()
        self._timer, self._moments = FrameTimer(), Moments()
        self._pace = Pace(IDLE_INTERVAL_S)
        self._stillness = Stillness()
        self._looked = False
        self._undecoded = Undecoded(counters)

    def opened(self) -> None:
        """A new connection: its clock and its first picture have nothing to do with the last."""
        self._timer, self._moments = FrameTimer(), Moments()
        self._looked = False
        self._undecoded.clear()
        self._stillness.forget()

    def packet(self, stream: PacketSource, packet: StreamPacket) -> bool:
        """Take one packet, and look for motion when it is time. Returns whether there is any."""
        packet = self._moments.of(packet)
        if packet.pts_s is not None:
            self._timer.observe(packet.pts_s, packet.arrived_s)
        self._undecoded.add(packet)
        at_s = utc_of(self._timer, packet.pts_s, packet)
        self._stillness.packet(at_s, packet.size, is_key=packet.is_keyframe)
        if self._pace.expects(packet, self._timer) and not self._may_wait(packet, at_s):
            for picture in self._undecoded.latest(stream):
                self._look(picture, packet, utc_of(self._timer, picture.pts_s, packet))
        return self._pace.interval_s < IDLE_INTERVAL_S

    def _may_wait(self, packet: StreamPacket, at_s: float) -> bool:
        """Whether nothing moves, and the sizes of what has come since say that nothing will."""
        if self._pace.interval_s < IDLE_INTERVAL_S:
            return False
        return self._stillness.may_wait(at_s, is_key=packet.is_keyframe)

    def look(self, picture: Picture, packet: StreamPacket, utc_s: float) -> None:
        """Compare a picture with the background, unless the last look was a moment ago."""
        if self._pace.would(utc_s):
            self._look(picture, packet, utc_s)

    def _look(self, picture: Picture, packet: StreamPacket, utc_s: float) -> None:
        self._pace.passed(utc_s)
        if not self._looked:
            self._looked = True
            self._trigger.look_around(packet.at_s)
        begun = time.thread_time()
        grey = picture.grey(WIDTH)
        self._masks.burn(grey)
        motion = self._motion.update(grey, utc_s)
        self.health.update(grey, utc_s)
        self._pace.interval_s = MOTION_INTERVAL_S if motion.present else IDLE_INTERVAL_S
        self._counters.watched += 1
        self._counters.motion_s += time.thread_time() - begun
        self._trigger.saw(motion, at_s=packet.at_s, utc_s=utc_s)
        area = sum(width * height for _, _, width, height in motion.boxes)
        self._stillness.looked(utc_s, area=area, moves=motion.active)
